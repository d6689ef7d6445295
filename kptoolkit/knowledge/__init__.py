"""Compiled knowledge: distinct triplet prompts, item trees, item facts and their cache."""
