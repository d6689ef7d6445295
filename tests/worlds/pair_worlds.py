"""Small training histories, pairs of items and weights for tests of score parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.parts.pair_features import AGES
from kptoolkit.models.parts.pair_kinds import PairKind, co_occurrence_kinds, transition_kinds
from kptoolkit.models.parts.part_weights import Examples, PartWeights

N = 9
"""Items of these catalogues."""


def histories_of(fewest: int = 0, longest: int = 26) -> st.SearchStrategy[list[list[int]]]:
    """Histories of items that may repeat, so long that every distance and five age groups occur."""
    history = st.lists(st.integers(0, N - 1), min_size=fewest, max_size=longest)
    return st.lists(history, min_size=1, max_size=6)


def counted_kinds(train: Histories, n_items: int = N) -> list[PairKind]:
    """All kinds that are counted from histories."""
    events = np.bincount(train.items, minlength=n_items).astype(np.float32)
    return transition_kinds(train, events) + co_occurrence_kinds(train, events)


def stated_kind(name: str, values: Sequence[Sequence[float]] | np.ndarray, scale: float = 1.0) -> PairKind:
    """A kind whose values do not depend on histories."""
    return PairKind(name, sp.csr_matrix(np.asarray(values, dtype=np.float32)), scale=scale)


def random_weights(kinds: Sequence[int], scores: int, seed: int) -> PartWeights:
    """Weights that are all different."""
    draw = np.random.default_rng(seed)
    logs = tuple(draw.normal(0, 1, count) for count in kinds)
    ages = draw.normal(-1, 1, (len(kinds), len(AGES)))
    return PartWeights(draw.uniform(0.2, 2, len(kinds)), logs, ages, draw.uniform(0.2, 2, scores))


def cases_of(histories: Sequence[Sequence[int]], targets: Sequence[int]) -> Cases:
    """Cases without users."""
    return Cases.of(Histories.of(histories), np.array(targets, dtype=np.int32))


def random_examples(seed: int, cases: int = 12, width: int = 6, kinds: tuple[int, ...] = (3, 1)) -> Examples:
    """Cases with parts of 3 and 1 kinds and two other scores; some candidates represent several items, some none."""
    draw = np.random.default_rng(seed)
    pairs: dict[str, Any] = {}
    for part, count in enumerate(kinds):
        values = draw.uniform(0, 2, (cases * width, count * len(AGES)))
        pairs[f"part {part}"] = sp.csr_matrix(values * (draw.random(values.shape) < 0.3))
    offset = np.log(draw.integers(1, 9, (cases, width)))
    target = draw.integers(0, width, cases)
    offset[:, -1] = -np.inf
    offset[np.arange(cases), target] = 0.0
    return Examples(pairs, draw.normal(0, 1, (cases, width, 2)), offset, target)
