"""Wording and tokenising many prompts, part by part: here, in spawned processes that read the same files, or by Ray."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import KptoolError
from kptoolkit.knowledge.engines import ray_engine
from kptoolkit.knowledge.engines.jobs import (
    NEIGHBOURHOODS,
    PACK,
    POOL,
    TOKENIZER,
    Answer,
    Job,
    Part,
    SavedTokens,
    SavedWords,
    Tokens,
    Words,
)
from kptoolkit.knowledge.prompt_pool import PromptPool, Sentences
from kptoolkit.storage.arrays import write_arrays
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import TripletRenderer

WORTH_WORKERS = 50_000
"""Fewer distinct prompts are done before the processes have started."""
WORTH_SECONDS = 10.0
"""Less tokenising than this, by the time of a first part, is done before other processes have loaded the tokenizer."""
_AT_ONCE = 16_384
"""Most prompts of one part: as many are Python objects at a time."""
_PARTS_A_WORKER = 8


@dataclass(frozen=True)
class Crew:
    """Who does the parts.

    Attributes:
        workers: Processes; 1 does them here, and with Ray means one for every core.
        engine: Processes of this machine, or Ray Data.
        folder: Where nodes of a Ray cluster read what they need; a folder for temporary files when unset.
    """

    workers: int = 1
    engine: Literal["local", "ray"] = "local"
    folder: Path | None = None

    @property
    def size(self) -> int:
        """How many work."""
        return os.cpu_count() or 1 if self.engine == "ray" and self.workers == 1 else self.workers

    def runs(self, count: int) -> bool:
        """Whether so many prompts are worth starting processes."""
        return (self.engine == "ray" or self.workers > 1) and count >= WORTH_WORKERS

    def leaves_ray_out(self, count: int) -> bool:
        """Whether Ray was asked for and so few prompts are worded here all the same."""
        return self.engine == "ray" and count > 0 and not self.runs(count)

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for the time of some work, which all who work can read."""
        shared = self.folder if self.engine == "ray" else None
        if shared is not None:
            shared.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".work-", dir=shared) as place:
            yield Path(place).resolve()

    def do(self, job: Callable[..., Job], given: tuple[Any, ...], parts: Sequence[Part]) -> list[Answer]:
        """The answers for all parts, in their order.

        Args:
            job: Makes what answers; a class that a worker can import.
            given: Its arguments.
            parts: What to ask for.

        Raises:
            KptoolError: The processes ended early, as those of a script do that has no
                ``if __name__ == "__main__":``.
        """
        if self.engine == "ray":
            return ray_engine.do(job, given, parts, self.size)
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(self.workers, context, initializer=_begin, initargs=(job, given)) as pool:
                return list(pool.map(_answer, parts))
        except BrokenProcessPool as error:
            raise KptoolError(
                'the worker processes ended early; a script that sets prompts.workers needs if __name__ == "__main__": '
                "around its calls, or leave prompts.workers at 1"
            ) from error


def worded(
    wording: TripletRenderer, rows: NDArray[np.int64], variants: NDArray[np.int32], epoch: int, crew: Crew
) -> PromptPool:
    """The prompts of rows in their order, the same whoever does it.

    Args:
        wording: Words them.
        rows: Rows of its neighbourhoods.
        variants: Their numbers by :meth:`~kptoolkit.tree.triplet_prompts.TripletRenderer.variant_numbers` at the epoch.
        epoch: Epoch of training.
        crew: Who does it.

    Raises:
        TemplateError: A filter of the pack cannot be imported in another process, or fails on a name.
        KptoolError: The processes ended early.
    """
    if crew.runs(len(rows)):
        with crew.workplace() as folder:
            wording.neighbourhoods.save(folder / NEIGHBOURHOODS)
            wording.pack.save(folder / PACK)
            given = (str(folder), wording.variants, wording.name_tokens, epoch)
            done = crew.do(SavedWords, given, _parts(rows, crew.size))
    else:
        done = [Words(wording, epoch)(part) for part in _parts(rows, 1)]
    sentences = Sentences.joined([Sentences(texts, *arrays) for arrays, texts in done])
    return PromptPool(wording.neighbourhoods, rows, variants, sentences)


def encoded(pool: PromptPool, tokenizer: Tokenizer, crew: Crew) -> list[Any]:
    """Token ids, word starts and numbers of tokens of prompts, part by part, the same whoever does it.

    Args:
        pool: The prompts.
        tokenizer: Other processes are given only those that can be saved.
        crew: Who does it.

    Raises:
        KptoolError: The processes ended early.
    """
    parts = _parts(np.arange(len(pool), dtype=np.int64), 1)
    here, begun = Tokens(pool, tokenizer), time.perf_counter()
    done = [here(part) for part in parts[:1]]
    left = (time.perf_counter() - begun) * (len(parts) - 1)
    if crew.runs(len(pool)) and left >= WORTH_SECONDS and isinstance(tokenizer, SavedTokenizer):
        with crew.workplace() as folder:
            pool.neighbourhoods.save(folder / NEIGHBOURHOODS)
            write_arrays(folder / POOL, pool.arrays, {"texts": pool.sentences.texts})
            (folder / TOKENIZER).mkdir()
            tokenizer.save(folder / TOKENIZER)
            return done + crew.do(SavedTokens, (str(folder), type(tokenizer)), parts[1:])
    return done + [here(part) for part in parts[1:]]


def _parts(numbers: Part, workers: int) -> list[Part]:
    """Numbers in parts of similar size, none of them empty."""
    count = max(-(-len(numbers) // _AT_ONCE), workers * _PARTS_A_WORKER if workers > 1 else 1)
    return [part for part in np.array_split(numbers, min(count, max(1, len(numbers)))) if len(part)]


_job: Job | None = None
"""What this process answers with."""


def _begin(job: Callable[..., Job], given: tuple[Any, ...]) -> None:
    global _job
    _job = job(*given)


def _answer(part: Part) -> Answer:
    assert _job is not None
    return _job(part)
