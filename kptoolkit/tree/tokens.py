"""What the tree asks of a tokenizer, and one that needs no model: words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kptoolkit.prompts import Segment

CHARACTERS_A_WORD = 12
"""Characters allowed for each word of a capped name, for scripts and names without spaces."""


@dataclass(frozen=True)
class Encoded:
    """The tokens of one text.

    Attributes:
        ids: ``(n,)`` token ids.
        starts: ``(n,)`` whether the token begins a word; the first one does.
        texts: The tokens as a person reads them, where the tokenizer gives them.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.bool_]
    texts: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer(Protocol):
    """Turns a text, in parts, into tokens.

    Attributes:
        name: What the tokens are, for reports such as ``"41 tokens (words)"``.
        pad_id: Id of padding.
        eos_id: Id of the end of a sequence.
        mask_id: Id of the token that stands for the next item in a prompt.
    """

    name: str
    pad_id: int
    eos_id: int
    mask_id: int

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """Tokens of the text that the segments make together.

        Args:
            segments: Parts of the text in order.
            entities: Entity ids of the parts whose role is head and tail, for tokenizers that know entities.
        """


@runtime_checkable
class SavedTokenizer(Tokenizer, Protocol):
    """A tokenizer that encodes equally after it was saved and loaded, here or in another process."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides how it encodes."""

    def save(self, folder: Path) -> None:
        """Write the tokenizer into ``folder``."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""


class WordTokenizer:
    """Words between white space; the vocabulary grows as words come. Counts tokens where there is no model."""

    name = "words"
    pad_id, eos_id, mask_id = range(3)

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """One token a word; ``entities`` do not matter."""
        words = tuple("".join(segment.text for segment in segments).split())
        ids = [self._ids.setdefault(word, len(self._ids) + self.mask_id + 1) for word in words]
        return Encoded(np.array(ids, dtype=np.int32), np.ones(len(words), dtype=np.bool_), words)


def cap_name(name: str, limit: int) -> str:
    """``name`` with at most ``limit`` words, an ellipsis in place of the rest.

    A text of few but endless words is cut at ``limit * 12`` characters.

    Args:
        name: Name of an entity or item.
        limit: Most words, at least 1.
    """
    words = name.split()
    kept = " ".join(words[:limit])[: limit * CHARACTERS_A_WORD].rstrip()
    return name if kept == " ".join(words) else f"{kept}…"
