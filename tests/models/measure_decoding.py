"""CPU seconds of scoring and beam search by a run's item index; no test.

python tests/models/measure_decoding.py RUN...
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kptoolkit.runs.run import Run

CASES, BEAMS, REPEATS = 64, 20, 3


def middle(work: Callable[..., Any], *given: Any) -> float:
    """Median CPU milliseconds per case."""
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        work(*given)
        taken.append(1000 * (time.process_time() - started) / CASES)
    return sorted(taken)[REPEATS // 2]


def main(folders: list[str]) -> None:
    """Print a line for each run of the backend kp4sr."""
    torch.set_num_threads(1)
    for folder in folders:
        run = Run.load(Path(folder))
        backend: Any = run.backend
        cases, state = run.split.test.take(np.arange(CASES)), backend.fitted
        outputs = state.index.output_tokens(state.tokenizer.sentinels)
        tokens = len(outputs) if outputs is not None else state.model.config.vocab_size
        score, beams = middle(backend.score, cases), middle(backend.beam_search, cases, BEAMS, BEAMS)
        sys.stdout.write(
            f"{state.index.kind:14s} {np.diff(state.index.tokens.indptr).mean():4.1f} tokens per item, "
            f"{len(state.trie) - state.n_items:6d} prefixes, {tokens:6d} output tokens: "
            f"score {score:6.1f} ms, {BEAMS} beams {beams:6.1f} ms per case\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
