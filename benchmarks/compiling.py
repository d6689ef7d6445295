"""Compiling the catalogue's knowledge: made anew, and found in ``prompts.cache``.

Trees are chosen, prompts worded and tokens made once into an empty folder; then the same is asked for again by a new
process's worth of objects. Movies over 2 hops, and a seeded world of 20,000 items over 3 hops (without ``--quick``),
8 triples a node. Fetching from a graph is not in the figures. CPU seconds.

    python -m benchmarks.compiling --quick
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import harness
from benchmarks.worlds import Size, World, real, synthetic
from kptoolkit.config import load_config
from kptoolkit.data.knowledge import KnowledgeSource
from kptoolkit.models.tokenizers import PhraseTokenizer, SubwordTokenizer

ITEMS, TRIPLES, DEGREE, VOCABULARY, READ = 20_000, 20, 8, 8000, 50_000


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    compared(bench, "movies, 2 hops", real("movies"), 2)
    if not bench.quick:
        world = synthetic(Size(items=ITEMS, users=64, history=10, triples=TRIPLES), bench.options.seed)
        around = replace(world.neighbourhoods, hops=3)  # it holds every row of every entity
        compared(bench, f"{ITEMS:,} items, 3 hops", replace(world, neighbourhoods=around), 3)


def compared(bench: harness.Bench, name: str, world: World, hops: int) -> None:
    """Rows of one world."""
    with tempfile.TemporaryDirectory() as folder:
        asked: list[KnowledgeSource] = []

        def compile_() -> None:
            config = load_config(overrides={"tree.hops": hops, "tree.degree": DEGREE}, environ={})
            source = replace(world, neighbourhoods=replace(world.neighbourhoods)).knowledge(config)
            source.cache = Path(folder)
            source.trees()
            asked.append(source)

        cold, warm = (bench.timed(f"{name}: trees and prompts, {kind}", compile_, 1) for kind in ("made", "found"))
        first = asked[0]
        bench.say(f"{name}: {len(first.trees().prompt):,} triplets, {len(first.pool):,} distinct prompts")
        bench.add(f"{name}, trees and prompts", bench.second, cold, warm)
        phrases = PhraseTokenizer.build(first.pool, (), world.catalogue.item_of_entity())
        subwords = SubwordTokenizer.train(list(first.pool[:READ].sentences), VOCABULARY)
        for kind, tokenizer in (("phrases", phrases), ("subwords", subwords)):
            times = [bench.timed(f"{name}: {kind}, {n}", lambda t=tokenizer: asked[-1].tokens(t), 1) for n in (1, 2)]
            bench.add(f"{name}, tokens: {kind}", bench.second, *times)
        bench.notes[f"{name}: MB kept"] = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 1e6


def main() -> None:
    """The command."""
    harness.run(harness.parser(__doc__ or ""), measure)


if __name__ == "__main__":
    main()
