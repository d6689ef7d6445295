"""The pack ``auto``: whichever words most of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.pack_sources import pack_names

AUTO, DEFAULT, ENGLISH = "auto", "generic", "en"


def choose_pack(name: str, relation_counts: Callable[[], Mapping[str, int]]) -> TemplatePack:
    """The pack that ``[prompts] pack`` names; ``auto`` asks the graph for its relations.

    Args:
        name: A shipped or installed pack, a folder, or ``auto``.
        relation_counts: ``graph.relation_counts``, called only for ``auto``.
    """
    return load_auto(relation_counts()) if name == AUTO else TemplatePack.load(name)


def load_auto(relation_counts: Mapping[str, int]) -> TemplatePack:
    """The shipped or installed pack with sentences for most triples of a graph.

    Of several that word as many it is ``generic`` if that is among them, else an English one, else the one with fewer
    relations, which is made for less.

    Args:
        relation_counts: Triples by relation id, see ``Graph.relation_counts``.
    """

    def rank(pack: TemplatePack) -> tuple[float, bool, bool, int]:
        share = pack.coverage(relation_counts).share_of_triples
        return share, pack.name == DEFAULT, pack.language == ENGLISH, -len(pack.relations)

    return max((TemplatePack.load(name) for name in pack_names()), key=rank)
