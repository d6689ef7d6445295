"""Changes of the template pack of a training: fewer templates, shuffled words, no words of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.prompts import TemplatePack
from kptoolkit.prompts.templating.relations import RelationTemplates
from kptoolkit.studies.engine.study_definition import Change

_WORDS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\S+")
_OPENINGS: Final = ("So", "Now", "Then", "Again", "Here", "Well", "Next", "Thus", "And")


def with_pack(change: Callable[[TemplatePack], TemplatePack]) -> Change:
    """Change the pack of a training."""

    def changed(prepared: Prepared, _: int) -> Prepared:
        return replace(prepared, knowledge=replace(prepared.knowledge, pack=change(prepared.knowledge.pack)))

    return changed


def mpps(count: int) -> Change:
    """Keep the first ``count`` MPP templates for training, those without a user first; held-out ones stay."""

    def change(pack: TemplatePack) -> TemplatePack:
        train = [template for template in pack.mpp if template.split == "train"]
        first = sorted(train, key=lambda template: template.has_user)[:count]
        return replace(pack, mpp=(*first, *(template for template in pack.mpp if template.split != "train")))

    return with_pack(change)


def similar_mpps(count: int) -> Change:
    """Use ``count`` MPP templates for training that differ in their first word only."""

    def change(pack: TemplatePack) -> TemplatePack:
        train = [template for template in pack.mpp if template.split == "train"]
        first = min(train, key=lambda template: template.has_user)
        similar = [first]
        for number, word in enumerate(_OPENINGS[: count - 1], 2):
            similar.append(replace(first, id=f"{first.id}-{number}", text=f"{word}: {first.text}", parsed=None))
        return replace(pack, mpp=(*similar, *(template for template in pack.mpp if template.split != "train")))

    return with_pack(change)


def sentences(count: int) -> Change:
    """Keep at most ``count`` sentences per relation and direction."""
    return with_pack(lambda pack: _each(pack, lambda texts: texts[:count]))


def fallback_only(pack: TemplatePack) -> TemplatePack:
    """Use the fallback sentence for every relation: the words of its id."""
    return replace(pack, relations={}, aliases={}, mirrored=())


def neutral_only(pack: TemplatePack) -> TemplatePack:
    """Use the neutral sentence for every relation, so that nothing is said about what a relation means."""
    return replace(fallback_only(pack), fallback=pack.neutral)


def shuffled_words(pack: TemplatePack) -> TemplatePack:
    """Shuffle the words of every sentence; names and words stay, their order goes."""
    generator = np.random.default_rng(0)

    def shuffle(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(" ".join(generator.permutation(_WORDS.findall(text)).tolist()) for text in texts)

    changed = _each(pack, shuffle)
    fallback, neutral = (
        RelationTemplates(shuffle(sides.forward), shuffle(sides.inverse)) for sides in (pack.fallback, pack.neutral)
    )
    return replace(changed, fallback=fallback, neutral=neutral)


def _each(pack: TemplatePack, change: Callable[[Sequence[str]], Sequence[str]]) -> TemplatePack:
    relations = {
        relation: RelationTemplates(tuple(change(sides.forward)), tuple(change(sides.inverse)))
        for relation, sides in pack.relations.items()
    }
    return replace(pack, relations=relations)
