"""How the way from triples to samples grows: seconds of each stage at 1, 3 and 10 times the work, and exponents.

A seeded world is loaded into an embedded graph and asked for over two hops; its triples are selected, rendered and
tokenized, and batches are assembled. Load and fetch are wall seconds, because the database is another process; the
other stages are CPU seconds of this one. The exponent is the slope of log seconds over log items.

    python -m benchmarks.growth --quick
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import harness
from benchmarks.worlds import Size, World, synthetic
from kptoolkit.config import GraphConfig, load_config
from kptoolkit.data.histories import Histories
from kptoolkit.graph import Graph, MemorySource
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.batches.prompt_batches import PromptAssembler
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.prompt_jobs import tokenize_prompts
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.t5.building import build_tokenizer
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.tokenizers import ModelTokenizer
from kptoolkit.prompts import MppTemplate

TIMES = (1, 3, 10)
TRIPLES, HISTORY, DEGREE, HOPS = 10, 5, 8, 2
STAGES = ("load", "fetch", "select", "render", "tokenize", "assemble")


@dataclass
class Costs:
    """Seconds of each stage at one size."""

    items: int
    seconds: dict[str, float]


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    least = 500 if bench.quick else 2000
    found = [one_size(bench, least * times) for times in TIMES]
    sizes = np.log([entry.items for entry in found])
    for stage in STAGES:
        unit = "s" if stage in ("load", "fetch") else "CPU s"
        for later in found[1:]:
            name = f"{stage}, {found[0].items:,} to {later.items:,} items"
            bench.add(name, unit, found[0].seconds[stage], later.seconds[stage])
        slope = float(np.polyfit(sizes, np.log([entry.seconds[stage] for entry in found]), 1)[0])
        bench.add(f"{stage}: exponent", "slope", None, slope)
    bench.notes["points"] = [vars(entry) for entry in found]


def one_size(bench: harness.Bench, items: int) -> Costs:
    """All stages for one catalogue."""
    size = Size(items=items, users=max(64, items // 10), history=HISTORY + 5, triples=TRIPLES)
    world, seconds = synthetic(size, bench.options.seed), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder:
        around = stored(world, Path(folder), seconds)
    config = load_config(overrides={"tree.hops": HOPS, "tree.degree": DEGREE}, environ={})
    source = KnowledgeSource(around, world.catalogue, world.pack, config.tree, config.prompts, config.graph.max_degree)
    begun = time.process_time()
    source.selection()
    seconds["select"] = time.process_time() - begun
    begun = time.process_time()
    trees = source.trees()
    source.render()
    seconds["render"] = time.process_time() - begun - seconds["select"]
    begun = time.process_time()
    template = next(template for template in world.pack.mpp if not template.has_user)
    tokenizer = build_tokenizer(SequenceOptions(), source, (template,), world.catalogue.item_of_entity())
    knowledge = CompiledKnowledge(trees, tokenize_prompts(source.pool, tokenizer))
    seconds["tokenize"] = time.process_time() - begun
    seconds["assemble"] = assembled(world, knowledge, tokenizer, template)
    shown = ", ".join(f"{stage} {seconds[stage]:.2f}" for stage in STAGES)
    bench.say(f"{items:,} items, {len(source.pool):,} distinct prompts: {shown}")
    return Costs(items, seconds)


def stored(world: World, folder: Path, seconds: dict[str, float]) -> Neighbourhoods:
    """Load the world's triples into an embedded graph and ask for the catalogue's neighbourhoods."""
    found = world.neighbourhoods
    triples = [found.triple(int(row)) for row in np.flatnonzero(found.forward)]
    names = dict(zip(map(str, found.ids), map(str, found.names), strict=True))
    with Graph.open(f"embedded:{folder / 'kg'}", config=GraphConfig()) as graph:
        begun = time.perf_counter()
        graph.load(MemorySource(triples, names))
        seconds["load"] = time.perf_counter() - begun
        begun = time.perf_counter()
        around = graph.neighbourhoods([str(entity) for entity in world.catalogue.entity_ids], HOPS)
        seconds["fetch"] = time.perf_counter() - begun
    return around


def assembled(
    world: World,
    knowledge: CompiledKnowledge,
    tokenizer: ModelTokenizer,
    template: MppTemplate,
) -> float:
    """CPU seconds of one prompt for every user, in batches of 64."""
    ids = np.arange(tokenizer.size, tokenizer.size + len(world.catalogue), dtype=np.int32)
    items = TokenPool(np.arange(len(ids) + 1), ids, np.ones(len(ids), np.bool_))
    limits = {"max_tokens": 256, "history": HISTORY}
    assembler = PromptAssembler(knowledge, items, TokenPool.of([]), (template,), tokenizer, **limits)
    histories: Histories = world.split().test.histories
    begun = time.process_time()
    for first in range(0, len(histories), 64):
        rows = np.arange(first, min(first + 64, len(histories)))
        assembler.assemble(np.full(len(rows), -1, np.int32), histories.take(rows), np.zeros(len(rows), np.int64))
    return time.process_time() - begun


def main() -> None:
    """The command."""
    harness.run(harness.parser(__doc__ or ""), measure)


if __name__ == "__main__":
    main()
