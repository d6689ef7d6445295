"""Relations of a graph that state the same fact, by the sentences that a pack has for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from kptoolkit.arguments import checked
from kptoolkit.names import local_name
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
def equal_facts(pack: TemplatePack, relations: Sequence[str], variants: str = "first") -> EqualFacts:
    """Find the relations of a graph that state the same fact.

    They are the ``mirrored`` pairs of the pack, and relations with the same sentences: aliases of one relation, and a
    relation that reads the same from both of its ends. Of relations without words, such
    as ``P58``, only those of one name in several namespaces are the same.

    Args:
        pack: Template pack.
        relations: Relation ids of the graph.
        variants: Which sentences are used, as in ``prompts.variants``: with ``"first"`` only the first ones need to be
            the same, else all of them.
    """
    mirrored, repeated = (
        dict.fromkeys([*pack.mirrored, *mirrored_pairs(pack, relations)]),
        dict[tuple[str, str], None](),
    )
    used = slice(1) if variants == "first" else slice(None)
    described = dict.fromkeys(one for one in relations if pack.has(one) or pack.words(one))
    forward, first = dict[str, str](), dict[tuple[str | bool, ...], str]()
    for relation in described:
        for text in _sentences(pack, relation, False):
            forward.setdefault(text, relation)
    for relation in relations:
        name = "" if relation in described else local_name(relation)
        for backward in (False, True):
            texts = _sentences(pack, relation, backward)[used]
            if (earlier := first.setdefault((name, backward, *texts), relation)) != relation:
                repeated[earlier, relation] = None
    for relation in described:
        for text in _sentences(pack, relation, True, swapped=True):
            if text in forward:
                mirrored[forward[text], relation] = None
    return EqualFacts(tuple(mirrored), tuple(repeated))


def mirrored_pairs(pack: TemplatePack, relations: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the mirrored pairs of a pack under the ids that a graph has for the relations."""
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
