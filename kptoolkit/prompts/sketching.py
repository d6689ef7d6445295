"""Drafts a template pack for a graph's relations: sentences of a pack that knows them, others from the ids' words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kptoolkit.prompts.auto import load_auto
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.wording import relation_words

_BEFORE = frozenset(["about", "as", "at", "by", "for", "from", "in", "into", "of", "on", "to", "under", "with"])
_VERBS = frozenset(
    ["is", "was", "has", "had", "made", "wrote", "sang", "won", "led", "sold", "bought", "built", "taught"]
)


def sketch_pack(
    name: str, relation_counts: Mapping[str, int], like: TemplatePack | None = None
) -> tuple[TemplatePack, tuple[str, ...]]:
    """A pack with a sentence for each relation of a graph.

    Args:
        name: Its name.
        relation_counts: Triples by relation id, see ``Graph.relation_counts``.
        like: Pack to take sentences, MPP templates and the fallback from; the one that covers most when ``None``.

    Returns:
        The pack, and the relations whose sentences were made from the words in their ids: read those first.
    """
    source = like or load_auto(relation_counts)
    pack = replace(
        source,
        name=name,
        description=f"Drafted from the relations of a graph, with sentences of the pack {source.name}.",
        relations={},
        aliases={},
        mirrored=tuple(pair for pair in source.mirrored if set(pair) <= relation_counts.keys()),
    )
    drafted = []
    for relation in sorted(relation_counts, key=lambda entry: (-relation_counts[entry], entry)):
        if source.has(relation):
            known = source.relations[source.canonical(relation)]
            pack = replace(pack, relations={**pack.relations, relation: known})
        elif words := relation_words(relation):
            pack = pack.with_relation(relation, forward=_sentence(words))
            drafted.append(relation)
    return pack, tuple(drafted)


def _sentence(words: str) -> str:
    """A first sentence: ``acted in`` is taken for a verb, ``genre`` and ``has genre`` for a noun."""
    first, *others = words.split()
    last = others[-1] if others else first
    if first in _BEFORE:
        return f"{{{{ head }}}} is {words} {{{{ tail }}}}."
    if last == "by":
        return f"{{{{ head }}}} was {words} {{{{ tail }}}}."
    if first == "has" and others and last not in _BEFORE:
        return f"The {' '.join(others)} of {{{{ head }}}} is {{{{ tail }}}}."
    if first in _VERBS or first.endswith(("ed", "s")) or last in _BEFORE:
        return f"{{{{ head }}}} {words} {{{{ tail }}}}."
    return f"The {words} of {{{{ head }}}} is {{{{ tail }}}}."
