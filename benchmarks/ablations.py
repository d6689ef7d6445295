"""Ablations of `sequence`: one part changed at a time and retrained, with NDCG@10 and training CPU seconds.

Validation chooses the epoch; test is only reported. The baseline of every row is the unchanged model of the same seeds;
for variants of trees it is the model that reads trees. Data: $KPTOOL_DATA.

    python -m benchmarks.ablations --data books --seeds 2
    python -m benchmarks.ablations --data movies --only "no knowledge" --only "two hops"
    python -m benchmarks.ablations --list
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.nn import Module

from benchmarks import harness
from benchmarks.worlds import Curve, World, fitted, real
from kptoolkit import metrics
from kptoolkit.errors import ConfigError
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.models.t5.sequence import sequence_state
from kptoolkit.models.t5.sequence.item_encoders import FactBagEncoder

_ALL: dict[str, Any] = {"data.min_events": 5, "tree.hops": 1, "training.patience": 1000}
_BUDGET: dict[str, dict[str, Any]] = {
    "books": {"training.epochs": 8, "training.eval_every": 2},
    "movies": {"training.epochs": 24, "training.eval_every": 4},
}
_QUICK = {"training.epochs": 2, "training.eval_every": 2}
_TREES: dict[str, Any] = {"model.knowledge": "tree", "model.layers": 1}


@dataclass(frozen=True)
class Variant:
    """One change.

    Attributes:
        change: Settings that differ.
        baseline: Name of the variant it is compared with; ``None``: the unchanged model.
        patch: Context in which it is trained.
    """

    change: Mapping[str, Any] = field(default_factory=dict)
    baseline: str | None = None
    patch: Callable[[], AbstractContextManager[None]] = nullcontext

    def changes_nothing(self, usual: Mapping[str, Any]) -> bool:
        """Whether these settings equal the usual ones."""
        return self.patch is nullcontext and {**usual, **self.change} == usual


@contextmanager
def _fixed(part: type[Module], weight: str) -> Iterator[None]:
    """Freeze one weight of a part of the model."""
    start = part.__init__

    def fixed(self: Module, *args: Any) -> None:
        start(self, *args)
        getattr(self, weight).requires_grad_(False)

    part.__init__ = fixed  # type: ignore[method-assign]
    try:
        yield
    finally:
        part.__init__ = start  # type: ignore[method-assign]


@contextmanager
def _wide_start() -> Iterator[None]:
    """Initialize tokens with the standard deviation of `kp4sr`."""
    before, sequence_state._TOKEN_STD = sequence_state._TOKEN_STD, 0.3
    try:
        yield
    finally:
        sequence_state._TOKEN_STD = before


VARIANTS: dict[str, Variant] = {
    "unchanged": Variant(),
    "no knowledge": Variant({"tree.degree": 0}),
    "relation gates fixed": Variant({}, None, partial(_fixed, FactBagEncoder, "gate")),
    "tokens start at 0.3": Variant(patch=_wide_start),
    "two hops": Variant({"tree.hops": 2}),
    "two decoder layers": Variant({"model.decoder_layers": 2}),
    "cross-attention": Variant({"model.cross_attention": True}),
    "trees": Variant(_TREES),
    "trees, all states pooled": Variant(_TREES | {"model.pooling": "tree"}, "trees"),
    "trees, two encoder layers": Variant(_TREES | {"model.layers": 2}, "trees"),
    "trees, 64 per step": Variant(_TREES | {"model.trees_per_step": 64}, "trees"),
    "trees, 1024 per step": Variant(_TREES | {"model.trees_per_step": 1024}, "trees"),
    "trees, whole catalogue per step": Variant(_TREES | {"model.trees_per_step": 0}, "trees"),
    "trees, subwords": Variant(_TREES | {"model.tokens": "subword", "model.vocabulary": 4000}, "trees"),
    "trees, cross-attention": Variant(_TREES | {"model.cross_attention": True}, "trees"),
}


@dataclass(frozen=True)
class Trained:
    """One training: NDCG@10 on validation and test, and the CPU seconds it took."""

    valid: float
    test: float
    seconds: float


def measure(bench: harness.Bench) -> None:
    """Train and compare the variants.

    Raises:
        ConfigError: ``--only`` names no variant.
    """
    chosen = bench.options.only or list(VARIANTS)
    if unknown := [name for name in chosen if name not in VARIANTS]:
        raise ConfigError(f"--only {unknown[0]!r}: no such variant; --list tells them")
    seeds = [bench.options.seed + number for number in range(bench.options.seeds)]
    bench.notes["seeds"] = seeds
    for data in bench.options.data or list(_BUDGET):
        world, found = real(data), dict[str, list[Trained]]()
        usual = _ALL | _BUDGET[data]
        for name in chosen:
            baseline = VARIANTS[name].baseline or "unchanged"
            if name != "unchanged" and VARIANTS[name].changes_nothing(usual):
                continue
            for needed in dict.fromkeys((baseline, name)):
                if needed not in found:
                    found[needed] = [train(bench, world, data, needed, seed) for seed in seeds]
            if name != baseline:
                report(bench, f"{data}, {name}", found[baseline], found[name])
        bench.notes[f"{data}: trainings"] = {name: [vars(one) for one in each] for name, each in found.items()}


def train(bench: harness.Bench, world: World, data: str, name: str, seed: int) -> Trained:
    """Train one variant with one seed; the seconds exclude evaluations."""
    settings = {**_ALL, **_BUDGET[data], "training.seed": seed, "tree.seed": seed, **VARIANTS[name].change}
    settings |= _QUICK if bench.quick else {}
    curve = Curve(bench)
    with tempfile.TemporaryDirectory() as folder, VARIANTS[name].patch():
        backend = fitted(world, settings, Path(folder), watch=curve)
    seconds, best = curve.seconds, max((quality for _, quality in curve.points), default=0.0)
    test = world.split(settings["data.min_events"]).test
    quality = metrics.summary(evaluate(backend.score, test, len(world.catalogue)).ranks)["NDCG@10"]
    bench.say(f"{data}, {name}, seed {seed}: valid {best:.4f}, test {quality:.4f}, {seconds:.0f} s")
    return Trained(best, quality, seconds)


def report(bench: harness.Bench, name: str, base: list[Trained], ours: list[Trained]) -> None:
    """Rows of one variant, means over the seeds."""
    for what, unit in (("valid", "NDCG@10"), ("test", "NDCG@10"), ("seconds", bench.second)):
        before, after = (float(np.mean([getattr(one, what) for one in side])) for side in (base, ours))
        bench.add(f"{name}: {what}", unit, before, after)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--data", action="append", choices=sorted(_BUDGET), help="data set, may be repeated")
    parser.add_argument("--only", action="append", metavar="VARIANT", help="variant, may be repeated (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds, from --seed on (default: 1)")
    parser.add_argument("--list", action="store_true", help="tell the variants and stop")
    if parser.parse_known_args()[0].list:
        print("\n".join(VARIANTS))
        return
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
