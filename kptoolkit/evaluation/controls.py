"""Controls: models retrained with the same settings, budget and seeds, in which one thing is different or missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kptoolkit import metrics
from kptoolkit.config import Config
from kptoolkit.errors import RunError, UnknownNameError
from kptoolkit.evaluation.ranking import Ranking
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models import RanksByKnowledgeAlone, ReadsFarTriples, ReadsKnowledge, ReadsTreeMask, backend_class
from kptoolkit.names import nearest

#: Seed of the derangement of shuffled knowledge, and of the exchange of random sentences.
DERANGEMENT_SEED: Final = 20230817


def unchanged(trees: ItemTrees) -> ItemTrees:
    """Return the trees as they are: the model itself, not a control."""
    return trees


def without_knowledge(trees: ItemTrees) -> ItemTrees:
    """Return the trees without any triplet."""
    return trees.without_knowledge()


def _shuffled(trees: ItemTrees, _: KnowledgeSource) -> ItemTrees:
    return trees.shuffled(DERANGEMENT_SEED)


def _random_sentences(trees: ItemTrees, knowledge: KnowledgeSource) -> ItemTrees:
    return trees.with_random_prompts(knowledge.pool.sentences.words, DERANGEMENT_SEED)


def _nearest(trees: ItemTrees, _: KnowledgeSource) -> ItemTrees:
    return trees.where(trees.hop == 1)


def _own_trees(trees: ItemTrees, _: KnowledgeSource) -> ItemTrees:
    return trees


def _own_settings(config: Config) -> Config:
    return config


def _knowledge_only(config: Config) -> Config:
    """Settings with everything off that does not come of triples.

    Raises:
        RunError: The backend cannot be trained like this, or the run is like this.
    """
    kind = backend_class(config.model.backend)
    if not issubclass(kind, RanksByKnowledgeAlone):
        raise RunError(f"backend '{kind.name}' cannot be trained to read nothing of an item except its triples")
    alone = kind.knowledge_alone(config)
    alone = alone.with_parts(titles=False, transitions=False, co_occurrence=False, popularity=False)
    if alone == config and config.parts.text_encoder is None:
        raise RunError("the run itself reads nothing but knowledge")
    return alone


def _one_hop(config: Config) -> Config:
    """The same settings; the trees lose what is farther than one hop.

    Raises:
        RunError: Nothing reads farther triples.
    """
    kind = backend_class(config.model.backend)
    hops = kind.hops_read(config) if issubclass(kind, ReadsFarTriples) else 1
    if max(hops, config.tree.hops if config.parts.reads_text else 1) == 1:
        raise RunError("nothing in the run reads triples of more than one hop, so that it would be the same training")
    return config


def _mask_off(config: Config) -> Config:
    """Settings without the tree mask.

    Raises:
        RunError: Nothing reads a tree mask.
    """
    kind, parts = backend_class(config.model.backend), config.parts
    changed = kind.without_tree_mask(config) if issubclass(kind, ReadsTreeMask) else None
    if parts.text_encoder is not None and parts.text_mask and config.tree.hops > 1:
        changed = (changed or config).with_parts(text_mask=False)
    if changed is None:
        raise RunError("nothing in the run reads a tree mask, so that it would be the same training")
    return changed


@dataclass(frozen=True)
class Control:
    """A run retrained with a difference.

    Attributes:
        name: Its name.
        trees: Changes the item trees, whose prompts are those of the source.
        change: Returns the settings of its training; raises :class:`RunError` where the control says nothing about a
            run, and says why.
        titles: Whether the titles of items are read.
        untrue: Whether no item has its own triples; :func:`kger` is for such controls.
    """

    name: str
    trees: Callable[[ItemTrees, KnowledgeSource], ItemTrees] = _own_trees
    change: Callable[[Config], Config] = _own_settings
    titles: bool = True
    untrue: bool = False

    def settings(self, config: Config) -> Config:
        """Return the settings of its training.

        Args:
            config: Settings of the run.

        Raises:
            RunError: The control says nothing about such a run; the message says why.
        """
        require_knowledge(config)
        try:
            return self.change(config)
        except RunError as error:
            raise RunError(f"no control '{self.name}': {error}") from error


#: All controls by name.
CONTROLS: Final[Mapping[str, Control]] = {
    control.name: control
    for control in (
        Control("no-knowledge", trees=lambda trees, _: without_knowledge(trees), untrue=True),
        Control("shuffled-knowledge", trees=_shuffled, untrue=True),
        Control("random-sentences", trees=_random_sentences, untrue=True),
        Control("knowledge-only", change=_knowledge_only, titles=False),
        Control("mask-off", change=_mask_off),
        Control("one-hop", trees=_nearest, change=_one_hop),
    )
}
#: The controls that an evaluation retrains unless it is asked for others.
STANDARD: Final = ("no-knowledge", "shuffled-knowledge")
ALL: Final = "all"
"""Stands for the names of all controls."""


def require_knowledge(config: Config) -> None:
    """Check that a run reads knowledge.

    Raises:
        RunError: Neither backend nor score parts read knowledge, so that controls would equal the run.
    """
    kind = backend_class(config.model.backend)
    if not (issubclass(kind, ReadsKnowledge) or config.parts.reads_knowledge):
        raise RunError(f"backend '{kind.name}' and its score parts use no knowledge; there are no controls")


def named(name: str) -> Control:
    """Return the control of this name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in CONTROLS:
        raise UnknownNameError("control", name, nearest(name, CONTROLS), f"Known: {', '.join(CONTROLS)}")
    return CONTROLS[name]


def applicable(names: Iterable[str], configs: Sequence[Config]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Select the controls that say something about runs.

    Args:
        names: Names of controls; ``"all"`` stands for all of them.
        configs: Settings of the runs.

    Returns:
        The names of those that do for every run, each once; and for each of the others a note that says why not.

    Raises:
        UnknownNameError: No control has this name.
        RunError: The runs read no knowledge.
    """
    asked = dict.fromkeys(one for name in names for one in (CONTROLS if name == ALL else (name,)))
    found, notes = list[str](), list[str]()
    for control in map(named, asked):
        for config in configs:
            require_knowledge(config)
        try:
            for config in configs:
                control.settings(config)
        except RunError as error:
            notes.append(str(error))
        else:
            found.append(control.name)
    return tuple(found), tuple(notes)


def kger(run: Sequence[Ranking], control: Sequence[Ranking]) -> float | None:
    """Compute KGER, the KG utilization efficiency in recommendation, by complete removal or distortion of the triples.

    It is the share of MRR@10 that a run loses in a control: ``(run - control) / run``; below 0 where the control is
    better. Figures of several runs are averaged first.

    References:
        KG4RecEval: Does Knowledge Graph Really Matter for Recommender Systems?, arXiv 2404.03164.

    Args:
        run: Rankings of one or several runs.
        control: Rankings of the same cases by the control of each.

    Returns:
        ``None`` if the runs have no target among their first 10.
    """
    ours, theirs = (float(np.mean([_reciprocal_at_10(each) for each in side])) for side in (run, control))
    return (ours - theirs) / ours if ours > 0 else None


def _reciprocal_at_10(ranking: Ranking) -> float:
    return float(np.where(ranking.ranks <= 10, metrics.reciprocal_rank(ranking.ranks), 0.0).mean())
