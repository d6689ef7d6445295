"""The tree mask of a batch, 64 prompts of 512 tokens: bytes moved to the device, and the time until it is there.

The published procedure computes an int64 matrix for every sample and moves it. kptoolkit moves two integers per token
and computes the matrix on the device. Prompts have a real shape: items with triplet prompts over two hops below them.

    python -m benchmarks.mask --quick
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.published import _mask
from kptoolkit.models.tree_mask import visible
from kptoolkit.tree.visibility import ROOT, ROOT_PARENT

SIZE, LENGTH = 64, 512
MOST_MEGABYTES = 0.14


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    repeats = 5 if bench.quick else 30
    node, parent = prompts(SIZE, LENGTH, bench.options.seed)
    matrices = torch.from_numpy(np.stack([_mask(n, p) for n, p in zip(node, parent, strict=True)]))
    pair = tuple(torch.from_numpy(column.astype(np.int16)) for column in (node, parent))
    if not torch.equal(matrices.bool(), visible(*pair)):
        raise AssertionError("the two masks differ")
    moved, ours = matrices.nbytes / 1e6, sum(column.nbytes for column in pair) / 1e6
    bench.add("moved per batch", "MB", moved, ours, f"<= {MOST_MEGABYTES / moved:.6f}")
    bench.add("the matrix of a batch on the device", "MB", moved, visible(*pair).nbytes / 1e6)

    def theirs() -> torch.Tensor:
        made = np.stack([_mask(n, p) for n, p in zip(node, parent, strict=True)])
        return torch.from_numpy(made).to(bench.device)

    def mine() -> torch.Tensor:
        return visible(*(column.to(bench.device) for column in pair))

    theirs(), mine()
    base = bench.timed("published: made on CPU and moved", theirs, repeats)
    bench.add("until the mask is on the device", bench.second, base, bench.timed("made on the device", mine, repeats))


def prompts(size: int, length: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Node and parent of each token, ``(B, L)``: an MPP's words, five items, triplets of eight tokens below them."""
    draw = np.random.default_rng(seed)
    node, parent = np.full((size, length), ROOT), np.full((size, length), ROOT_PARENT)
    for row in range(size):
        node[row, 5:15], parent[row, 5:15] = np.repeat(np.arange(1, 6), 2), ROOT
        above: list[int] = [1, 2, 3, 4, 5]
        for number, start in enumerate(range(20, length - 1, 8), 6):
            tokens = slice(start, min(start + 8, length - 1))
            node[row, tokens], parent[row, tokens] = number, int(draw.choice(above[:45]))
            above.append(number)
    return node, parent


def main() -> None:
    """The command."""
    harness.run(harness.parser(__doc__ or ""), measure)


if __name__ == "__main__":
    main()
