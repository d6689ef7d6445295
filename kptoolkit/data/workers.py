"""Wording and tokenising many triples, part by part, in several processes that are spawned and read the same files."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.prompt_pool import PromptPool, Sentences
from kptoolkit.errors import KptoolError
from kptoolkit.graph.arrays import read_arrays, write_arrays
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import TemplatePack
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.wording import Variants, Wording

WORTH_WORKERS = 50_000
"""Fewer triples are done before the processes have started."""
_AT_ONCE = 16_384
"""Most prompts of one part: as many are Python objects at a time."""
_PARTS_A_WORKER = 8
_NEIGHBOURHOODS, _PACK, _POOL, _TOKENIZER = "neighbourhoods", "pack", "pool", "tokenizer"

Part = NDArray[np.int64]


class Job(Protocol):
    """What a worker makes once and then asks for every part."""

    def __call__(self, part: Part) -> Any:
        """The answer for one part; it goes from process to process."""


@dataclass(frozen=True)
class Crew:
    """Who does the parts.

    Attributes:
        workers: Processes; 1 does them here.
        folder: Where workers read what they need; a folder for temporary files when unset.
    """

    workers: int = 1
    folder: Path | None = None

    def runs(self, count: int) -> bool:
        """Whether so many prompts are worth starting processes."""
        return self.workers > 1 and count >= WORTH_WORKERS

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for the time of some work."""
        with tempfile.TemporaryDirectory(prefix="kptool-words-") as place:
            yield Path(place)

    def do(self, job: Callable[..., Job], given: tuple[Any, ...], parts: Sequence[Part]) -> list[Any]:
        """The answers for all parts, in their order.

        Args:
            job: Makes what answers; a class that a worker can import.
            given: Its arguments.
            parts: What to ask for.

        Raises:
            KptoolError: The processes ended early, as those of a script do that has no
                ``if __name__ == "__main__":``.
        """
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(self.workers, context, initializer=_begin, initargs=(job, given)) as pool:
                return list(pool.map(_answer, parts))
        except BrokenProcessPool as error:
            raise KptoolError(
                'the worker processes ended early; a script that sets prompts.workers needs if __name__ == "__main__": '
                "around its calls, or leave prompts.workers at 1"
            ) from error


def worded(wording: Wording, rows: NDArray[np.int64], epoch: int, crew: Crew) -> PromptPool:
    """The prompts of rows in their order, the same whoever does it.

    Args:
        wording: Words them.
        rows: Rows of its neighbourhoods.
        epoch: Epoch of training.
        crew: Who does it.

    Raises:
        TemplateError: A filter of the pack cannot be imported in another process, or fails on a name.
        KptoolError: The processes ended early.
    """
    if crew.runs(len(rows)):
        with crew.workplace() as folder:
            wording.neighbourhoods.save(folder / _NEIGHBOURHOODS)
            wording.pack.save(folder / _PACK)
            given = (str(folder), wording.variants, wording.name_tokens, epoch)
            done = crew.do(SavedWords, given, _parts(rows, crew.workers))
    else:
        done = [Words(wording, epoch)(part) for part in _parts(rows, 1)]
    variants = [np.zeros(0, np.int32), *(part[0] for part in done)]
    sentences = Sentences.joined([part[1] for part in done])
    return PromptPool(wording.neighbourhoods, rows, np.concatenate(variants), sentences)


def encoded(pool: PromptPool, tokenizer: Tokenizer, crew: Crew) -> list[tuple[NDArray[Any], ...]]:
    """Token ids, word starts and numbers of tokens of prompts, part by part, the same whoever does it.

    Args:
        pool: The prompts.
        tokenizer: Other processes are given only those that can be saved.
        crew: Who does it.

    Raises:
        KptoolError: The processes ended early.
    """
    numbers = np.arange(len(pool), dtype=np.int64)
    if not (crew.runs(len(pool)) and isinstance(tokenizer, SavedTokenizer)):
        return [Tokens(pool, tokenizer)(part) for part in _parts(numbers, 1)]
    with crew.workplace() as folder:
        pool.neighbourhoods.save(folder / _NEIGHBOURHOODS)
        write_arrays(folder / _POOL, pool.arrays, {"texts": pool.sentences.texts})
        (folder / _TOKENIZER).mkdir()
        tokenizer.save(folder / _TOKENIZER)
        return crew.do(SavedTokens, (str(folder), type(tokenizer)), _parts(numbers, crew.workers))


@dataclass(frozen=True)
class Words:
    """Words rows: their variants and their sentences."""

    wording: Wording
    epoch: int

    def __call__(self, part: Part) -> tuple[NDArray[np.int32], Sentences]:
        """The prompts of some rows."""
        variants = self.wording.variant_numbers(part, self.epoch)
        return variants, Sentences.of([prompt.segments for prompt in self.wording.prompts(part, self.epoch)])


class SavedWords(Words):
    """:class:`Words` of neighbourhoods and a pack in a folder."""

    def __init__(self, folder: str, variants: Variants, name_tokens: int, epoch: int) -> None:
        place = Path(folder)
        pack = TemplatePack.load(str(place / _PACK))
        super().__init__(Wording(Neighbourhoods.load(place / _NEIGHBOURHOODS), pack, variants, name_tokens), epoch)


@dataclass(frozen=True)
class Tokens:
    """Tokenises prompts: ids and word starts of all tokens, and how many each prompt has."""

    pool: PromptPool
    tokenizer: Tokenizer

    def __call__(self, part: Part) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int64]]:
        """The tokens of prompts with consecutive numbers."""
        prompts = self.pool[int(part[0]) : int(part[-1]) + 1]
        found = [self.tokenizer.encode(segments, ends) for segments, ends in prompts.texts()]
        ids = np.concatenate([entry.ids for entry in found])
        return ids, np.concatenate([entry.starts for entry in found]), np.array([len(entry) for entry in found])


class SavedTokens(Tokens):
    """:class:`Tokens` of prompts and a tokenizer in a folder."""

    def __init__(self, folder: str, kind: type[SavedTokenizer]) -> None:
        place = Path(folder)
        arrays, extra = read_arrays(place / _POOL)
        pool = PromptPool.of_arrays(Neighbourhoods.load(place / _NEIGHBOURHOODS), arrays, extra["texts"])
        super().__init__(pool, kind.load(place / _TOKENIZER))


def _parts(numbers: Part, workers: int) -> list[Part]:
    """Numbers in parts of similar size, none of them empty."""
    count = max(-(-len(numbers) // _AT_ONCE), workers * _PARTS_A_WORKER if workers > 1 else 1)
    return [part for part in np.array_split(numbers, min(count, max(1, len(numbers)))) if len(part)]


_job: Job | None = None
"""What this process answers with."""


def _begin(job: Callable[..., Job], given: tuple[Any, ...]) -> None:
    global _job
    _job = job(*given)


def _answer(part: Part) -> Any:
    assert _job is not None
    return _job(part)
