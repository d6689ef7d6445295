"""The conformance suite of backends: subclass :class:`BackendSuite` in a test file and name your class.

::

    class TestMine(BackendSuite):
        backend = MyBackend
        options = {"shrink": 10}
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from kptoolkit.config import validate
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import ConfigError, RunError
from kptoolkit.models import Backend, Explains, FitResult, backend_class, options_class
from kptoolkit.testing.small_worlds import ITEMS, chain_task


class BackendSuite:
    """Tests that every backend must pass.

    Attributes:
        backend: The class under test.
        options: Its options.
        settings: Settings of the training, ``{"section.key": value}``.
        learns: Whether it must rank the next item far above chance where the next item is certain.
        denormals_before: Whether the process computed with denormal numbers before the training.
    """

    backend: ClassVar[type[Backend]]
    options: ClassVar[dict[str, Any]] = {}
    settings: ClassVar[dict[str, Any]] = {}
    learns: ClassVar[bool] = True
    denormals_before: ClassVar[bool]

    @classmethod
    def make(cls) -> Backend:
        """Create an untrained backend from its options."""
        return cls.backend(validate(options_class(cls.backend), cls.options, "model"))

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[Backend, FitResult, Any]:
        """A fitted backend, the result of its training, and the task."""
        cls.denormals_before = _denormals()
        task = chain_task(tmp_path_factory.mktemp("fit"), cls.settings)
        backend = cls.make()
        return backend, backend.fit(task), task

    def test_is_a_backend_of_its_name(self) -> None:
        assert isinstance(self.make(), Backend)
        assert backend_class(self.backend.name) is self.backend

    def test_unknown_option_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="no_such_option"):
            validate(options_class(self.backend), {"no_such_option": 1}, "model")

    def test_training_leaves_arithmetic_as_it_was(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        """A training may round denormal numbers to 0, but only for itself."""
        assert _denormals() == self.denormals_before

    def test_scores_are_numbers_for_every_item(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        backend, _, task = fitted
        scores = backend.score(task.split.test)
        assert scores.shape == (len(task.split.test), ITEMS)
        assert scores.dtype == np.float32
        assert not np.isnan(scores).any()

    def test_scores_do_not_depend_on_the_other_cases(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        backend, _, task = fitted
        together = backend.score(task.split.test)
        for row in (0, len(task.split.test) - 1):
            alone = backend.score(task.split.test.take(np.array([row])))
            np.testing.assert_allclose(alone[0], together[row], rtol=1e-3, atol=1e-4)

    def test_learns_what_is_certain(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        backend, _, task = fitted
        quality = task.validate(backend.score)["NDCG@10"]
        chance = float(np.mean([1 / np.log2(rank + 1) if rank <= 10 else 0 for rank in range(1, ITEMS + 1)]))
        assert quality > (2 * chance if self.learns else 0)

    def test_it_knows_which_triplets_it_read(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        """Without no triplet the scores stay, and without all triplets they change."""
        backend, _, task = fitted
        if not isinstance(backend, Explains):
            pytest.skip("the backend does not explain")
        case, candidates = task.split.test.take(np.array([0])), np.array([0, ITEMS - 1])
        found = backend.triplets(case, candidates)
        assert len(found) > 0
        assert (found.parent < np.arange(len(found))).all()
        read = {*case.items.tolist(), *candidates.tolist()}
        assert set(found.item.tolist()) <= read
        removed = np.stack([np.zeros(len(found), dtype=bool), np.ones(len(found), dtype=bool)])
        scores = backend.score_without(case, candidates, found, removed)
        assert scores.shape == (2, 2)
        np.testing.assert_allclose(scores[0], backend.score(case)[0, candidates], rtol=1e-3, atol=1e-4)
        assert not np.allclose(scores[1], scores[0])

    def test_unknown_user_and_short_history(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        backend, _, _ = fitted
        scores = backend.score(Cases.of(Histories.of([[0], [ITEMS - 1]])))
        assert scores.shape == (2, ITEMS)
        assert not np.isnan(scores).any()

    def test_a_history_of_thousands(self, fitted: tuple[Backend, FitResult, Any]) -> None:
        """A history of 5,000 items is scored within seconds."""
        backend, _, _ = fitted
        started = time.process_time()
        scores = backend.score(Cases.of(Histories.of([np.resize(np.arange(ITEMS), 5000).tolist(), [0, 1]])))
        assert scores.shape == (2, ITEMS)
        assert np.isfinite(scores).all()
        assert time.process_time() - started < 20

    def test_same_seed_same_scores(self, fitted: tuple[Backend, FitResult, Any], tmp_path: Path) -> None:
        backend, _, task = fitted
        again = self.make()
        again.fit(chain_task(tmp_path, self.settings))
        np.testing.assert_allclose(again.score(task.split.test), backend.score(task.split.test), rtol=1e-4, atol=1e-5)

    def test_a_loaded_backend_has_the_same_scores(self, fitted: tuple[Backend, FitResult, Any], tmp_path: Path) -> None:
        backend, _, task = fitted
        backend.save(tmp_path)
        options = validate(options_class(self.backend), self.options, "model")
        loaded = self.backend.load(tmp_path, options)
        np.testing.assert_allclose(loaded.score(task.split.test), backend.score(task.split.test), rtol=1e-5, atol=1e-6)
        pickled = [p for p in tmp_path.rglob("*") if p.suffix in {".pkl", ".pickle", ".pt", ".bin", ".pth"}]
        assert not pickled, f"a run must contain no pickle: {pickled}"

    def test_empty_folder_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(RunError):
            self.backend.load(tmp_path, validate(options_class(self.backend), self.options, "model"))


def _denormals() -> bool:
    """Whether this process computes with denormal numbers, or rounds them to 0."""
    return bool(np.multiply(np.float64(2.0**-1060), 1.0) > 0)
