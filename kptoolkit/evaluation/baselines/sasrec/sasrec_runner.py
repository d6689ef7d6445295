"""Trains SASRec of RecTools and encodes histories, on request; it runs in an environment of its own.

RecTools forces numpy below 2, so this file imports nothing of kptoolkit, and files of arrays go back and forth:

    PYTHON sasrec_runner.py FOLDER

FOLDER contains ``train.npz`` and ``valid.npz`` with histories by catalogue row (``indptr``, ``items``, ``targets`` of
the latter), and perhaps ``facts.npz`` (``item``, ``fact``: a category of an item). Each line of standard input is a
request as JSON, each line of standard output the answer:

- ``{"do": "fit", "settings": {…}}`` trains, and keeps the model if it is the best so far;
- ``{"do": "encode", "histories": FILE, "to": FILE}`` writes the ``states`` after histories, by the best model;
- ``{"do": "items", "to": FILE}`` writes the ``vectors`` of its items and their catalogue ``rows``.

A score is the inner product of a state and a vector.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

Answer = dict[str, Any]


class RowHistories:
    """Histories by catalogue row, read from a file of arrays.

    Args:
        path: A file with ``indptr``, ``items`` and perhaps ``targets``.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self.indptr: NDArray[np.int64] = arrays["indptr"]
            self.items: NDArray[np.int64] = arrays["items"].astype(np.int64)
            self.targets: NDArray[Any] | None = arrays.get("targets")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        return self.items[self.indptr[row] : self.indptr[row + 1]]


def slices_of(histories: RowHistories, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cut long histories, from their ends, so that RecTools trains on every event.

    RecTools trains on the latest ``length + 1`` events of a user and drops the rest. Here each slice of that many
    events becomes a user; it begins with the last item of the slice before.

    Args:
        histories: Training histories.
        length: Events of which RecTools predicts the next one.

    Returns:
        User, item and place in the slice of every event.
    """
    bounds = [
        (max(int(start), last - length), last + 1)
        for start, end in pairwise(histories.indptr)
        for last in range(int(end) - 1, int(start), -length)
    ]
    lengths = np.array([last - first for first, last in bounds], dtype=np.int64)
    items = np.concatenate([np.zeros(0, np.int64), *(histories.items[first:last] for first, last in bounds)])
    place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(np.arange(len(bounds)), lengths), items, place


def padded_sessions(histories: RowHistories, numbers: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The latest known items of each history, right-aligned, ``(N, length)``; 0 is padding.

    Args:
        histories: N histories.
        numbers: Number of each catalogue row in the model, 0 for an unknown item.
        length: Most items of a history.
    """
    sessions = np.zeros((len(histories), length), dtype=np.int64)
    for row in range(len(histories)):
        known = numbers[histories[row]]
        known = known[known > 0][-length:]
        if len(known):
            sessions[row, -len(known) :] = known
    return sessions


def quality_of(scores: NDArray[Any], cases: RowHistories) -> dict[str, float]:
    """MRR and NDCG@10 of full ranking without the history; equal scores take the mean rank.

    Args:
        scores: ``(N, n_items)``.
        cases: N cases with targets.
    """
    assert cases.targets is not None
    scores, rows = scores.copy(), np.arange(len(cases))
    own = scores[rows, cases.targets][:, None]
    scores[np.repeat(rows, np.diff(cases.indptr)), cases.items] = -np.inf
    scores[rows, cases.targets] = own[:, 0]
    ranks = 1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    gains = np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0)
    return {"MRR": float((1 / ranks).mean()), "NDCG@10": float(gains.mean())}


class Runner:
    """Answers requests.

    Args:
        folder: Where the training and validation histories are.
    """

    def __init__(self, folder: Path) -> None:
        self.train, self.valid = RowHistories(folder / "train.npz"), RowHistories(folder / "valid.npz")
        self.facts: dict[str, NDArray[np.int64]] = {}
        if (folder / "facts.npz").is_file():
            with np.load(folder / "facts.npz", allow_pickle=False) as arrays:
                self.facts = {name: arrays[name] for name in ("item", "fact")}
        self.best: _Encoder | None = None
        self.value = -1.0

    def answer(self, request: Mapping[str, Any]) -> Answer:
        """Do what a request asks.

        Raises:
            ValueError: The request is unknown, or nothing was trained before.
        """
        if request["do"] == "fit":
            return self.fit(request["settings"])
        if self.best is None:
            raise ValueError("nothing is trained; send a request to fit first")
        if request["do"] == "encode":
            np.savez(request["to"], states=self.best.states(RowHistories(Path(request["histories"]))))
        elif request["do"] == "items":
            np.savez(request["to"], vectors=self.best.vectors, rows=self.best.rows)
        else:
            raise ValueError(f"unknown request {request['do']!r}")
        return {}

    def fit(self, settings: Mapping[str, Any]) -> Answer:
        """Train until validation no longer gets better, and keep the model if it is the best so far."""
        watch = _train(self.train, self.valid, self.facts, settings)
        value = max(row[settings["metric"]] for row in watch.curve)
        if value > self.value:
            self.best, self.value = watch.encoder(), value
        return {"value": value, "epochs": len(watch.curve), "curve": watch.curve, "parameters": watch.parameters}


