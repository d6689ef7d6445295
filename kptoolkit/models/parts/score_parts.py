"""The fitted parts of a score that belong to no backend, and their weights next to the backend's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.models.parts.item_pairs import largest, per_item
from kptoolkit.models.parts.pair_features import AGES, OLDEST, age_groups
from kptoolkit.models.parts.pair_kinds import PairKind
from kptoolkit.models.text.text_adapter import TextAdapter
from kptoolkit.storage.arrays import fitting, read_arrays, write_arrays

MAX_PAIRS: Final = 10_000_000
"""Most pairs of items that a fitted part stores: the largest ``MAX_PAIRS // n_items`` of each item read."""
BACKEND, POPULARITY = "backend", "popularity"
TEXT: Final = "text"
"""Name of the part that a text encoder gives."""
READ_KNOWLEDGE: Final = ("graph similarity", "prompts", TEXT)
"""Parts that are computed from the knowledge graph."""
_OF_ITEMS: Final = (*READ_KNOWLEDGE, "titles")
_MOST_FILLED: Final = 2**24  # values of a dense array
_LEAST_FILLED: Final = 0.015  # share of pairs with a value from which on sums of dense rows are faster
_FEW: Final = 16  # histories whose sums are made without a dense array, which needs torch
_SIMILAR: Final = 20  # old items that a new one takes values from


