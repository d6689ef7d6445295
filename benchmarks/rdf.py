"""Reading RDF: kptoolkit against rdflib, and against pyoxigraph alone.

kptoolkit reads N-Triples line by line, with the number of each bad line, and Turtle with pyoxigraph. All read the
same seeded file into columns of ids; that they are equal is checked. Each reading is a process of its
own, so that its peak memory is its own: the peak minus that of a process that imports the same and reads an empty file.
A tenth of the triples are names (``rdfs:label``). Rates are triples per CPU second, medians over the repeats.

    python -m benchmarks.rdf --quick
    python -m benchmarks.rdf --triples 1000000 --json rdf.json
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rdflib
from pyoxigraph import NamedNode, RdfFormat, parse

from benchmarks import harness
from benchmarks.load_client import peak_of
from kptoolkit.errors import DataError
from kptoolkit.graph.sources.rdf import RdfFile
from kptoolkit.storage.batches import without_gc

_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
_NAMESPACE = "http://example.org/knowledge/"
_Triple = tuple[str, str, str]
GOAL = ">= 4"
"""Against rdflib; pyoxigraph alone is shown for comparison."""


def write(path: Path, triples: int, seed: int) -> None:
    """Write a seeded file of N-Triples, or of Turtle with prefixes and grouped by subject."""
    draw = np.random.default_rng(seed)
    entities = max(triples // 3, 1)
    heads = np.sort(draw.integers(0, entities, triples)).tolist()
    tails, relations = draw.integers(0, entities, triples).tolist(), draw.integers(0, 60, triples).tolist()
    with path.open("w", encoding="utf-8") as file:
        turtle = path.suffix == ".ttl"
        file.write(f"@prefix k: <{_NAMESPACE}> .\n@prefix rdfs: <{_LABEL[:-5]}> .\n" if turtle else "")
        last = -1
        for head, relation, tail in zip(heads, relations, tails, strict=True):
            name = f'"The name of {tail}"@en' if relation % 10 == 0 else ""
            if not turtle:
                predicate = _LABEL if name else f"{_NAMESPACE}r{relation}"
                thing = name or f"<{_NAMESPACE}e{tail}>"
                file.write(f"<{_NAMESPACE}e{head}> <{predicate}> {thing} .\n")
            else:
                start = f"{'' if last < 0 else ' .'}\nk:e{head}" if head != last else " ;\n   "
                file.write(f"{start} {'rdfs:label' if name else f'k:r{relation}'} {name or f'k:e{tail}'}")
                last = head
        file.write(" .\n" if turtle and last >= 0 else "")


def by_kptoolkit(path: Path) -> Iterator[_Triple]:
    """Triples by kptoolkit's reader."""
    source = RdfFile(path, "turtle" if path.suffix == ".ttl" else "ntriples")
    for table in source.triples():
        yield from zip(table["head"], table["relation"], table["tail"], strict=True)


def by_pyoxigraph(path: Path) -> Iterator[_Triple]:
    """Triples by pyoxigraph alone, as little done with them as possible."""
    kind = RdfFormat.TURTLE if path.suffix == ".ttl" else RdfFormat.N_TRIPLES
    for subject, predicate, thing, _ in parse(path=str(path), format=kind, lenient=True):
        if isinstance(thing, NamedNode):
            yield str(subject.value), predicate.value, thing.value


def by_rdflib(path: Path) -> Iterator[_Triple]:
    """Triples by rdflib's parser."""
    graph = rdflib.Graph(bind_namespaces="none").parse(path, format="turtle" if path.suffix == ".ttl" else "nt")
    for subject, predicate, thing in graph:
        if isinstance(thing, rdflib.URIRef):
            yield str(subject), str(predicate), str(thing)


READERS: dict[str, Callable[[Path], Iterator[_Triple]]] = {
    "kptoolkit": by_kptoolkit,
    "pyoxigraph": by_pyoxigraph,
    "rdflib": by_rdflib,
}


def read(reader: str, path: Path) -> dict[str, Any]:
    """Read a file in this process; CPU seconds, wall seconds, peak memory in MiB, and a digest of the triples."""
    begun, cpu = time.perf_counter(), time.process_time()
    with without_gc():  # as kptoolkit reads a source
        found = list(READERS[reader](path))
    seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - begun}
    peak = peak_of(os.getpid())
    digest = hashlib.sha256("\n".join(sorted({"\t".join(row) for row in found})).encode()).hexdigest()
    return {**seconds, "peak": peak, "triples": len(found), "digest": digest}


def in_process(reader: str, path: Path) -> dict[str, Any]:
    """Run :func:`read` in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.rdf", "--read", reader, str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    return found


def measure(bench: harness.Bench) -> None:
    """Both formats, each against its baseline."""
    triples = bench.options.triples or (100_000 if bench.quick else 500_000)
    repeats = bench.options.repeats or (1 if bench.quick else 3)
    with tempfile.TemporaryDirectory() as folder:
        for suffix, baseline in (("nt", "rdflib"), ("nt", "pyoxigraph"), ("ttl", "rdflib"), ("ttl", "pyoxigraph")):
            path, empty = Path(folder) / f"triples.{suffix}", Path(folder) / f"empty.{suffix}"
            write(path, triples, bench.options.seed)
            empty.touch()
            rates, peaks, digests = dict[str, float](), dict[str, float](), set[str]()
            runs: dict[str, list[dict[str, Any]]] = {baseline: [], "kptoolkit": []}
            for _ in range(repeats):
                for reader, found in runs.items():
                    found.append(in_process(reader, path))
                    bench.record(f"{suffix}, {reader}", harness.Spent(found[-1]["cpu"], found[-1]["wall"]))
            for reader, found in runs.items():
                rates[reader] = triples / median(one["cpu"] for one in found)
                peaks[reader] = max(one["peak"] or 0 for one in found) - (in_process(reader, empty)["peak"] or 0)
                digests |= {one["digest"] for one in found}
            if len(digests) > 1:
                raise DataError(f"{baseline} and kptoolkit read different triples", path)
            goal = GOAL if baseline == "rdflib" else None
            name = f"{'Turtle' if suffix == 'ttl' else 'N-Triples'} against {baseline}"
            bench.add(name, "triples per CPU s", rates[baseline], rates["kptoolkit"], goal)
            bench.add(f"{name}, peak memory", "MiB", peaks[baseline], peaks["kptoolkit"])


def main() -> None:
    """Command line."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--triples", type=int, help="triples in each file (default: 500000, with --quick 100000)")
    made.add_argument("--repeats", type=int, help="readings of each file; medians count (default: 3, with --quick 1)")
    harness.run(made, measure)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
