"""The knowledge tree: which triples, in what order, under which node, and who sees whom."""

from __future__ import annotations

from kptoolkit.tree.budget import LeftOut
from kptoolkit.tree.knowledge_tree import ItemPrompts, KnowledgeTree
from kptoolkit.tree.linearization import HistoryItem, Triplet
from kptoolkit.tree.tokens import Encoded, Tokenizer, WordTokenizer, cap_name
from kptoolkit.tree.triplet_prompts import TripletPrompt, Wording

__all__ = [
    "Encoded",
    "HistoryItem",
    "ItemPrompts",
    "KnowledgeTree",
    "LeftOut",
    "Tokenizer",
    "Triplet",
    "TripletPrompt",
    "WordTokenizer",
    "Wording",
    "cap_name",
]
