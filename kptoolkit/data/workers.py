"""Wording many triples in several processes of this machine; they are spawned and read the same files."""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import KptoolError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import TemplatePack
from kptoolkit.tree.wording import TripletPrompt, Variants, Wording

WORTH_WORKERS = 50_000
"""Fewer triples are worded before the processes have started."""
_PARTS_A_WORKER = 8
_wording: Wording | None = None
"""What a worker words with."""


def worded(wording: Wording, rows: NDArray[np.int64], epoch: int, workers: int) -> list[TripletPrompt]:
    """The prompts of rows in their order, whatever the number of processes.

    Args:
        wording: Words them.
        rows: Rows of its neighbourhoods.
        epoch: Epoch of training.
        workers: Processes; few rows, or 1, are worded here.

    Raises:
        TemplateError: A filter of the pack cannot be imported in another process, or fails on a name.
        KptoolError: The processes ended early, as those of a script do that has no ``if __name__ == "__main__":``.
    """
    if workers <= 1 or len(rows) < WORTH_WORKERS:
        return wording.prompts(rows, epoch)
    with tempfile.TemporaryDirectory(prefix="kptool-words-") as place:
        folder = Path(place)
        wording.neighbourhoods.save(folder / "neighbourhoods")
        wording.pack.save(folder / "pack")
        given = (str(folder), wording.variants, wording.name_tokens)
        context = multiprocessing.get_context("spawn")
        parts = np.array_split(rows, workers * _PARTS_A_WORKER)
        try:
            with ProcessPoolExecutor(workers, context, initializer=_open, initargs=given) as pool:
                return list(chain.from_iterable(pool.map(_word, parts, repeat(epoch))))
        except BrokenProcessPool as error:
            raise KptoolError(
                'the worker processes ended early; a script that sets prompts.workers needs if __name__ == "__main__": '
                "around its calls, or leave prompts.workers at 1"
            ) from error


def _open(folder: str, variants: Variants, name_tokens: int) -> None:
    global _wording
    found = Neighbourhoods.load(Path(folder) / "neighbourhoods")
    _wording = Wording(found, TemplatePack.load(str(Path(folder) / "pack")), variants, name_tokens)


def _word(rows: NDArray[np.int64], epoch: int) -> list[TripletPrompt]:
    assert _wording is not None
    return _wording.prompts(rows, epoch)
