"""Jobs that render or tokenize prompts part by part, in this process or in others that read their inputs from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.prompt_pool import PromptKeys, PromptPool
from kptoolkit.knowledge.sentences import Sentences
from kptoolkit.prompts import TemplatePack
from kptoolkit.storage.arrays import read_arrays
from kptoolkit.storage.batches import without_gc
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import TripletRenderer, Variants

NEIGHBOURHOODS, PACK, POOL, TOKENIZER = "neighbourhoods", "pack", "pool", "tokenizer"
"""File names inside the folder from which worker processes read the inputs of a job."""

Part = NDArray[np.int64]
PartResult = tuple[tuple[NDArray[Any], ...], tuple[str, ...]]
"""Arrays and texts; both can be sent from process to process."""


class Job(Protocol):
    """A callable that a worker creates once and then calls for every part."""

    def __call__(self, part: Part) -> PartResult:
        """Return the result for one part."""


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
        return tuple(sentences.arrays.values()), sentences.texts


class SavedRenderJob(RenderJob):
    """A :class:`RenderJob` whose neighbourhoods and pack are read from a folder."""

    def __init__(self, folder: str, variants: Variants, name_tokens: int) -> None:
        place = Path(folder)
        pack = TemplatePack.load(str(place / PACK))
        super().__init__(TripletRenderer(Neighbourhoods.load(place / NEIGHBOURHOODS), pack, variants, name_tokens))


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