@dataclass(frozen=True, eq=False)
class PairPart:
    """A fitted part that is made of pairs: ``scale * log(1 + sum of age weight * value over the history)``.

    Attributes:
        scale: Weight of the part.
        kinds: Weight of each kind of pair, by name; factors of raw values.
        ages: ``(A,)`` weight of each age group.
        values: CSR ``(n, n)`` values of pairs; row: item read, column: candidate.
    """

    scale: float
    kinds: Mapping[str, float]
    ages: NDArray[np.float32]
    values: Any

    @classmethod
    def of(
        cls,
        scale: float,
        kinds: Sequence[PairKind],
        weights: NDArray[np.float64],
        ages: NDArray[Any],
        events: NDArray[np.float32],
    ) -> PairPart:
        """Add up kinds of pairs.

        Args:
            scale: Weight of the part.
            kinds: K kinds.
            weights: ``(K,)`` weights of their scaled values.
            ages: ``(A,)`` weights of the age groups.
            events: ``(n,)`` training events of each item.
        """
        n = len(events)
        values = sp.csr_matrix((n, n), dtype=np.float32)
        for kind, weight in zip(kinds, weights.astype(np.float32), strict=True):
            values = values + kind.values(events) * weight
        factors = {kind.name: float(weight * kind.scale) for kind, weight in zip(kinds, weights, strict=True)}
        return cls(float(scale), factors, ages.astype(np.float32), largest(values.tocsr(), per_item(n, MAX_PAIRS)))

    def read(self, cases: Cases) -> Any:
        """Weight of each item read: CSR ``(N, n)``."""
        latest = cases.histories.latest(OLDEST)
        weights = self.ages[age_groups(latest.ages)]
        return sp.csr_matrix((weights, latest.items, latest.indptr), shape=(len(cases), self.values.shape[0]))

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """What the part adds to the score of every item, ``(N, n)``."""
        read = self.read(cases)
        if len(cases) <= _FEW or self._filled is None:
            sums = np.asarray((read @ self.values).toarray(), dtype=np.float32)
        else:
            sums = _row_sums(read, self._filled)
        added: NDArray[np.float32] = np.multiply(np.float32(self.scale), np.log1p(sums, out=sums), out=sums)
        return added

    @cached_property
    def _filled(self) -> NDArray[np.float32] | None:
        """The values as a dense array ``(n, n)`` where its rows are added faster; sums are the same up to rounding."""
        size = self.values.shape[0] ** 2
        if size > _MOST_FILLED or self.values.nnz < _LEAST_FILLED * size:
            return None
        return np.asarray(self.values.toarray(), dtype=np.float32)

    def sources(self, case: Cases, candidate: int) -> NDArray[np.float32]:
        """Share of each item of the catalogue, as an item read in one case, in the sum for a candidate, ``(n,)``."""
        value = self.read(case).multiply(self.values[:, [candidate]].T).toarray()[0]
        total = value.sum()
        shares: NDArray[np.float32] = (value / total if total > 0 else value).astype(np.float32)
        return shares

    def grown(self, similar: Any) -> PairPart:
        """The same part for a catalogue with more items, whose values are the mean of those of similar items.

        Args:
            similar: CSR ``(new, n)`` weights of old items for each new one; each row adds up to 1 or is empty.
        """
        read = sp.vstack([self.values, similar @ self.values], format="csr")
        values = sp.hstack([read, read @ similar.T], format="csr").astype(np.float32)
        return replace(self, values=values)


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """Parts that are added to the weighted score of a backend.

    Attributes:
        backend: Weight of the backend's score.
        popularity: Weight of ``log(1 + events)``.
        events: ``(n,)`` training events of each item.
        pairs: Parts made of pairs, by name. One with weight 0 is left out.
        report: How the weights were found, JSON-able.
        adapter: Changes the vectors from which the part ``text`` is computed; ``None``: they are taken as they are.
    """

    backend: float
    popularity: float
    events: NDArray[np.float32]
    pairs: Mapping[str, PairPart]
    report: Mapping[str, Any] = field(default_factory=dict)
    adapter: TextAdapter | None = None

    @classmethod
    def none(cls, n_items: int, report: Mapping[str, Any] | None = None) -> ScoreParts:
        """No parts: the score is the backend's."""
        return cls(1.0, 0.0, np.zeros(n_items, dtype=np.float32), {}, report or {})

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each part, the backend first."""
        pairs = {name: part.scale for name, part in self.pairs.items()}
        return {BACKEND: self.backend, **pairs, POPULARITY: self.popularity}

    def by_part(self, cases: Cases) -> dict[str, NDArray[np.float32]]:
        """What each part except the backend adds to the score of every item, ``(N, n)`` each."""
        added = {name: part.score(cases) for name, part in self.pairs.items()}
        if self.popularity:
            added[POPULARITY] = np.broadcast_to(self._popularity, (len(cases), len(self.events)))
        return added

    @property
    def _popularity(self) -> NDArray[np.float32]:
        """What popularity adds to the score of every item, ``(n,)``."""
        popularity: NDArray[np.float32] = (self.popularity * np.log1p(self.events)).astype(np.float32)
        return popularity

    def added(self, cases: Cases) -> NDArray[np.float32]:
        """What all parts except the backend add to the score of every item, ``(N, n)``."""
        total = np.empty((len(cases), len(self.events)), dtype=np.float32)
        total[:] = self._popularity
        for part in self.pairs.values():
            total += part.score(cases)
        return total

    def without_knowledge(self) -> ScoreParts:
        """The same parts except those computed from the knowledge graph; the weights stay."""
        return replace(self, pairs={name: part for name, part in self.pairs.items() if name not in READ_KNOWLEDGE})

    def extended(self, n_items: int, kinds: Mapping[str, Sequence[PairKind]]) -> ScoreParts:
        """The same weights for a catalogue with more items and other knowledge.

        A new item has no events of its own. It gets the mean events, transitions and co-occurrence of the old items
        that are most similar to it by titles and knowledge.

        Args:
            n_items: Catalogue size.
            kinds: Kinds of the parts that are computed from titles and knowledge; a kind that training did not see has
                no weight.
        """
        old = len(self.events)
        events = np.concatenate([self.events, np.zeros(n_items - old, dtype=np.float32)])
        of_items = {}
        for name in (name for name in self.pairs if name in _OF_ITEMS):
            part = self.pairs[name]
            known = [replace(kind, scale=1.0) for kind in kinds.get(name, ()) if kind.name in part.kinds]
            weights = np.array([part.kinds[kind.name] for kind in known])
            of_items[name] = PairPart.of(part.scale, known, weights, part.ages, events)
        similar = most_similar(of_items, old, n_items)
        events[old:] = similar @ self.events
        pairs = {name: of_items[name] if name in of_items else part.grown(similar) for name, part in self.pairs.items()}
        return replace(self, events=events, pairs=pairs)

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed and atomic."""
        arrays: dict[str, NDArray[Any]] = {"events": self.events}
        if self.adapter is not None:
            arrays |= {"adapter_down": self.adapter.down, "adapter_up": self.adapter.up}
        for number, part in enumerate(self.pairs.values()):
            values = part.values
            for name, array in (("data", values.data), ("indices", values.indices), ("indptr", values.indptr)):
                arrays[f"{name}_{number}"] = array
            arrays[f"ages_{number}"] = part.ages
        pairs = [{"name": name, "scale": part.scale, "kinds": dict(part.kinds)} for name, part in self.pairs.items()]
        described = {
            "backend": self.backend,
            "popularity": self.popularity,
            "pairs": pairs,
            "report": dict(self.report),
        }
        write_arrays(folder, arrays, described)

    @classmethod
    def load(cls, folder: Path) -> ScoreParts:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, described = read_arrays(folder)
        with fitting(folder):
            return cls._of_stored(arrays, described)

    @classmethod
    def _of_stored(cls, arrays: Mapping[str, NDArray[Any]], described: Mapping[str, Any]) -> ScoreParts:
        n, pairs = len(arrays["events"]), {}
        for number, each in enumerate(described["pairs"]):
            content = tuple(np.array(arrays[f"{name}_{number}"]) for name in ("data", "indices", "indptr"))
            if [array.dtype.kind for array in content] != ["f", "i", "i"]:
                raise ValueError("an array holds no numbers of its kind")
            values = sp.csr_matrix(content, shape=(n, n))
            values.check_format(full_check=True)  # an index outside would be written to without a check
            ages = np.array(arrays[f"ages_{number}"])
            part = pairs[each["name"]] = PairPart(float(each["scale"]), dict(each["kinds"]), ages, values)
            _check_finite(part.values.data, part.ages, np.array([part.scale]))
            if ages.shape != (len(AGES),):
                raise ValueError(f"ages_{number} has the shape {ages.shape}")
        events, adapter = np.array(arrays["events"]), None
        _check_finite(events, np.array([described["backend"], described["popularity"]]))
        if "adapter_up" in arrays:
            adapter = TextAdapter(np.array(arrays["adapter_down"]), np.array(arrays["adapter_up"]))
        return cls(described["backend"], described["popularity"], events, pairs, described["report"], adapter)


