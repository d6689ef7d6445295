"""The runs of `benchmarks.parts`: trainings, controls, and the ranks of their cases by all score parts and by some.

Everything is written into one folder. What is there is read, so that a stopped grid continues with the next run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Bench, data_folder
from kptoolkit import pipeline
from kptoolkit.config import Config, load_config
from kptoolkit.data.histories import Cases
from kptoolkit.data.splits import Split
from kptoolkit.errors import ConfigError
from kptoolkit.evaluation.baselines import BASELINES, TuningTask, tuned_baselines
from kptoolkit.evaluation.ranking import evaluate, rank_of
from kptoolkit.graph import Graph, open_source
from kptoolkit.knowledge.prepare import data_dir
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.parts.score_parts import BACKEND
from kptoolkit.resources import demo_data_dir
from kptoolkit.runs.manifest import Manifest, write_json
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.run_settings import plain_settings
from kptoolkit.settings_base import difference
from kptoolkit.storage.arrays import read_arrays, write_arrays

DEMO = "demo"
"""The data set that is bundled with kptoolkit."""
ALL, ALONE, REST = "all parts", "backend alone", "parts without the backend"
_QUICK = {"training.epochs": 6, "training.eval_every": 3, "parts.cases": 500}

Ranks = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """Ranks of the targets of a split's cases.

    Attributes:
        test: ``(N,)`` ranks of the test cases, by name of what ranked them.
        valid: The same of the validation cases.
        facts: What else is known, JSON-able.
    """

    test: Mapping[str, Ranks]
    valid: Mapping[str, Ranks]
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write to ``folder``, atomically."""
        arrays = {"test": np.stack(list(self.test.values())), "valid": np.stack(list(self.valid.values()))}
        write_arrays(folder, arrays, {"names": list(self.test), "facts": dict(self.facts)})

    @classmethod
    def load(cls, folder: Path) -> Ranked:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        test, valid = (dict(zip(extra["names"], arrays[split], strict=True)) for split in ("test", "valid"))
        return cls(test, valid, extra["facts"])


@dataclass(frozen=True)
class Grid:
    """The runs of one data set.

    Attributes:
        bench: Whose options and clock are used.
        data: Name of the data set.
        folder: Folder of all runs, absolute.
        changed: Settings that differ from the defaults.
        label: What the names of such runs have in addition.
    """

    bench: Bench
    data: str
    folder: Path
    changed: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    def config(self, seed: int) -> Config:
        """Settings of one training: the defaults and what is changed, for users with five events or more."""
        settings: dict[str, Any] = {
            "graph.uri": f"embedded:{self.folder / f'graph-{self.data}'}",
            "graph.cache": self.folder / "neighbourhoods",
            "prompts.cache": self.folder / "prompts",
            "data.dir": demo_data_dir() if self.data == DEMO else data_folder(self.data),
            "data.min_events": 5,
            "training.seed": seed,
            "tree.seed": seed,
        }
        settings |= self.changed
        return load_config(overrides=settings | (_QUICK if self.bench.quick else {}), environ={})

    def run(self, seed: int) -> Run:
        """The run of a seed, which is trained if it is not there.

        Raises:
            ConfigError: It was trained with other settings.
        """
        name = "-".join(filter(None, (self.data, str(seed), self.label)))
        config, files = self.config(seed), RunFolder(self.folder / name)
        if not files.is_finished:
            self._load_graph(config)
            with _noted(self.bench, files):
                pipeline.fit(config, run=files.path)
            self.bench.say(f"{name}: trained")
        run = Run.load(files.path)
        if (other := difference(run.manifest.settings, plain_settings(config))) is not None:
            raise ConfigError(f"{files.path} has another {other}; give another --runs, or delete the folder")
        return run

    def ranked(self, seed: int) -> Ranked:
        """Ranks of a seed's run by all score parts, by its backend alone, and without each part."""
        run = self.run(seed)
        if (folder := run.folder / "ranks").is_dir():
            return Ranked.load(folder)
        size, parts = run.config.evaluation.batch_size, run.recommender.parts
        test, valid = (ranks_of(run.recommender, cases, size) for cases in _both(run.split))
        facts = {"weights": parts.weights, "report": dict(parts.report), "items": len(run.catalogue)}
        found = Ranked(test, valid, facts | {"seconds": _seconds(run.files)})
        found.save(folder)
        return found

    def control(self, seed: int, name: str) -> Ranked:
        """Ranks of a control of a seed, which is trained if it is not there."""
        run = self.run(seed)
        files = run.files.control(name)
        if (folder := files.path / "ranks").is_dir():
            return Ranked.load(folder)
        with _noted(self.bench, files):
            recommender = pipeline.control(run, name)
        self.bench.say(f"{self.data}, seed {seed}, {name}: trained")
        n_items, size = len(run.catalogue), run.config.evaluation.batch_size
        test, valid = (evaluate(recommender.score, cases, n_items, batch_size=size).ranks for cases in _both(run.split))
        facts = {"weights": recommender.parts.weights, "seconds": _seconds(files)}
        found = Ranked({name: test}, {name: valid}, facts)
        found.save(folder)
        return found

    def baselines(self, seed: int) -> Ranked:
        """Ranks of the tuned baselines, which are the same for all seeds."""
        if (folder := self.folder / f"baselines-{self.data}").is_dir():
            return Ranked.load(folder)
        run, begun = self.run(seed), self.bench.now()
        n_items, size = len(run.catalogue), run.config.evaluation.batch_size
        task = TuningTask.of(run.split, n_items, run.files.neighbourhoods())
        tuned, notes = tuned_baselines(task, BASELINES)
        spent = asdict(self.bench.now() - begun)
        test, valid = (
            {each.name: evaluate(each.score, cases, n_items, batch_size=size).ranks for each in tuned}
            for cases in _both(run.split)
        )
        found = Ranked(test, valid, {"notes": notes, "seconds": {"tuning": spent}})
        found.save(folder)
        self.bench.say(f"{self.data}: baselines tuned")
        return found

    def _load_graph(self, config: Config) -> None:
        """Load the graph, unless it is there."""
        mark = self.folder / f"graph-{self.data}.json"
        if mark.is_file():
            return
        with Graph.open(config=config.graph) as graph:
            report = graph.load(open_source([data_dir(config)]))
        write_json(mark, report.graph)
        self.bench.say(f"{self.data}: graph loaded")


