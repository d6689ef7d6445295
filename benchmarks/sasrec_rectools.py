"""SASRec of RecTools with full softmax, trained in an environment of its own; `time_to_quality` runs it.

It exchanges files with kptoolkit and imports nothing of it: RecTools forces numpy below 2 on Python 3.11.

    .venv-rectools/bin/python benchmarks/sasrec_rectools.py FOLDER

FOLDER holds settings.json, and train.npz, valid.npz, test.npz with histories by catalogue row (indptr, items; targets
of the two latter). It gets curve.json, and valid-scores.npz and test-scores.npz: scores of the whole catalogue by the
weights that were best on validation. Its CPU seconds are those of its training alone, evaluations left out.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

NEVER = np.float32(-1e9)
"""Score of an item that no training history holds: RecTools has no embedding of it."""


class Histories:
    """Histories by catalogue row, read from a file of arrays."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self.indptr: np.ndarray = arrays["indptr"]
            self.items: np.ndarray = arrays["items"]
            self.targets = arrays.get("targets")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.items[self.indptr[row] : self.indptr[row + 1]]


class Watch(Callback):  # type: ignore[misc]
    """Ranks the validation cases after every epoch with the clock stopped, keeps the best weights, stops early."""

    def __init__(self, model: SASRecModel, valid: Histories, settings: dict[str, Any], started: float) -> None:
        self.model, self.valid, self.settings = model, valid, settings
        self.started, self.paused = started, 0.0
        self.curve: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Rank, note, stop when it no longer gets better."""
        begun = _clock(self.settings)
        spent = begun - self.started - self.paused
        scores = score(self.model, self.valid, self.settings)
        quality = ndcg_at_10(scores, self.valid)
        self.curve.append({"epoch": trainer.current_epoch + 1, "seconds": spent, "NDCG@10": quality})
        if quality > self.best.get("NDCG@10", -1.0):
            weights = copy.deepcopy(module.torch_model.state_dict())
            self.best = {"NDCG@10": quality, "seconds": spent, "epoch": trainer.current_epoch + 1, "weights": weights}
        if trainer.current_epoch + 1 - self.best["epoch"] >= self.settings["patience"]:
            trainer.should_stop = True
        print(f"epoch {trainer.current_epoch + 1}: NDCG@10 {quality:.4f}, {spent:.1f} s", file=sys.stderr, flush=True)
        module.torch_model.train()
        self.paused += _clock(self.settings) - begun


def _clock(settings: dict[str, Any]) -> float:
    if settings["device"] == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


@torch.no_grad()
def score(model: SASRecModel, histories: Histories, settings: dict[str, Any]) -> np.ndarray:
    """Scores of the whole catalogue, ``(N, n_items)``."""
    net, length = model.torch_model, settings["model"]["session_max_len"]
    net.eval()
    device = next(net.parameters()).device
    ids = model.data_preparator.item_id_map
    known = np.asarray(model.data_preparator.get_known_item_ids(), dtype=np.int64)
    internal = np.zeros(settings["n_items"], dtype=np.int64)
    internal[known] = ids.convert_to_internal(known)
    embedded = net.item_model.get_all_embeddings()
    out = np.full((len(histories), settings["n_items"]), NEVER, dtype=np.float32)
    for first in range(0, len(histories), 256):
        rows = range(first, min(first + 256, len(histories)))
        sessions = np.zeros((len(rows), length), dtype=np.int64)
        for place, row in enumerate(rows):
            items = internal[histories[row]]
            items = items[items > 0][-length:]
            if len(items):
                sessions[place, -len(items) :] = items
        states = net.encode_sessions({"x": torch.from_numpy(sessions).to(device)}, embedded)[:, -1:]
        logits = net.similarity_module(states, embedded)[:, 0].float().cpu().numpy()
        out[first : first + len(rows), known] = logits[:, internal[known]]
    return out


def ndcg_at_10(scores: np.ndarray, cases: Histories) -> float:
    """Full ranking, history excluded, equal scores at their mean rank; kptoolkit ranks the best epoch again itself."""
    scores = scores.copy()
    scores[np.repeat(np.arange(len(cases)), np.diff(cases.indptr)), cases.items] = -np.inf
    own = scores[np.arange(len(cases)), cases.targets][:, None]
    ranks = 1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return float(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean())


def dataset_of(train: Histories, length: int) -> Dataset:
    """The training histories as RecTools wants them; the order of a history becomes days.

    RecTools trains on the latest ``length + 1`` events of a user and drops the rest. So that it learns from all,
    a longer history is cut, from its end, into users of that many events, each beginning with the last item of the one
    before.
    """
    cuts = [range(int(end) - 1, int(start), -length) for start, end in pairwise(train.indptr)]
    firsts = [(max(int(train.indptr[row]), last - length), last + 1) for row, ends in enumerate(cuts) for last in ends]
    lengths = np.array([last - first for first, last in firsts])
    items = np.concatenate([train.items[first:last] for first, last in firsts])
    users = np.repeat(np.arange(len(firsts)), lengths)
    place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = {
        Columns.User: users,
        Columns.Item: items.astype(np.int64),
        Columns.Weight: np.ones(len(users)),
        Columns.Datetime: pd.Timestamp("2000-01-01") + pd.to_timedelta(place, unit="D"),
    }
    return Dataset.construct(pd.DataFrame(columns))


def main(folder: Path) -> None:
    """Train, score, write."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    seed_everything(settings["seed"])
    torch.set_flush_denormal(True)
    train, valid, test = (Histories(folder / f"{name}.npz") for name in ("train", "valid", "test"))
    started = _clock(settings)
    watches: list[Watch] = []

    def make_trainer() -> Trainer:
        return Trainer(
            max_epochs=settings["epochs"],
            accelerator="gpu" if settings["device"] == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    model = SASRecModel(loss="softmax", get_trainer_func=make_trainer, **settings["model"])
    watches.append(Watch(model, valid, settings, started))
    model._trainer.callbacks.append(_ByReference(watches))
    model.fit(dataset_of(train, settings["model"]["session_max_len"]))
    watch = watches[0]
    weights = watch.best.pop("weights")
    model.torch_model.load_state_dict(weights)
    model.torch_model.to("cuda" if settings["device"] == "cuda" else "cpu")
    for name, cases in (("valid", valid), ("test", test)):
        np.savez(folder / f"{name}-scores.npz", scores=score(model, cases, settings))
    report = {"best": watch.best, "curve": watch.curve, "seconds": watch.curve[-1]["seconds"]}
    report["parameters"] = sum(p.numel() for p in model.torch_model.parameters())
    (folder / "curve.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


class _ByReference(Callback):  # type: ignore[misc]
    """RecTools copies its trainer, callbacks and all; this one copies to the same watch."""

    def __init__(self, watches: list[Watch]) -> None:
        self.watches = watches

    def __deepcopy__(self, memo: dict[int, Any]) -> _ByReference:
        return self

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Let the watch look."""
        self.watches[0].on_train_epoch_end(trainer, module)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
