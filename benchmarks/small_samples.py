"""Ranking on samples of users: score parts with weights by cross entropy, by rank, and as taken, next to baselines.

No backend is trained: a sample of users with five events or more is ranked by the score parts alone, whose weights are
fitted three times from the same start, and by baselines that are tuned on the validation cases of the sample. The
catalogue and the graph stay whole. Validation cases also chose the weights. Data: $KPTOOL_DATA.

    python -m benchmarks.small_samples --quick
    python -m benchmarks.small_samples --samples books:700:0 books:700:1 movies:300:5 --json FILE
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, worlds
from kptoolkit import metrics
from kptoolkit.data.histories import Cases
from kptoolkit.data.interactions import Interactions
from kptoolkit.evaluation.baselines import tuned_baselines
from kptoolkit.evaluation.baselines.tuning import TuningTask
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.models.backend import FitTask
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.parts.part_examples import Score
from kptoolkit.prompts.pack_choice import load_auto
from kptoolkit.resources import demo_data_dir

SAMPLES = ("books:700:0", "books:700:1", "movies:300:0", "music:600:0", "beauty:1000:0")
BASELINES = ("sequential rules", "EASE", "content", "blend")
FEWEST_EVENTS = 5
WAYS: dict[str, bool | None] = {"cross entropy": False, "rank": True, "as taken": None}


def measure(bench: harness.Bench) -> None:
    """Measure one sample after the other."""
    lines = [("sample", "taken", *WAYS, "best single baseline", "blend")]
    for sample in bench.options.samples or (["demo:100:0"] if bench.quick else SAMPLES):
        data, users, seed = sample.split(":")
        world = sampled(world_of(data), int(users), int(seed))
        with tempfile.TemporaryDirectory() as folder:
            found, taken = one_sample(bench, world, Path(folder))
        single = max((name for name in found if name not in (*WAYS, "blend")), key=lambda name: found[name]["NDCG@10"])
        bench.notes[sample] = {"figures": found, "taken": taken}
        names = [*WAYS, single, "blend"]
        shown = [f"{found[name]['NDCG@5']:.4f} / {found[name]['NDCG@10']:.4f}" for name in names]
        lines.append((sample, taken, *shown[:3], f"{single} {shown[3]}", shown[4]))
        bench.add(f"{sample}, as taken", "NDCG@10", found[single]["NDCG@10"], found["as taken"]["NDCG@10"])
        bench.say(f"{sample}: {lines[-1]}")
        bench.write()
    print(harness.markdown(lines), flush=True)


def world_of(data: str) -> worlds.World:
    """A data set, with the pack that has sentences for most of its relations."""
    path = demo_data_dir() if data == "demo" else harness.data_folder(data)
    world = worlds.of_folder(path, "generic")
    return replace(world, pack=load_auto(dict.fromkeys(world.neighbourhoods.relations, 1)))


def sampled(world: worlds.World, users: int, seed: int) -> worlds.World:
    """The same world with the events of some users who have five events or more."""
    all_events = world.interactions
    enough = np.flatnonzero(np.bincount(all_events.user) >= FEWEST_EVENTS)
    chosen = np.random.default_rng(seed).choice(enough, min(users, len(enough)), replace=False)
    kept = np.isin(all_events.user, chosen)
    ids = all_events.user_ids[all_events.user[kept]], all_events.item_ids[all_events.item[kept]]
    events, _ = Interactions.of(*ids, all_events.time[kept]).restrict_to(world.catalogue.item_ids)
    return replace(world, interactions=events)


def one_sample(bench: harness.Bench, world: worlds.World, folder: Path) -> tuple[dict[str, dict[str, float]], str]:
    """Test figures of every way and baseline; and which weights cross-validation took."""
    task = world.task({"data.min_events": FEWEST_EVENTS, "training.seed": bench.options.seed}, folder)
    task.knowledge.render()
    n_items = len(world.catalogue)

    def no_backend(cases: Cases) -> NDArray[np.float32]:
        return np.zeros((len(cases), n_items), dtype=np.float32)

    found, taken = dict[str, dict[str, float]](), ""
    for name, by_rank in WAYS.items():
        parts = fit_parts(task, no_backend, by_rank=by_rank)
        found[name] = test_figures(task, parts.added)
        taken = str(parts.report.get("fitted by", parts.report["taken"]))
    tuned, _ = tuned_baselines(TuningTask.of(task.split, n_items, world.neighbourhoods), BASELINES)
    return found | {baseline.name: test_figures(task, baseline.score) for baseline in tuned}, taken


def test_figures(task: FitTask, score: Score) -> dict[str, float]:
    """Rank the test cases."""
    ranks = evaluate(score, task.split.test, len(task.catalogue)).ranks
    return {name: float(value) for name, value in metrics.summary(ranks).items()}


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument(
        "--samples", nargs="+", metavar="SET:USERS:SEED", help=f"samples of users (default: {' '.join(SAMPLES)})"
    )
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
