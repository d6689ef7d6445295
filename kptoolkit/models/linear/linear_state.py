"""The fitted backend ``linear``: the regression, the terms next to it and the knowledge that they read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.errors import DataError, RunError
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitTask
from kptoolkit.models.linear.window_ridge import RidgeFit, RidgeSettings, WindowRidge
from kptoolkit.models.parts.graph_similarity import GraphSimilarity
from kptoolkit.models.parts.pair_features import TrainingEvents
from kptoolkit.models.parts.pair_kinds import PairKind, graph_kinds
from kptoolkit.models.parts.part_examples import candidates_of, examples_of, training_cases
from kptoolkit.models.parts.part_weights import PartWeights, fit_weights
from kptoolkit.models.parts.score_parts import PairPart, ScoreParts, most_similar
from kptoolkit.progress import ProgressEvent
from kptoolkit.storage.arrays import check_arrays, read_arrays, write_arrays

GRAPH: Final = "graph similarity"
CASES: Final = 2000
"""Most training cases from which the weights of the terms are fitted."""
_FEWEST_CASES: Final = 10
_STRENGTH: Final = 1e-4  # strength with which weights are held at their start
_STAGE: Final = "fit linear"


@dataclass(frozen=True, eq=False)
class LinearState:
    """Everything that the backend scores by.

    Attributes:
        ridge: The regression.
        terms: Weight of the regression, and graph similarity.
        knowledge: Item trees, and the fact and variant of each prompt.
        facts: The fact of each prompt as numbers.
    """

    ridge: WindowRidge
    terms: ScoreParts
    knowledge: CompiledKnowledge
    facts: PromptFacts

    @property
    def weights(self) -> dict[str, float]:
        """Weight of both terms, by name."""
        part = self.terms.pairs.get(GRAPH)
        return {"weight of the regression": self.terms.backend, f"weight of {GRAPH}": part.scale if part else 0.0}

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Weighted sum of the terms for every item, ``(N, n_items)``."""
        scores = self.terms.added(cases)
        scores += np.float32(self.terms.backend) * evidence(self.ridge.score(cases))
        return scores

    def with_trees(self, trees: ItemTrees) -> LinearState:
        """The same weights with other knowledge."""
        terms = self.terms.extended(self.ridge.n_items, {GRAPH: kinds_of(self.facts, trees)})
        return replace(self, terms=terms, knowledge=self.knowledge.with_trees(trees))

    def extended(self, catalogue: Catalogue, source: KnowledgeSource) -> LinearState:
        """The same weights for a catalogue with more items and other knowledge."""
        trees = source.trees(0)
        facts, knowledge = facts_of(catalogue, source), knowledge_of(source, trees)
        terms = self.terms.extended(len(catalogue), {GRAPH: kinds_of(facts, trees)})
        similar = most_similar(terms.pairs, self.ridge.n_items, len(catalogue))
        return LinearState(self.ridge.grown(similar), terms, knowledge, facts)

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed and atomic."""
        ridge = self.ridge
        described = {"n_items": ridge.n_items, "window": ridge.window, "decay": ridge.decay}
        arrays: dict[str, NDArray[Any]] = {"items": ridge.items, "targets": ridge.targets, "matrix": ridge.matrix}
        write_arrays(folder / "ridge", arrays, described)
        self.terms.save(folder / "terms")
        self.knowledge.save(folder / "knowledge")
        self.facts.save(folder / "facts")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; coefficients are memory-mapped.

        Raises:
            RunError: A file is missing or damaged.
        """
        try:
            arrays, described = read_arrays(folder / "ridge")
            ridge = WindowRidge(arrays["items"], arrays["targets"], arrays["matrix"], **described)
            terms, knowledge = ScoreParts.load(folder / "terms"), CompiledKnowledge.load(folder / "knowledge")
            facts = PromptFacts.load(folder / "facts")
            most = ("items", ridge.n_items)
            check_arrays(ridge, square=["matrix"], items=most, targets=most)
            if ridge.matrix.shape != (len(ridge.items) + 1, len(ridge.targets)):
                raise ValueError("the matrix has another shape")
            if not ridge.n_items == len(terms.events) == facts.n_items == len(knowledge.trees):
                raise ValueError("the numbers of items differ")
            return cls(ridge, terms, knowledge, facts)
        except (DataError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{folder} holds no linear run that can be read: {error}".replace("\n", " ")) from error


def evidence(estimates: NDArray[np.float32]) -> NDArray[np.float32]:
    """``log(1 + n * estimate)``, with negative estimates as 0: how much likelier than by chance, as a logarithm.

    Args:
        estimates: ``(N, n)``; overwritten.
    """
    np.maximum(estimates, 0, out=estimates)
    estimates *= np.float32(estimates.shape[1])
    logs: NDArray[np.float32] = np.log1p(estimates, out=estimates)
    return logs


def facts_of(catalogue: Catalogue, source: KnowledgeSource) -> PromptFacts:
    """Number the facts of all prompts of a source."""
    return PromptFacts.of(source.pool, catalogue.item_of_entity(), len(catalogue))


def knowledge_of(source: KnowledgeSource, trees: ItemTrees) -> CompiledKnowledge:
    """The trees with their prompts, which are neither rendered nor tokenized."""
    keys = source.pool.keys
    none = TokenPool(np.zeros(len(keys) + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.bool_))
    return CompiledKnowledge(trees, none, keys)


def kinds_of(facts: PromptFacts, trees: ItemTrees) -> list[PairKind]:
    """Kinds of pairs of items that are similar in the graph."""
    return graph_kinds(GraphSimilarity.of(facts.around(trees)), facts.relations)


def fit_state(task: FitTask, settings: RidgeSettings) -> LinearState:
    """Solve the regression, then fit the weights of all terms on training cases.

    In these cases the regression's estimates are those without the case's own user.

    Args:
        task: As the backend's.
        settings: Settings of the regression.
    """
    n, seed = len(task.catalogue), task.config.training.seed
    _report(task, 0)
    train = TrainingEvents.of(task.split.train, n)
    fit = RidgeFit.of(train.histories, n, settings)
    _report(task, 1)
    trees = task.knowledge_change(task.knowledge.trees(0))
    facts, knowledge = facts_of(task.catalogue, task.knowledge), knowledge_of(task.knowledge, trees)
    kinds = [kind for kind in kinds_of(facts, trees) if kind.raw.nnz]
    weights = _fit_terms(fit, kinds, train, seed)
    pairs: dict[str, PairPart] = {}
    if kinds and weights.scales[0] > 0:
        ages = np.exp(weights.ages[0])
        pairs[GRAPH] = PairPart.of(weights.scales[0], kinds, np.exp(weights.kinds[0]), ages, train.events)
    terms = ScoreParts(float(weights.scores[0]), 0.0, train.events, pairs)
    _report(task, 2)
    return LinearState(fit.ridge, terms, knowledge, facts)


def _fit_terms(fit: RidgeFit, kinds: list[PairKind], train: TrainingEvents, seed: int) -> PartWeights:
    """Weights of graph similarity and of the regression."""
    parts, n = ({GRAPH: kinds} if kinds else {}), len(train.events)
    start = PartWeights.start([len(kinds) for kinds in parts.values()], [1.0, 0.0])
    cases = training_cases(train.histories, CASES, seed)
    if len(cases) < _FEWEST_CASES:
        return start

    def regression(cases: Cases) -> NDArray[np.float32]:
        return evidence(fit.without_own(cases))

    scorers = [regression]
    if kinds:
        ages, equal = np.exp(start.ages[0]), np.exp(start.kinds[0])
        scorers.append(PairPart.of(1.0, kinds, equal, ages, train.events).score)
    candidates, offset = candidates_of(cases, scorers, n, seed)
    examples = examples_of(cases, candidates, offset, parts, train, [regression], without_own=True)
    examples.scores[..., 1] = 0.0  # popularity, which the intercept of the regression contains
    return fit_weights(examples, start, strength=_STRENGTH)


def _report(task: FitTask, done: int) -> None:
    task.progress(ProgressEvent(_STAGE, done, 2, "steps"))
