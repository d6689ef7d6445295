"""Print the test folders of what changed since a commit, and of the layers above it: ``python changed.py [BASE]``.

A layer may use every layer below it, so a change in ``graph`` is tested by ``tests/graph`` and the folders of all later
layers, and a change in ``cli`` by ``tests/cli`` alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

from source_tree import CHECKOUT, LAYERS

TESTS = CHECKOUT / "tests"
#: What is not part of a layer, and the layer that reads it.
READ_BY = {"templates": "prompts", "cypher": "graph", "examples": "examples", "docs": "house", "benchmarks": "house"}
#: Test folders that belong to no layer and are run after any change of the package.
ALWAYS = ("house",)


def changed_files(base: str) -> list[str]:
    """Return the paths that differ from ``base``, new files included, relative to the checkout."""
    commands = (["git", "diff", "--name-only", base, "--"], ["git", "ls-files", "--others", "--exclude-standard"])
    found = [subprocess.run(c, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout for c in commands]
    return sorted({line for text in found for line in text.splitlines()})


def folders_to_test(files: Iterable[str]) -> list[str]:
    """Return the paths below the checkout that pytest is to run, all of them where a change can reach everything."""
    everything = sorted(path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py")))
    rank = {name: number for number, names in enumerate(LAYERS) for name in names}
    lowest, single = len(LAYERS), set[str]()
    for file in files:
        first, _, rest = file.partition("/")
        second = rest.split("/")[0].removesuffix(".py")
        if first == "kptoolkit":
            lowest = min(lowest, rank.get(second, 0))
        elif first == "tests" and second in everything:
            single.add(second)
        elif first in READ_BY:
            layer = READ_BY[first]
            lowest = min(lowest, rank.get(layer, lowest))
            single.add(layer)
        elif first in {"tests", "pyproject.toml", "constraints.txt", "Makefile"}:
            lowest = 0
        else:
            single.update(ALWAYS)
    layers = {name for name, number in rank.items() if number >= lowest}
    if lowest < len(LAYERS):
        single.update(ALWAYS, {"examples"})
    if lowest <= rank["storage"]:
        return ["tests"]
    return [f"tests/{name}" for name in everything if name in layers | single]


if __name__ == "__main__":
    sys.stdout.write(" ".join(folders_to_test(changed_files(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))))
