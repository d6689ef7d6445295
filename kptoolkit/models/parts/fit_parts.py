"""Fits the score parts of a run: on training histories without the own user, then on validation next to the backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import PartsConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.errors import TrainingError
from kptoolkit.knowledge.item_facts import PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import FitTask
from kptoolkit.models.parts.graph_similarity import GraphSimilarity
from kptoolkit.models.parts.pair_features import TrainingEvents
from kptoolkit.models.parts.pair_kinds import PairKind, co_occurrence_kinds, graph_kinds, transition_kinds
from kptoolkit.models.parts.part_examples import Score, candidates_of, examples_of, training_cases, with_new_targets
from kptoolkit.models.parts.part_weights import (
    Examples,
    Folds,
    PartWeights,
    cross_entropy,
    fit_weights,
    without_parts,
)
from kptoolkit.models.parts.rank_weights import calibrated, fit_rank_weights, ndcg
from kptoolkit.models.parts.score_parts import TEXT, PairPart, ScoreParts
from kptoolkit.models.parts.words import prompt_words, title_words, word_kind
from kptoolkit.models.text.nearest_items import nearest_items
from kptoolkit.models.text.text_adapter import TextAdapter, fit_adapter
from kptoolkit.models.text.text_vectors import whitened_vectors
from kptoolkit.progress import ProgressEvent

_FOLDS: Final = 5
_FEWEST_CASES: Final = 10
_CASES: Final = 4000
_WEAK, _STRONG = 1e-4, 1e-2  # strength with which weights are held at their start
_VALIDATION_ITERATIONS: Final = 40
_ERRORS: Final = 2.0  # standard errors by which NDCG has to fall to refuse weights by rank


def fit_parts(task: FitTask, backend: Score, *, by_rank: bool | None = None) -> ScoreParts:
    """Fit the score parts that the settings switch on, and their weights next to the backend's score.

    First the weights of the parts are fitted on training cases, each without the counts of its own user. Then weights
    are fitted on the validation cases: of the backend alone; of the backend and whole parts; and of everything, near
    the weights from training. The variant with the smallest cross entropy in five-fold cross-validation is taken. Its
    weights of parts are fitted once more, to the ranks of the targets, which is kept unless NDCG in the same
    cross-validation falls by more than twice its standard error. Test cases are not read.

    Args:
        task: As the backend's.
        backend: Scores the catalogue with the fitted backend.
        by_rank: Whether the weights that are fitted to ranks are kept; ``None``: cross-validation decides.

    Raises:
        TrainingError: A score of the backend is not a number.
    """
    fitting = _Fitting(task, _finite(backend), by_rank)
    if not fitting.parts and not task.config.parts.popularity:
        return ScoreParts.none(len(task.catalogue))
    valid = with_new_targets(task.split.valid).sample(_CASES, fitting.seed)
    if len(valid) < _FEWEST_CASES:
        return ScoreParts.none(len(task.catalogue), {"taken": "backend", "validation cases": len(valid)})
    return fitting.joined(valid)


def knowledge_kinds(
    settings: PartsConfig,
    catalogue: Catalogue,
    knowledge: KnowledgeSource,
    trees: ItemTrees,
    adapter: TextAdapter | None = None,
) -> dict[str, list[PairKind]]:
    """Kinds of pairs by what items share in the graph, in their titles and in their triplet prompts.

    With a text encoder also by the vectors of their trees.

    Args:
        settings: Which parts to compute.
        catalogue: The n items.
        knowledge: Renders the prompts.
        trees: The prompts of each item.
        adapter: Changes the vectors of text.

    Raises:
        ConfigError: The text encoder cannot be read.
    """
    parts: dict[str, list[PairKind]] = {}
    if settings.graph_similarity:
        facts = PromptFacts.of(knowledge.pool, catalogue.item_of_entity(), len(catalogue))
        parts["graph similarity"] = graph_kinds(GraphSimilarity.of(facts.around(trees)), facts.relations)
    if settings.titles:
        parts["titles"] = [word_kind("words of titles", title_words(str(title) for title in catalogue.titles))]
    if settings.prompts and len(trees.prompt):
        parts["prompts"] = [word_kind("words of prompts", prompt_words(trees, knowledge.pool.sentences))]
    if settings.reads_text:
        vectors = whitened_vectors(settings, catalogue, knowledge, trees)
        pairs = nearest_items(vectors if adapter is None else adapter.adapted(vectors))
        parts[TEXT] = [PairKind(TEXT, pairs).with_mean_one(np.zeros(len(catalogue), dtype=np.float32))]
    return parts


@dataclass(frozen=True, eq=False)
class _Fitting:
    """The fit of the parts of one run.

    Attributes:
        task: As the backend's.
        backend: Scores the catalogue; all scores are finite.
        by_rank: As in :func:`fit_parts`.
    """

    task: FitTask
    backend: Score
    by_rank: bool | None = None

    @property
    def seed(self) -> int:
        """Seed of all samples."""
        return self.task.config.training.seed

    @cached_property
    def train(self) -> TrainingEvents:
        """Training histories."""
        return TrainingEvents.of(self.task.split.train, len(self.task.catalogue))

    @cached_property
    def trees(self) -> ItemTrees:
        """The prompts of each item."""
        return self.task.knowledge_change(self.task.knowledge.trees(0))

    @cached_property
    def adapter(self) -> TextAdapter | None:
        """The adapter of the vectors of text, trained on training histories; ``None`` where there is none."""
        task, settings = self.task, self.task.config.parts
        if not (settings.text_adapter and settings.reads_text):
            return None
        vectors = whitened_vectors(settings, task.catalogue, task.knowledge, self.trees)
        return fit_adapter(vectors, self.train.histories, self.seed)

    @cached_property
    def parts(self) -> dict[str, list[PairKind]]:
        """Kinds of pairs of each part; a part without pairs is left out."""
        task, settings = self.task, self.task.config.parts
        parts: dict[str, list[PairKind]] = {}
        if settings.transitions:
            parts["transitions"] = transition_kinds(self.train.histories, self.train.events)
        if settings.co_occurrence:
            parts["co-occurrence"] = co_occurrence_kinds(self.train.histories, self.train.events)
        parts |= knowledge_kinds(settings, task.catalogue, task.knowledge, self.trees, self.adapter)
        stored = {name: [kind for kind in kinds if kind.raw.nnz] for name, kinds in parts.items()}
        return {name: kinds for name, kinds in stored.items() if kinds}

    def joined(self, valid: Cases) -> ScoreParts:
        """Fit on training cases, then on validation cases."""
        trained = self._trained()
        self._report("join score parts", 0)
        examples, spread = self._validation_examples(valid, self._fused(trained, 0.0, {}).added)
        start = replace(trained, scores=np.array([1.0, trained.scores[-1]]))
        options: dict[str, tuple[PartWeights, dict[str, Any]]] = {
            "backend": (without_parts(start), {"strength": _WEAK, "free": "scores"}),
            "scales": (start, {"strength": _WEAK, "free": "scales"}),
            "all": (start, {"strength": _STRONG, "iterations": _VALIDATION_ITERATIONS}),
        }
        alone = replace(examples, scores=examples.scores * [1.0, 0.0])  # the backend without popularity
        variants = {
            name: Folds.fitted(alone if name == "backend" else examples, begin, _FOLDS, self.seed, **fitting)
            for name, (begin, fitting) in options.items()
        }
        losses = {name: float(variant.each(cross_entropy).mean()) for name, variant in variants.items()}
        taken = min(losses, key=lambda name: losses[name])
        begin, fitting = options[taken]
        fitted_on = alone if taken == "backend" else examples
        weights = fit_weights(fitted_on, begin, **fitting)
        report: dict[str, Any] = {
            "taken": taken,
            "validation cases": len(valid),
            "cross entropy, five folds": losses,
            "cross entropy, weights from training": cross_entropy(examples, start),
            "cross entropy, fitted": cross_entropy(fitted_on, weights),
        }
        if taken == "backend":
            parts = ScoreParts.none(len(self.task.catalogue), report)
        else:
            weights, found = _by_rank(examples, weights, variants[taken], self.by_rank)
            parts = self._fused(weights, float(weights.scores[0]) / spread, report | found)
        self._report("join score parts", 1)
        return parts

    def _trained(self) -> PartWeights:
        """Fit the parts alone on training cases, without the counts of each case's own user.

        A text adapter has seen the targets of these cases, so the scale of the text part is too large here; it is
        fitted again on validation cases.
        """
        start = PartWeights.start([len(kinds) for kinds in self.parts.values()], [0.0])
        cases = training_cases(self.task.split.train, self.task.config.parts.cases, self.seed)
        if len(cases) < _FEWEST_CASES:
            return start
        self._report("fit score parts", 0)
        quick = self._fused(start, 0.0, {})
        candidates, offset = candidates_of(cases, [quick.added], len(self.task.catalogue), self.seed)
        examples = self._examples(cases, candidates, offset, [], without_own=True)
        self._report("fit score parts", 1)
        return fit_weights(examples, start, strength=_WEAK)

    def _validation_examples(self, valid: Cases, parts: Score) -> tuple[Examples, float]:
        """Examples of validation cases with the backend's scores divided by their spread; and that spread."""
        scores = [self.backend, parts]
        candidates, offset = candidates_of(valid, scores, len(self.task.catalogue), self.seed + 1)
        examples = self._examples(valid, candidates, offset, [self.backend], without_own=False)
        spread = float(examples.scores[..., 0].std()) or 1.0
        examples.scores[..., 0] /= spread
        return examples, spread

    def _examples(
        self,
        cases: Cases,
        candidates: NDArray[np.int64],
        offset: NDArray[np.float64],
        scores: Sequence[Score],
        *,
        without_own: bool,
    ) -> Examples:
        """Compute the features of candidates, popularity only if it is a part; see :func:`examples_of`."""
        examples = examples_of(cases, candidates, offset, self.parts, self.train, scores, without_own=without_own)
        if not self.task.config.parts.popularity:
            examples.scores[..., -1] = 0.0
        return examples

    def _fused(self, weights: PartWeights, backend: float, report: Mapping[str, Any]) -> ScoreParts:
        parts: dict[str, PairPart] = {}
        for number, (name, kinds) in enumerate(self.parts.items()):
            if weights.scales[number] > 0:
                logs, ages = weights.kinds[number], np.exp(weights.ages[number])
                parts[name] = PairPart.of(weights.scales[number], kinds, np.exp(logs), ages, self.train.events)
        popularity = float(weights.scores[-1]) if self.task.config.parts.popularity else 0.0
        return ScoreParts(backend, popularity, self.train.events, parts, report, self.adapter)

    def _report(self, stage: str, done: int) -> None:
        self.task.progress(ProgressEvent(stage, done, 1, "fits"))


