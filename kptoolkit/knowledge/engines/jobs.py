"""What is done part by part: wording rows and tokenising prompts, also in processes that read everything from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.prompt_pool import PromptPool, Sentences
from kptoolkit.prompts import TemplatePack
from kptoolkit.storage.arrays import read_arrays
from kptoolkit.storage.batches import without_gc
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import TripletRenderer, Variants

NEIGHBOURHOODS, PACK, POOL, TOKENIZER = "neighbourhoods", "pack", "pool", "tokenizer"
"""Parts of the folder that processes read."""

Part = NDArray[np.int64]
Answer = tuple[tuple[NDArray[Any], ...], tuple[str, ...]]
"""Arrays and texts; they go from process to process."""


class Job(Protocol):
    """What a worker makes once and then asks for every part."""

    def __call__(self, part: Part) -> Answer:
        """The answer for one part."""


@dataclass(frozen=True)
class Words:
    """Words rows: their sentences."""

    wording: TripletRenderer
    epoch: int

    @without_gc()
    def __call__(self, part: Part) -> Answer:
        """The prompts of some rows."""
        found = Sentences.of([prompt.segments for prompt in self.wording.render_rows(part, self.epoch)])
        return tuple(found.arrays.values()), found.texts


class SavedWords(Words):
    """:class:`Words` of neighbourhoods and a pack in a folder."""

    def __init__(self, folder: str, variants: Variants, name_tokens: int, epoch: int) -> None:
        place = Path(folder)
        pack = TemplatePack.load(str(place / PACK))
        super().__init__(
            TripletRenderer(Neighbourhoods.load(place / NEIGHBOURHOODS), pack, variants, name_tokens), epoch
        )


@dataclass(frozen=True)
class Tokens:
    """Tokenises prompts: ids and word starts of all tokens, and how many each prompt has."""

    pool: PromptPool
    tokenizer: Tokenizer

    @without_gc()
    def __call__(self, part: Part) -> Answer:
        """The tokens of prompts with consecutive numbers."""
        prompts = self.pool[int(part[0]) : int(part[-1]) + 1]
        found = [self.tokenizer.encode(segments, ends) for segments, ends in prompts.texts()]
        ids, starts = (np.concatenate([getattr(entry, name) for entry in found]) for name in ("ids", "starts"))
        return (ids, starts, np.array([len(entry) for entry in found])), ()


class SavedTokens(Tokens):
    """:class:`Tokens` of prompts and a tokenizer in a folder."""

    def __init__(self, folder: str, kind: type[SavedTokenizer]) -> None:
        place = Path(folder)
        arrays, extra = read_arrays(place / POOL)
        pool = PromptPool.of_arrays(Neighbourhoods.load(place / NEIGHBOURHOODS), arrays, extra["texts"])
        super().__init__(pool, kind.load(place / TOKENIZER))
