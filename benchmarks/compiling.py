"""Compiling the catalogue's knowledge without a cache, and again with ``prompts.cache``.

Trees are selected, prompts rendered and tokenized once into an empty folder; then new objects do the same again and
find the folder. Movies over 2 hops, and a seeded world of 20,000 items over 3 hops (without ``--quick``), 8 triples
per node. Fetching from a graph is not in the figures. CPU seconds; for the world of 20,000 items also wall seconds of
one process and of several.

    python -m benchmarks.compiling --quick
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import harness
from benchmarks.load_client import peak_of
from benchmarks.worlds import Size, World, real, synthetic
from kptoolkit.config import load_config
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer

ITEMS, TRIPLES, DEGREE, VOCABULARY, READ = 20_000, 20, 8, 8000, 50_000


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    compared(bench, "movies, 2 hops", real("movies"), 2)
    if not bench.quick:
        world = synthetic(Size(items=ITEMS, users=64, history=10, triples=TRIPLES), bench.options.seed)
        around = replace(world.neighbourhoods, hops=3)  # it holds every row of every entity
        world = replace(world, neighbourhoods=around)
        compared(bench, f"{ITEMS:,} items, 3 hops", world, 3)
        if bench.options.workers > 1:
            in_workers(bench, f"{ITEMS:,} items, 3 hops", world, 3)


def source_of(world: World, hops: int, workers: int = 1) -> KnowledgeSource:
    """Create the knowledge of a world, of which nothing is selected or rendered yet."""
    settings = {"tree.hops": hops, "tree.degree": DEGREE, "prompts.workers": workers}
    return replace(world, neighbourhoods=replace(world.neighbourhoods)).knowledge(
        load_config(overrides=settings, environ={})
    )


def in_workers(bench: harness.Bench, name: str, world: World, hops: int) -> None:
    """Wall seconds of trees, prompts and subwords, by one process and by worker processes."""
    workers, wall = bench.options.workers, list[float]()
    tokenizer: SubwordTokenizer | None = None
    for count in (1, workers):
        source, begun = source_of(world, hops, count), time.perf_counter()
        source.trees()
        source.render()
        chosen = time.perf_counter() - begun
        tokenizer = tokenizer or SubwordTokenizer.train(list(source.pool[:READ].sentences), VOCABULARY)
        begun = time.perf_counter()
        source.tokens(tokenizer)
        wall += [chosen, time.perf_counter() - begun]
    for number, what in enumerate(("trees and prompts", "tokens: subwords")):
        bench.add(f"{name}, {what}, 1 and {workers} processes", "s", wall[number], wall[number + 2])


def compared(bench: harness.Bench, name: str, world: World, hops: int) -> None:
    """Rows of one world."""
    before = peak_of(os.getpid())
    with tempfile.TemporaryDirectory() as folder:
        asked: list[KnowledgeSource] = []

        def compile_() -> None:
            source = source_of(world, hops)
            source.cache = Path(folder)
            source.trees()
            source.render()
            asked.append(source)

        cold, warm = (bench.timed(f"{name}: trees and prompts, {kind}", compile_, 1) for kind in ("made", "found"))
        first = asked[0]
        bench.say(f"{name}: {len(first.trees().prompt):,} triplets, {len(first.pool):,} distinct prompts")
        bench.add(f"{name}, trees and prompts", bench.second, cold, warm)
        phrases = PhraseTokenizer.build(first.pool, (), world.catalogue.item_of_entity())
        subwords = SubwordTokenizer.train(list(first.pool[:READ].sentences), VOCABULARY)
        for kind, tokenizer in (("phrases", phrases), ("subwords", subwords)):
            work = partial(asked[-1].tokens, tokenizer)
            cold, warm = (bench.timed(f"{name}: {kind}, {n}", work, 1) for n in (1, 2))
            bench.add(f"{name}, tokens: {kind}", bench.second, cold, warm)
        bench.add(f"{name}, peak memory before and after", "MiB", before, peak_of(os.getpid()))
        bench.notes[f"{name}: MB in the cache"] = (
            sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 1e6
        )


def main() -> None:
    """The command."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--workers", type=int, default=2, help="worker processes to compare with one (default: 2)")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
