"""Compiled knowledge: distinct triplet prompts, item trees, item facts, caches and batches."""
