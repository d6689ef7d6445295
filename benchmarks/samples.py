"""Samples per CPU second: the published procedure against batches assembled from compiled prompts.

The published procedure draws neighbours, renders every triple, tokenizes word by word, and makes an int64 matrix of
L x L for each sample. kptoolkit renders and tokenizes each distinct triplet once, which is reported apart, and
assembles batches with numpy; the mask is moved as two integers per token. Both have the same templates, tokenizer size,
history of 5, 2 hops, degree 8 and 440 tokens at most. Data: $KPTOOL_DATA/movies, triples in both directions.

    python -m benchmarks.samples --quick
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.published import TINY, Samples, closeness, kp_settings
from benchmarks.worlds import World, real
from kptoolkit.config import validate
from kptoolkit.data.buckets import bucketed
from kptoolkit.models import FitTask
from kptoolkit.models.t5.kp4sr.kp4sr_feed import Kp4srFeed
from kptoolkit.models.t5.kp4sr.kp4sr_state import Kp4srState, build_state
from kptoolkit.models.t5.options import Kp4srOptions
from kptoolkit.models.tree_mask import visible

BATCH = 64
GOAL, WITH_MATRIX_GOAL = ">= 120", ">= 20"


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    world = real("movies")
    base = published(bench, world)
    with tempfile.TemporaryDirectory() as folder:
        compiled(bench, world, base, Path(folder))


def published(bench: harness.Bench, world: World) -> float:
    """Samples per second of the published procedure."""
    samples = Samples(world, world.split().train, bench.options.seed)
    source = samples.epoch(TINY.batch)
    lengths: list[int] = []

    def batch() -> None:
        made = next(source)
        lengths.extend((made["ids"] != samples.tokenizer.pad_id).sum(1).tolist())

    cost = bench.timed("published: a batch of 16", batch, 12 if bench.quick else 50)
    bench.notes["published: samples made"] = closeness("samples made", TINY.batch / cost)
    bench.notes["published: tokens per prompt"] = float(np.mean(lengths))
    return TINY.batch / cost


def compiled(bench: harness.Bench, world: World, base: float, folder: Path) -> None:
    """Samples per second from compiled prompts: without and with the boolean matrix, and with new triples per epoch."""
    unit, repeats = f"samples per {bench.second}", 3 if bench.quick else 9
    for ranking in ("balanced", "random"):
        task = world.task(kp_settings(TINY, bench.options.seed) | {"tree.ranking": ranking}, folder)
        begun = bench.now()
        epoch = Epoch(task)
        if ranking == "balanced":
            once = bench.cost(bench.now() - begun)
            bench.notes["compiled once"] = f"{once:.1f} s for the whole catalogue and the model, not in the rates"
            cost = bench.timed("an epoch of batches", epoch.assemble, repeats)
            bench.add("batches of 64", unit, base, epoch.size / cost, GOAL)
            cost = bench.timed("an epoch of batches and matrices", epoch.with_matrices, repeats)
            bench.add("batches of 64, and the boolean matrix on CPU", unit, base, epoch.size / cost, WITH_MATRIX_GOAL)
            bench.notes["tokens per prompt"] = epoch.tokens
        else:
            cost = bench.timed("an epoch of batches, triples drawn again", epoch.redrawn, repeats)
            bench.add("batches of 64, triples drawn again for each epoch of 943", unit, base, epoch.size / cost)


def options(task: FitTask) -> Kp4srOptions:
    """Options of the backend."""
    return validate(Kp4srOptions, task.config.model.options, "model")


def state(task: FitTask) -> Kp4srState:
    """Build what training prepares before its first batch; the model is not used."""
    return build_state(options(task), task)


class Epoch:
    """Assembles all batches of an epoch, one random window per user."""

    def __init__(self, task: FitTask) -> None:
        self.feed = Kp4srFeed(state(task), task, options(task))
        self.size, self.number = len(self.feed.windows), 0
        self.tokens = 0.0

    def assemble(self) -> None:
        """Assemble batches as the Trainer gets them: tokens, nodes, parents, words, targets."""
        for chosen in self._order():
            self.feed.collate(chosen.tolist())
        self.tokens = self.feed.figures()["tokens_per_prompt"]

    def with_matrices(self) -> None:
        """Assemble batches, and compute the boolean matrix of each on the CPU."""
        for chosen in self._order():
            batch = self.feed.collate(chosen.tolist())
            with torch.inference_mode():
                visible(batch["node"], batch["parent"])

    def redrawn(self) -> None:
        """Start the next epoch: draw triples, render and tokenize the new ones, and assemble batches."""
        self.number += 1
        self.feed.start_epoch(self.number)
        self.assemble()

    def _order(self) -> list[np.ndarray[Any, Any]]:
        lengths = self.feed.assembler.lengths_at_most(
            self.feed.windows.users, self.feed.histories, self.feed.position, self.feed.template
        )
        order = bucketed(lengths, BATCH, np.random.default_rng(self.number))
        return [order[first : first + BATCH] for first in range(0, len(order), BATCH)]


def main() -> None:
    """The command."""
    harness.run(harness.parser(__doc__ or ""), measure)


if __name__ == "__main__":
    main()