def _by_rank(
    examples: Examples, weights: PartWeights, folds: Folds, wanted: bool | None
) -> tuple[PartWeights, dict[str, Any]]:
    """Fit weights to ranks unless cross-validation says no; also return what the report says of it.

    It says no where NDCG falls by more than twice the standard error of the difference: few cases cannot decide, and
    NDCG is what a ranking is judged by.

    Args:
        examples: All validation cases.
        weights: Fitted to them by cross entropy.
        folds: The same fit outside each fold.
        wanted: Whether the new weights are kept whatever cross-validation says; ``None``: it decides.
    """
    before, after = folds.each(ndcg), folds.then(fit_rank_weights).each(ndcg)
    error = float((after - before).std()) / len(examples) ** 0.5
    kept = float((after - before).mean()) >= -_ERRORS * error if wanted is None else wanted
    if kept:
        weights = calibrated(examples, fit_rank_weights(examples, weights))
    report: dict[str, Any] = {
        "NDCG, five folds": {"cross entropy": float(before.mean()), "rank": float(after.mean())},
        "standard error of their difference": error,
        "fitted by": "rank" if kept else "cross entropy",
    }
    return weights, report


def _finite(score: Score) -> Score:
    """The same scores with infinite ones replaced by the nearest finite one; one that is not a number is an error."""

    def scored(cases: Cases) -> NDArray[np.float32]:
        found = score(cases)
        if np.isnan(found).any():
            raise TrainingError("the backend's scores are not numbers; lower training.learning_rate and fit again")
        finite = np.isfinite(found)
        if finite.all():
            return found
        low, high = (found[finite].min(), found[finite].max()) if finite.any() else (0.0, 0.0)
        return np.nan_to_num(found, posinf=high, neginf=low)

    return scored
