"""Explanations: the triplet prompts that a score depends on, their faithfulness, and paths of the graph."""

from kptoolkit.explain.explanations import explain as explain