class _Encoder:
    """A trained model as a function from histories to states."""

    def __init__(self, model: Any, n_items: int) -> None:
        import torch

        self.net, preparator = model.torch_model, model.data_preparator
        known = np.asarray(preparator.get_known_item_ids(), dtype=np.int64)
        self.rows, self.length = known, preparator.session_max_len
        self.numbers = np.zeros(n_items, dtype=np.int64)
        self.numbers[known] = preparator.item_id_map.convert_to_internal(known)
        self.net.eval()
        with torch.no_grad():
            self.embedded = self.net.item_model.get_all_embeddings()
        self.vectors: NDArray[np.float32] = self.embedded[self.numbers[known]].float().cpu().numpy()

    def states(self, histories: RowHistories) -> NDArray[np.float32]:
        """States after N histories, ``(N, d)``."""
        import torch

        sessions = padded_sessions(histories, self.numbers, self.length)
        found = [np.zeros((0, self.vectors.shape[1]), dtype=np.float32)]
        with torch.no_grad():
            for first in range(0, len(sessions), 256):
                batch = torch.from_numpy(sessions[first : first + 256]).to(self.embedded.device)
                states = self.net.encode_sessions({"x": batch}, self.embedded)[:, -1]
                found.append(states.float().cpu().numpy())
        return np.concatenate(found)

    def quality(self, cases: RowHistories) -> dict[str, float]:
        """MRR and NDCG@10 of cases."""
        scores = np.full((len(cases), len(self.numbers)), -np.inf, dtype=np.float32)
        scores[:, self.rows] = self.states(cases) @ self.vectors.T
        np.maximum(scores, np.float32(-1e9), out=scores)
        return quality_of(scores, cases)


class _Watch:
    """Ranks the validation cases after every epoch with the clock stopped, keeps the best weights, stops early."""

    def __init__(self, valid: RowHistories, settings: Mapping[str, Any]) -> None:
        self.valid, self.settings = valid, settings
        self.model: Any = None
        self.curve: list[dict[str, float]] = []
        self.weights: Any = None
        self.cuda, self.parameters = _uses_cuda(settings), 0
        self.begun, self.started, self.paused = time.monotonic(), _clock(self.cuda), 0.0

    def epoch_ends(self, trainer: Any, module: Any) -> None:
        """Rank; stop when validation no longer gets better, or when time is up."""
        here = _clock(self.cuda)
        spent, metric = here - self.started - self.paused, self.settings["metric"]
        quality = _Encoder(self.model, self.settings["n_items"]).quality(self.valid)
        best = max((row[metric] for row in self.curve), default=-1.0)
        self.curve.append({"epoch": len(self.curve) + 1, "seconds": spent, **quality})
        if quality[metric] > best:
            self.weights = copy.deepcopy(module.torch_model.state_dict())
        places = [row[metric] for row in self.curve]
        stale = len(places) - 1 - int(np.argmax(places))
        late = time.monotonic() - self.begun > self.settings["max_seconds"]
        trainer.should_stop = trainer.should_stop or late or stale >= self.settings["patience"]
        module.torch_model.train()
        self.paused += _clock(self.cuda) - here

    def encoder(self) -> _Encoder:
        """The model with its best weights."""
        self.model.torch_model.load_state_dict(self.weights)
        return _Encoder(self.model, self.settings["n_items"])


def _uses_cuda(settings: Mapping[str, Any]) -> bool:
    import torch

    return bool(settings["device"] != "cpu" and torch.cuda.is_available())


def _clock(cuda: bool) -> float:
    """CPU seconds of this process; seconds where a GPU works."""
    if not cuda:
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def _train(
    train: RowHistories, valid: RowHistories, facts: Mapping[str, NDArray[np.int64]], settings: Mapping[str, Any]
) -> _Watch:
    import torch
    from pytorch_lightning import Callback, Trainer, seed_everything
    from rectools.models import SASRecModel

    seed_everything(settings["seed"])
    torch.set_flush_denormal(True)
    watch = _Watch(valid, settings)

    class ByReference(Callback):  # type: ignore[misc]
        """RecTools copies its trainer, callbacks and all; this one copies to itself."""

        def __deepcopy__(self, memo: dict[int, Any]) -> ByReference:
            return self

        def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
            watch.epoch_ends(trainer, module)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=settings["epochs"],
            accelerator="gpu" if watch.cuda else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[ByReference()],
        )

    watch.model = SASRecModel(loss="softmax", get_trainer_func=trainer, **settings["model"])
    watch.model.fit(_dataset(train, facts, settings["model"]["session_max_len"]))
    watch.parameters = sum(p.numel() for p in watch.model.torch_model.parameters())
    if watch.cuda:
        watch.model.torch_model.to("cuda")
    return watch


def _dataset(train: RowHistories, facts: Mapping[str, NDArray[np.int64]], length: int) -> Any:
    """The training histories as RecTools wants them; places in a slice become days, facts become categories."""
    import pandas as pd
    from rectools import Columns
    from rectools.dataset import Dataset

    user, item, place = slices_of(train, length)
    columns = {
        Columns.User: user,
        Columns.Item: item,
        Columns.Weight: np.ones(len(user)),
        Columns.Datetime: pd.Timestamp("2000-01-01") + pd.to_timedelta(place, unit="D"),
    }
    events = pd.DataFrame(columns)
    if not facts:
        return Dataset.construct(events)
    known = np.isin(facts["item"], item)
    features = pd.DataFrame({"id": facts["item"][known], "feature": "fact", "value": facts["fact"][known]})
    return Dataset.construct(events, item_features_df=features, cat_item_features=["fact"])


def serve(runner: Runner, requests: TextIO, answers: TextIO) -> None:
    """Answer requests line by line until there are no more; an error is answered with its message."""
    for line in requests:
        try:
            answer = runner.answer(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Libraries print; only answers may go to standard output.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as only_answers:
        os.dup2(2, 1)
        serve(Runner(Path(sys.argv[1])), sys.stdin, only_answers)
