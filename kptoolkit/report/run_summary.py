"""Reads what a report says about one run: how it was trained, its curves, its weights and its figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.table import ALONE
from kptoolkit.models.parts.score_parts import READ_KNOWLEDGE
from kptoolkit.report.evaluation_tables import relative_leads
from kptoolkit.report.signatures import RunFigures
from kptoolkit.runs.run import Run, top_k

METRIC: Final = "NDCG@10"
BEST: Final = 100
"""Number of items over which the spread of a part is computed."""
_SPREAD_CASES: Final = 64
_SEED: Final = 2308


@dataclass(frozen=True)
class PartWeight:
    """How much a part counts in the score of a run.

    Attributes:
        name: Name of the part.
        weight: Its weight.
        spread: Standard deviation of what it adds, over the :data:`BEST` best items of a case, mean over cases.
        kinds: Weight of each kind of pair of a part that is made of pairs, the largest first.
    """

    name: str
    weight: float
    spread: float
    kinds: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class RunSummary:
    """What a report says about one run.

    Attributes:
        name: Name that is unique among the runs of a report.
        run: The run.
        split: ``"test"`` or ``"valid"``.
        parts: Weight of each part.
    """

    name: str
    run: Run
    split: str
    parts: tuple[PartWeight, ...]

    @classmethod
    def of(cls, run: Run, name: str, split: str) -> RunSummary:
        """Read a run; its model is in memory while its parts are weighed.

        Raises:
            RunError: A file of the run is damaged.
        """
        return cls(name, run, split, _parts(run, run.split.cases(split)))

    @cached_property
    def evaluation(self) -> Mapping[str, Any]:
        """The result of ``evaluate`` on the split; empty if there is none."""
        return self.run.files.evaluation(self.split)

    @cached_property
    def training(self) -> Mapping[str, Any]:
        """Epochs, best metrics, history and figures of the training; empty if they were not written."""
        return self.run.files.training()

    @cached_property
    def curve(self) -> list[tuple[float, float]]:
        """Epoch and validation NDCG@10 of the backend at each evaluation of the training."""
        found = []
        for row in self.training.get("history", ()):
            value = row.get(f"eval_{METRIC}", row.get(METRIC))
            if value is not None and "epoch" in row:
                found.append((float(row["epoch"]), float(value)))
        return found

    @cached_property
    def losses(self) -> list[tuple[float, float]]:
        """Epoch and training loss."""
        history = self.training.get("history", ())
        return [(float(row["epoch"]), float(row["loss"])) for row in history if {"epoch", "loss"} <= row.keys()]

    @property
    def chosen_epoch(self) -> float | None:
        """The epoch whose weights were kept: the one with the best validation figure."""
        return max(self.curve, key=lambda point: point[1])[0] if self.curve else None

    @cached_property
    def facts(self) -> dict[str, str]:
        """What was trained on what, by label."""
        return {label: text for label, text in _facts(self) if text}

    @cached_property
    def figures(self) -> RunFigures:
        """The figures for the failure signatures."""
        run, known = self.run, self.run.manifest.reports.get("knowledge", {})
        valid, test = ndcg_on_both_splits(
            self.training.get("best", {}),
            *(run.files.evaluation(split).get("rows", []) for split in ("valid", "test")),
        )
        leads = relative_leads(self.evaluation)
        events = np.bincount(run.split.train.items, minlength=len(run.catalogue))
        cases = run.split.cases(self.split)
        return RunFigures(
            curve=self.curve,
            valid=valid,
            test=test,
            items=int(known.get("items", 0)),
            items_with_triples=int(known.get("items_with_triples", 0)),
            triples_per_item=float(known.get("triples_per_item", 0.0)),
            rows=len(run.files.neighbourhoods().relation),
            rows_beyond_cap=int(known.get("rows_beyond_cap", 0)),
            nameless=int(known.get("left_out_nameless", 0)),
            left_out_per_prompt=self.training.get("figures", {}).get("triplets_left_out_per_prompt"),
            cold=float((events[cases.targets] == 0).mean()) if len(cases) else None,
            knowledge=_knowledge_share(run, self.parts),
            over_baseline=leads.baseline,
            over_no_knowledge=leads.no_knowledge,
            over_mask_off=leads.mask_off,
            over_one_hop=leads.one_hop,
            over_held_out=leads.held_out,
        )


def unique_names(runs: Sequence[Run]) -> list[str]:
    """Short names of runs: that of the folder, with as many of its parents as tell it from those of the other runs."""
    folders = [run.folder.resolve() for run in runs]
    found = []
    for folder in folders:
        others = [other.parts for other in folders if other != folder]
        own = folder.parts
        least = (n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others))
        length = next(least, 0)
        found.append("/".join(own[-length:]) if length else str(folder))
    return found


def _parts(run: Run, cases: Cases) -> tuple[PartWeight, ...]:
    recommender = run.recommender
    sample = cases.sample(_SPREAD_CASES, _SEED)
    added = recommender.by_part(sample)
    best, _ = top_k(np.sum(list(added.values()), axis=0), sample, BEST, with_seen=True)
    spreads = {name: float(np.take_along_axis(each, best, axis=1).std(axis=1).mean()) for name, each in added.items()}
    found = []
    for name, weight in recommender.parts.weights.items():
        pairs = recommender.parts.pairs.get(name)
        kinds = () if pairs is None else tuple(sorted(pairs.kinds.items(), key=lambda kind: -kind[1]))
        found.append(PartWeight(name, weight, spreads.get(name, 0.0), kinds))
    return tuple(found)


def _knowledge_share(run: Run, parts: Sequence[PartWeight]) -> float | None:
    """Share of the parts that read knowledge in the spread of all parts; ``None`` if they are switched off."""
    total = sum(part.spread for part in parts)
    if not run.config.parts.reads_knowledge or total <= 0:
        return None
    return sum(part.spread for part in parts if part.name in READ_KNOWLEDGE) / total


def ndcg_on_both_splits(
    best: Mapping[str, float], valid: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]]
) -> tuple[float | None, float | None]:
    """NDCG@10 of one model on validation and test: of the run, if both were evaluated; else of its backend alone.

    Args:
        best: Best validation metrics of the training, which are those of the backend alone.
        valid: Rows of the evaluation on validation cases, that of the run first; none if it was not evaluated.
        test: The same on test cases.
    """
    if valid and test:
        return valid[0]["metrics"].get(METRIC), test[0]["metrics"].get(METRIC)
    if not test:
        return best.get(METRIC), None
    own = f"{test[0]['name']} {ALONE}"
    alone = next((row for row in test if row["name"] == own), test[0])
    return best.get(METRIC), alone["metrics"].get(METRIC)


def _facts(summary: RunSummary) -> list[tuple[str, str]]:
    run, manifest, config = summary.run, summary.run.manifest, summary.run.config
    data, known = manifest.reports.get("data", {}), manifest.reports.get("knowledge", {})
    training = manifest.reports.get("training", {})
    folder = config.data.dir
    versions = manifest.versions
    seconds = ", ".join(f"{stage} {value:,.0f} s" for stage, value in manifest.seconds.items())
    parameters = summary.training.get("figures", {}).get("parameters")
    return [
        ("run", summary.name),
        ("id", manifest.id),
        ("trained", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(manifest.started))),
        ("seed", str(config.training.seed)),
        ("backend", config.model.backend),
        ("parameters of the backend", f"{parameters:,.0f}" if parameters else ""),
        ("epochs", f"{training['epochs']:g} of at most {config.training.epochs}" if "epochs" in training else ""),
        ("data", "" if folder is None else folder.name or str(folder)),
        ("users", _left_out(data, "users")),
        ("events", _left_out(data, "events")),
        ("training events", _count(data, "train_events")),
        ("cases", f"{_count(data, 'valid_cases')} validation, {_count(data, 'test_cases')} test" if data else ""),
        ("items", f"{len(run.catalogue):,}"),
        ("items with triples", _count(known, "items_with_triples")),
        ("triples per item", f"{known['triples_per_item']:.1f}" if known else ""),
        ("distinct triplet prompts", _count(known, "distinct_prompts")),
        ("entities", _count(known, "entities")),
        ("template pack", str(known.get("pack", ""))),
        ("seconds by stage, since it was resumed" if manifest.reports.get("resumed") else "seconds by stage", seconds),
        ("machine", f"{manifest.machine.get('cores', '?')} cores, {manifest.machine.get('processor', '?')}"),
        (
            "versions",
            ", ".join(f"{name} {versions[name]}" for name in ("kptoolkit", "python", "torch") if name in versions),
        ),
    ]


def _count(report: Mapping[str, Any], name: str) -> str:
    return f"{report[name]:,}" if name in report else ""


def _left_out(report: Mapping[str, Any], name: str) -> str:
    """A count, with how many of them were left out."""
    gone = report.get(f"{name}_left_out", 0)
    return _count(report, name) + (f", {gone:,} left out" if gone else "")
