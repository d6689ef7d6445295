"""Renders and tokenizes many prompts, in this process or in a worker pool; the result is the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.engines.jobs import Part, PartResult
from kptoolkit.knowledge.engines.worker_pool import WorkerPool
from kptoolkit.knowledge.prompt_pool import PromptKeys, PromptPool
from kptoolkit.knowledge.sentences import Sentences
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.limits import LimitsConfig, current, use
from kptoolkit.prompts import TemplatePack
from kptoolkit.storage.arrays import read_arrays, write_arrays
from kptoolkit.storage.batches import without_gc
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import TripletRenderer, Variants

NEIGHBOURHOODS, PACK, POOL, TOKENIZER = "neighbourhoods", "pack", "pool", "tokenizer"
"""File names inside the folder from which worker processes read the inputs of a job."""
MIN_SECONDS = 10.0
"""Tokenizing that takes less than this, estimated from the first part, is done before workers have started."""
_PART_SIZE = 16_384
"""Maximum number of prompts per part; this many are Python objects at a time."""
_PARTS_PER_WORKER = 8


@dataclass(frozen=True)
class RenderJob:
    """Renders prompts: the pieces of their sentences.

    Attributes:
        renderer: Renders triples of its neighbourhoods.
    """

    renderer: TripletRenderer

    @without_gc()
    def __call__(self, part: Part) -> PartResult:
        """Render the prompts whose rows are ``part[0]`` and whose variants are ``part[1]``."""
        sentences = Sentences.of(self.renderer.segments(part[0], part[1]))
        return (sentences.indptr, sentences.piece, sentences.role), sentences.texts


class SavedRenderJob(RenderJob):
    """A :class:`RenderJob` whose neighbourhoods and pack are read from a folder."""

    def __init__(
        self,
        folder: str,
        variants: Variants,
        name_tokens: int,
        item_names: tuple[tuple[str, str], ...],
        limits: LimitsConfig,
    ) -> None:
        use(limits)
        place = Path(folder)
        pack = TemplatePack.load(place / PACK, trust_code=True)  # written by the process that started this one
        found = Neighbourhoods.load(place / NEIGHBOURHOODS)
        super().__init__(TripletRenderer(found, pack, variants, name_tokens, dict(item_names)))


@dataclass(frozen=True)
class TokenizeJob:
    """Tokenizes prompts: ids and word starts of all tokens, and the number of tokens of each prompt.

    Attributes:
        pool: The prompts.
        tokenizer: Encodes them.
    """

    pool: PromptPool
    tokenizer: Tokenizer

    @without_gc()
    def __call__(self, part: Part) -> PartResult:
        """Tokenize the prompts with the consecutive numbers ``part``."""
        prompts = self.pool[int(part[0]) : int(part[-1]) + 1]
        encoded = [self.tokenizer.encode(segments, ends) for segments, ends in prompts.texts()]
        ids, starts = (np.concatenate([getattr(entry, name) for entry in encoded]) for name in ("ids", "starts"))
        return (ids, starts, np.array([len(entry) for entry in encoded])), ()


class SavedTokenizeJob(TokenizeJob):
    """A :class:`TokenizeJob` whose prompts and tokenizer are read from a folder."""

    def __init__(self, folder: str, kind: type[SavedTokenizer]) -> None:
        place = Path(folder)
        arrays, extra = read_arrays(place / POOL)
        keys, sentences = PromptKeys.of_arrays(arrays), Sentences.of_arrays(arrays, extra["texts"])
        pool = PromptPool.of_sentences(Neighbourhoods.load(place / NEIGHBOURHOODS), keys, sentences)
        super().__init__(pool, kind.load(place / TOKENIZER))


def render_sentences(renderer: TripletRenderer, keys: PromptKeys, workers: WorkerPool) -> Sentences:
    """Render prompts in their order.

    Args:
        renderer: Renders triples of its neighbourhoods.
        keys: Fact and variant of each prompt.
        workers: Used if there are enough prompts.

    Raises:
        TemplateError: A filter of the pack cannot be imported in another process, or fails on a name.
        KptoolError: The worker processes ended early.
    """
    columns = np.stack([keys.row, keys.variant.astype(np.int64)])
    if workers.pays_off(len(keys)):
        with workers.shared_folder() as folder:
            renderer.neighbourhoods.save(folder / NEIGHBOURHOODS)
            renderer.pack.save(folder / PACK)
            names = tuple(renderer.item_names.items())  # hashable: a worker keeps one job per set of arguments
            arguments = (str(folder), renderer.variants, renderer.name_tokens, names, current())
            results = workers.run(SavedRenderJob, arguments, _parts(columns, workers.processes))
    else:
        results = [RenderJob(renderer)(part) for part in _parts(columns, 1)]
    return Sentences.concat([Sentences(indptr, piece, role, texts) for (indptr, piece, role), texts in results])


def tokenize_prompts(pool: PromptPool, tokenizer: Tokenizer, workers: WorkerPool | None = None) -> TokenPool:
    """Tokenize each distinct prompt once.

    Args:
        pool: The prompts.
        tokenizer: Worker processes are used only if it can be saved.
        workers: Used if the first part shows that there is enough to do; unset: this process alone.

    Raises:
        KptoolError: The worker processes ended early.
    """
    results = _tokenized_parts(pool, tokenizer, workers or WorkerPool())
    kinds = (np.int32, np.bool_, np.int64)
    ids, starts, sizes = (
        np.concatenate([np.zeros(0, kind), *(arrays[column] for arrays, _ in results)])
        for column, kind in enumerate(kinds)
    )
    return TokenPool(indptr_of(sizes), ids, starts)


def _tokenized_parts(pool: PromptPool, tokenizer: Tokenizer, workers: WorkerPool) -> list[PartResult]:
    parts = _parts(np.arange(len(pool), dtype=np.int64), 1)
    job, started = TokenizeJob(pool, tokenizer), time.perf_counter()
    results = [job(part) for part in parts[:1]]
    remaining = (time.perf_counter() - started) * (len(parts) - 1)
    if workers.pays_off(len(pool)) and remaining >= MIN_SECONDS and isinstance(tokenizer, SavedTokenizer):
        with workers.shared_folder() as folder:
            pool.neighbourhoods.save(folder / NEIGHBOURHOODS)
            arrays = pool.keys.arrays | pool.sentences.arrays
            write_arrays(folder / POOL, arrays, {"texts": pool.sentences.texts})
            (folder / TOKENIZER).mkdir()
            tokenizer.save(folder / TOKENIZER)
            return results + workers.run(SavedTokenizeJob, (str(folder), type(tokenizer)), parts[1:])
    return results + [job(part) for part in parts[1:]]


def _parts(columns: NDArray[np.int64], workers: int) -> list[Part]:
    """Split ``(n,)`` numbers or ``(2, n)`` columns into parts of similar size, none of them empty."""
    size = columns.shape[-1]
    count = max(-(-size // _PART_SIZE), workers * _PARTS_PER_WORKER if workers > 1 else 1)
    parts = np.array_split(columns, min(count, max(1, size)), axis=-1)
    return [part for part in parts if part.shape[-1]]
