"""A child process that trains and runs SASRec of RecTools in another Python environment."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import TrainingError

RUNNER = Path(__file__).with_name("sasrec_runner.py")
_LAST_LINES = 400  # characters of its output in an error message


class RecToolsProcess:
    """Sends requests to ``sasrec_runner.py`` and reads the answers; data goes through files without pickle.

    The process ends with this object, or with :meth:`close`.

    Args:
        python: Python of an environment with RecTools.
        train: Training histories.
        valid: Validation cases, by which a training stops.
        n_items: Catalogue size.
        facts: Catalogue row and number of each fact that is a feature of an item, ``(F,)`` each; ``None``: none.

    Raises:
        TrainingError: ``python`` cannot be started.
    """

    def __init__(
        self,
        python: Path,
        train: Histories,
        valid: Cases,
        n_items: int,
        facts: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> None:
        self.n_items = n_items
        self._place = tempfile.TemporaryDirectory(prefix="kptool-sasrec-")
        self._folder = Path(self._place.name)
        used = train.take(np.flatnonzero(train.lengths))
        np.savez(self._folder / "train.npz", indptr=used.indptr, items=used.items)
        np.savez(self._folder / "valid.npz", indptr=valid.indptr, items=valid.items, targets=valid.targets)
        if facts is not None:
            np.savez(self._folder / "facts.npz", item=facts[0], fact=facts[1])
        self._child = _start(python, self._folder)
        self.close = weakref.finalize(self, _end, self._child, self._place)
        self._items: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None

    def fit(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Train once; the best model of all trainings is kept.

        Args:
            settings: ``model`` (arguments of ``SASRecModel``), ``seed``, ``epochs``, ``patience`` in epochs,
                ``max_seconds``, ``metric`` (``"MRR"`` or ``"NDCG@10"``) and ``device`` (``"cpu"``, or ``"auto"`` for
                CUDA if there is any).

        Returns:
            ``value``, the best of the metric on validation; ``epochs``; ``curve``, one row per epoch with both metrics
            and the seconds trained; ``parameters``.

        Raises:
            TrainingError: The process failed; the message has its own.
        """
        self._items = None
        return self._ask({"do": "fit", "settings": {**settings, "n_items": self.n_items}})

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores of the best model, ``(N, n_items)``; an item without training events gets the lowest of its case.

        Raises:
            TrainingError: The process failed.
        """
        rows, vectors = self._vectors()
        asked, answered = self._folder / "asked.npz", self._folder / "states.npz"
        np.savez(asked, indptr=cases.indptr, items=cases.items)
        self._ask({"do": "encode", "histories": str(asked), "to": str(answered)})
        with np.load(answered, allow_pickle=False) as arrays:
            known = arrays["states"] @ vectors.T  # (N, m)
        scores = np.empty((len(cases), self.n_items), dtype=np.float32)
        scores[:] = known.min(axis=1, keepdims=True)
        scores[:, rows] = known
        return scores

    def _vectors(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Catalogue rows of the items of the best model, and their vectors."""
        if self._items is None:
            file = self._folder / "items.npz"
            self._ask({"do": "items", "to": str(file)})
            with np.load(file, allow_pickle=False) as arrays:
                self._items = arrays["rows"], arrays["vectors"]
        return self._items

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise TrainingError(f"the process of SASRec ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise TrainingError(f"SASRec failed: {answer['error'][:_LAST_LINES]}")
        return answer

    def _last_words(self) -> str:
        """The end of what the process wrote, in one line."""
        log = (self._folder / "log").read_text(encoding="utf-8", errors="replace").strip()
        return " ".join(log.splitlines()[-1:])[-_LAST_LINES:] or "it wrote nothing"


def _start(python: Path, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONNOUSERSITE": "1", "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONPATH", None)
    try:
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 a Python that the user names, and our own program
                [str(python), str(RUNNER), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment,
            )
    except OSError as error:
        raise TrainingError(f"{python} cannot be started: {error.strerror}") from error


def _end(child: subprocess.Popen[str], place: tempfile.TemporaryDirectory[str]) -> None:
    """End the process, close its pipes and remove its files."""
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with suppress(OSError):  # a request that was never read
                stream.close()
    place.cleanup()
