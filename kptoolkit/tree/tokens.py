"""The tokenizer protocol of the tree, and a word tokenizer that needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kptoolkit.prompts import Segment

CHARACTERS_PER_WORD = 12
"""Characters per word that a capped name may have, for scripts and names without spaces."""


@dataclass(frozen=True)
class Encoded:
    """The tokens of one text.

    Attributes:
        ids: ``(n,)`` token ids.
        starts: ``(n,)`` whether the token begins a word; True for the first token.
        texts: The tokens as text, if the tokenizer provides them.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.bool_]
    texts: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@runtime_checkable
class Tokenizer(Protocol):
    """Encodes a text, given in segments, as tokens.

    Attributes:
        name: Unit of the tokens in reports, e.g. ``words`` in ``"41 tokens (words)"``.
        pad_id: Id of padding.
        eos_id: Id of the end of a sequence.
        mask_id: Id of the mask token, in place of the next item.
    """

    name: str
    pad_id: int
    eos_id: int
    mask_id: int

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """Encode the text that the segments form.

        Args:
            segments: Segments of the text in order.
            entities: Entity ids of the segments with the roles head and tail, for tokenizers with entity tokens.
        """


@runtime_checkable
class SavedTokenizer(Tokenizer, Protocol):
    """A tokenizer that encodes the same after saving and loading, in this or another process."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that affects its encoding."""

    def save(self, folder: Path) -> None:
        """Write the tokenizer to ``folder``."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a tokenizer that :meth:`save` wrote."""


class WordTokenizer:
    """Splits at white space; new words are added to the vocabulary. Counts tokens if there is no model."""

    name = "words"
    pad_id, eos_id, mask_id = range(3)

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """Encode each word as one token; ``entities`` are ignored."""
        words = tuple("".join(segment.text for segment in segments).split())
        ids = [self._ids.setdefault(word, len(self._ids) + self.mask_id + 1) for word in words]
        return Encoded(np.array(ids, dtype=np.int32), np.ones(len(words), dtype=np.bool_), words)


def cap_name(name: str, limit: int) -> str:
    """Shorten ``name`` to ``limit`` words and at most ``limit * 12`` characters, with an ellipsis for the rest.

    Args:
        name: Name of an entity or item.
        limit: Maximum number of words, at least 1.
    """
    words = name.split()
    capped = " ".join(words[:limit])[: limit * CHARACTERS_PER_WORD].rstrip()
    return name if capped == " ".join(words) else f"{capped}…"