def ranks_of(recommender: Recommender, cases: Cases, batch_size: int) -> dict[str, Ranks]:
    """Ranks by all score parts, by the backend alone, by the other parts, and without each of these.

    Each part is scored once, and no weight is fitted again. Names of parts with weight 0 are missing.
    """
    found: dict[str, list[Ranks]] = {}
    for first in range(0, len(cases), batch_size):
        batch = cases.take(slice(first, min(first + batch_size, len(cases))))
        parts = recommender.by_part(batch)
        alone = parts[BACKEND] if BACKEND in parts else recommender.backend.score(batch)
        for name, scores in _variants(parts, alone):
            ranks = rank_of(scores, batch.targets, batch.histories, first_case=first)
            found.setdefault(name, []).append(ranks)
    return {name: np.concatenate(each) for name, each in found.items()}


def _variants(
    parts: Mapping[str, NDArray[np.float32]], alone: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Scores by name: sums of some of the parts, added up in the order of the whole."""

    def added(names: Iterable[str]) -> NDArray[np.float32]:
        total = np.zeros_like(alone, dtype=np.float32)
        for name in names:
            total += parts[name]
        return total

    others = [name for name in parts if name != BACKEND]
    yield ALL, added(parts)
    yield ALONE, alone
    yield REST, added(others)
    for left_out in others:
        yield f"without {left_out}", added(name for name in parts if name != left_out)


def _both(split: Split) -> tuple[Cases, Cases]:
    return split.test, split.valid


@contextmanager
def _noted(bench: Bench, files: RunFolder) -> Iterator[None]:
    """Write the seconds of each stage of the training inside, because a manifest has wall seconds only."""
    resumed = any(files.checkpoints.glob("*"))
    found: dict[str, Any] = {}
    usual = pipeline._timed

    @contextmanager
    def timed(manifest: Manifest, stage: str) -> Iterator[None]:
        begun = bench.now()
        with usual(manifest, stage):
            yield
        found[stage] = asdict(bench.now() - begun)

    pipeline._timed = timed
    try:
        yield
    finally:
        pipeline._timed = usual
    if found:
        write_json(_spent(files), {"resumed": resumed, "stages": found})


def _spent(files: RunFolder) -> Path:
    return files.path / "seconds.json"


def _seconds(files: RunFolder) -> dict[str, dict[str, float | None]]:
    """CPU and wall seconds by stage; those of a training that was resumed are not known."""
    path = _spent(files)
    noted: dict[str, Any] = {"resumed": True, "stages": {}}
    if path.is_file():
        noted = json.loads(path.read_text(encoding="utf-8"))
    stages: dict[str, dict[str, float | None]] = {}
    for stage, wall in files.read_manifest().seconds.items():
        known = stage in noted["stages"] and not (noted["resumed"] and stage == "fit")
        stages[stage] = {"cpu": noted["stages"][stage]["cpu"] if known else None, "wall": wall if known else None}
    return stages
