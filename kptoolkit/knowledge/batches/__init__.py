"""Batches of prompts and of item trees as padded arrays."""
