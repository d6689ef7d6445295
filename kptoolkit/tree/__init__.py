"""The knowledge tree: selects triples, orders them under their parents, and defines which token sees which."""

from __future__ import annotations

from kptoolkit.tree import draw
from kptoolkit.tree.budget import LeftOut
from kptoolkit.tree.knowledge_tree import ItemPrompts, KnowledgeTree
from kptoolkit.tree.linearization import HistoryItem, Triplet
from kptoolkit.tree.tokens import Encoded, Tokenizer, WordTokenizer, cap_name
from kptoolkit.tree.triplet_prompts import TripletPrompt, TripletRenderer

__all__ = [
    "Encoded",
    "HistoryItem",
    "ItemPrompts",
    "KnowledgeTree",
    "LeftOut",
    "Tokenizer",
    "Triplet",
    "TripletPrompt",
    "TripletRenderer",
    "WordTokenizer",
    "cap_name",
    "draw",
]
