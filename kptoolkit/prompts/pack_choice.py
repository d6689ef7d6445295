"""Chooses the pack that covers most triples of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kptoolkit.arguments import checked
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.reading.pack_reader import read_unchecked
from kptoolkit.prompts.reading.pack_sources import find_pack, pack_names
from kptoolkit.resources import Trust

AUTO, DEFAULT, ENGLISH = "auto", "generic", "en"


@checked
def choose_pack(
    name: str, relation_counts: Callable[[], Mapping[str, int]], *, trust_code: Trust = False
) -> TemplatePack:
    """Load the pack that ``[prompts] pack`` names; ``auto`` chooses one for the graph.

    Args:
        name: A shipped or installed pack, a folder, or ``auto``.
        relation_counts: The method ``graph.relation_counts``; called only for ``auto``.
        trust_code: As for :meth:`TemplatePack.load`.
    """
    return load_auto(relation_counts()) if name == AUTO else TemplatePack.load(name, trust_code=trust_code)


@checked
def load_auto(relation_counts: Mapping[str, int], language: str | None = None) -> TemplatePack:
    """Load the shipped or installed pack with sentences for most triples of a graph.

    Of several with the same share: ``generic`` if it is one of them, else an English one, else the most specific one,
    with the fewest relations.

    Args:
        relation_counts: Triples by relation id, see ``Graph.relation_counts``.
        language: Only packs in this language, if there are any.
    """

    def rank(each: tuple[str, TemplatePack]) -> tuple[float, bool, bool, int]:
        pack = each[1]
        share = pack.coverage(relation_counts).share_of_triples
        return share, pack.name == DEFAULT, pack.language == ENGLISH, -len(pack.relations)

    packs = [(name, TemplatePack(**vars(read_unchecked(find_pack(name))))) for name in pack_names()]
    best, _ = max([each for each in packs if each[1].language == language] or packs, key=rank)
    return TemplatePack.load(best)
