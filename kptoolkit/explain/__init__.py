"""Explanations: the triplet prompts that a score depends on, their faithfulness, and paths of the graph."""