def _check_finite(*arrays: NDArray[Any]) -> None:
    """Check that stored values are numbers.

    Raises:
        ValueError: One is not.
    """
    for array in arrays:
        if array.ndim != 1 or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError("a value is no finite number")


def _row_sums(read: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Product of CSR ``(N, n)`` and dense ``(n, n)``, ``(N, n)``: the weighted sum of the rows that each case reads."""
    import torch

    rows, starts = (torch.from_numpy(array.astype(np.int64)) for array in (read.indices, read.indptr))
    with torch.inference_mode():
        sums = torch.nn.functional.embedding_bag(
            rows,
            torch.from_numpy(values),
            starts,
            mode="sum",
            per_sample_weights=torch.from_numpy(read.data),
            include_last_offset=True,
        )
    added: NDArray[np.float32] = sums.numpy()
    return added


def most_similar(parts: Mapping[str, PairPart], old: int, n_items: int) -> Any:
    """Weights of the old items that are most similar to each new one: CSR ``(n_items - old, old)``.

    Args:
        parts: Parts made of pairs, for all items.
        old: Number of old items; the new ones follow them.
        n_items: Catalogue size.
    """
    total = sp.csr_matrix((n_items - old, old), dtype=np.float32)
    for part in parts.values():
        total = total + np.float32(part.scale) * part.values[old:, :old]
    nearest = largest(total.tocsr(), _SIMILAR)
    sums = np.asarray(nearest.sum(axis=1)).ravel()
    return (sp.diags(np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)) @ nearest).tocsr()
