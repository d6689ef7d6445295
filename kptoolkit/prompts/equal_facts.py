"""Relations of a graph that state the same fact, by the sentences that a pack has for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from kptoolkit.arguments import checked
from kptoolkit.prompts.pack import TemplatePack

_CODE = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_NAMES = re.compile(r"\b(head|tail|relation)\b")


@dataclass(frozen=True)
class EqualFacts:
    """Pairs of relation ids whose triples state the same fact, so that a tree needs one of them.

    Attributes:
        mirrored: With head and tail swapped; a relation with itself is symmetric.
        repeated: With the same head and tail.
    """

    mirrored: tuple[tuple[str, str], ...] = ()
    repeated: tuple[tuple[str, str], ...] = ()


@checked
def equal_facts(pack: TemplatePack, relations: Sequence[str]) -> EqualFacts:
    """Find the relations of a graph that state the same fact.

    They are the ``mirrored`` pairs of the pack, and relations with a sentence in common: aliases of one relation, and a
    relation that reads the same from both of its ends.

    Args:
        pack: Template pack.
        relations: Relation ids of the graph.
    """
    mirrored, repeated = dict.fromkeys([*pack.mirrored, *_mirrored(pack, relations)]), dict[tuple[str, str], None]()
    forward, inverse = dict[str, str](), dict[str, str]()
    for relation in relations:
        for first, backward in ((forward, False), (inverse, True)):
            for text in _sentences(pack, relation, backward):
                if (earlier := first.setdefault(text, relation)) != relation:
                    repeated[earlier, relation] = None
    for relation in relations:
        for text in _sentences(pack, relation, True, swapped=True):
            if text in forward:
                mirrored[forward[text], relation] = None
    return EqualFacts(tuple(mirrored), tuple(repeated))


def _mirrored(pack: TemplatePack, relations: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the mirrored pairs of the pack under the ids that the graph has for them."""
    known = dict[str, list[str]]()
    for relation in relations:
        known.setdefault(pack.canonical(relation), []).append(relation)
    for one, other in dict.fromkeys((pack.canonical(one), pack.canonical(other)) for one, other in pack.mirrored):
        yield from product(known.get(one, ()), known.get(other, ()))


def _sentences(pack: TemplatePack, relation: str, inverse: bool, *, swapped: bool = False) -> list[str]:
    """The texts of a direction with the words of the relation in place; with head and tail swapped if asked."""
    words = pack.words(relation)
    known = pack.relations.get(pack.canonical(relation), pack.fallback if words else pack.neutral)
    names = {"head": "tail", "tail": "head"} if swapped else {}
    names["relation"] = repr(words)

    def changed(code: re.Match[str]) -> str:
        text = _NAMES.sub(lambda name: names.get(name[0], name[0]), code[0])
        return re.sub(r"\s+", "", text)

    return [_CODE.sub(changed, text) for text in known.sentences(inverse)]
