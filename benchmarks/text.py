"""What a pretrained text encoder adds to the score parts: words alone, the encoder, its adapter, no mask, and random.

No backend is trained: validation and test cases are ranked by the score parts alone, with their weights fitted on
training and validation cases, for users with five events or more. With one hop all prompts of a tree are siblings and
see each other, so that the tree mask hides nothing but padding; --hops 2 compares it. Validation cases also chose the
weights. The seconds are those of encoding and fitting, without rendering the prompts; vectors that a row shares with an
earlier one, or that --cache has, are not computed again.

The encoder is all-MiniLM-L6-v2 of the extra `text`, or that of --encoder; --quick takes the bundled data set and a
small one with random weights. Data: $KPTOOL_DATA.

    python -m benchmarks.text --quick
    python -m benchmarks.text --sets movies books --hops 2 --degree 2 --encoder FOLDER --json FILE
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, worlds
from benchmarks.text_encoders import real_encoder, small_encoder
from kptoolkit import metrics
from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.text.random_encoder import write_random_encoder
from kptoolkit.resources import demo_data_dir

SETS = ("movies", "books")
DEMO = "demo"
METRIC = "NDCG@10"
WORDS, ENCODER = "words, no encoder", "words and encoder"


def measure(bench: harness.Bench) -> None:
    """Measure one data set after the other."""
    options = bench.options
    with tempfile.TemporaryDirectory() as empty:
        folder = Path(empty)
        for data in options.sets or ([DEMO] if bench.quick else SETS):
            world = worlds.of_folder(demo_data_dir(), "books") if data == DEMO else worlds.real(data)
            encoder = chosen_encoder(bench, folder, world)
            rows = variants(encoder, write_random_encoder(str(encoder), folder / "random", seed=options.seed + 1))
            found = {name: one_row(bench, world, name, settings, folder) for name, settings in rows.items()}
            bench.notes[f"{data}: figures"] = found
            print(table(data, found), end="\n\n", flush=True)
            bench.add(f"{data}, {ENCODER} against {WORDS}", METRIC, found[WORDS]["test"], found[ENCODER]["test"])
            bench.write()


def chosen_encoder(bench: harness.Bench, folder: Path, world: worlds.World) -> Path:
    """Folder of the encoder that the options name."""
    if bench.options.encoder is not None:
        return Path(bench.options.encoder).resolve()
    if bench.quick:
        return small_encoder(folder / "small", map(str, world.catalogue.titles), seed=bench.options.seed)
    return real_encoder(folder / "real")


def variants(encoder: Path, random: Path) -> dict[str, dict[str, Any]]:
    """Settings of each row."""
    read, mask, adapter = "parts.text_encoder", "parts.text_mask", "parts.text_adapter"
    no_words = {"parts.titles": False, "parts.prompts": False}
    return {
        WORDS: {},
        ENCODER: {read: str(encoder)},
        "words and encoder, no tree mask": {read: str(encoder), mask: False},
        "words and encoder, adapter": {read: str(encoder), adapter: True},
        "words and random encoder": {read: str(random)},
        "encoder, no words": no_words | {read: str(encoder)},
        "encoder, no tree mask, no words": no_words | {read: str(encoder), mask: False},
        "encoder, adapter, no words": no_words | {read: str(encoder), adapter: True},
        "random encoder, no words": no_words | {read: str(random)},
        "neither words nor encoder": no_words,
    }


def one_row(
    bench: harness.Bench, world: worlds.World, name: str, settings: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Fit the score parts alone and rank all cases."""
    common = {"tree.hops": bench.options.hops, "data.min_events": 5, "training.seed": bench.options.seed}
    if bench.options.degree is not None:
        common |= {"tree.degree": bench.options.degree}
    task = world.task(common | dict(settings), folder / "task")
    cache = (bench.options.cache or folder / "cache").resolve()
    task = replace(task, knowledge=replace(task.knowledge, cache=cache))
    task.knowledge.render()
    begun, n_items = bench.now(), len(world.catalogue)

    def no_backend(cases: Cases) -> NDArray[np.float32]:
        return np.zeros((len(cases), n_items), dtype=np.float32)

    parts = fit_parts(task, no_backend)
    spent = bench.now() - begun
    bench.record(name, spent)
    splits = {"valid": task.split.valid, "test": task.split.test}
    ranked = {split: evaluate(parts.added, cases, n_items).ranks for split, cases in splits.items()}
    figures = {split: float(metrics.summary(ranks)[METRIC]) for split, ranks in ranked.items()}
    bench.say(f"{name}: {figures}")
    return {**figures, "cpu": spent.cpu, "wall": spent.wall, "weights": parts.weights}


def table(data: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The Markdown table of a data set."""
    cells = [(data, f"valid {METRIC}", f"test {METRIC}", "weight of text", "CPU s", "s")]
    for name, row in found.items():
        weight = row["weights"].get("text")
        shown = "" if weight is None else f"{weight:.2f}"
        cells.append(
            (name, f"{row['valid']:.4f}", f"{row['test']:.4f}", shown, f"{row['cpu']:.0f}", f"{row['wall']:.0f}")
        )
    return harness.markdown(cells)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help=f"data sets (default: {' '.join(SETS)})")
    parser.add_argument("--hops", type=int, default=1, help="hops of the trees (default: 1)")
    parser.add_argument("--degree", type=int, help="triples per node (default: that of tree.degree)")
    parser.add_argument("--encoder", metavar="FOLDER", help="another encoder (default: that of the extra text)")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder of cached prompts and vectors (default: none)"
    )
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
