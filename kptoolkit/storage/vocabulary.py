"""Numbers for texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


class Vocabulary:
    """Distinct texts, numbered from 0 in the order of their first occurrence.

    Example:
        >>> vocabulary = Vocabulary()
        >>> vocabulary.add(["b", "a", "b"]).tolist()
        [0, 1, 0]
        >>> list(vocabulary)
        ['b', 'a']
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, texts: Iterable[str]) -> NDArray[np.int32]:
        """Add the texts that are new, and return the ``(n,)`` numbers of all of them."""
        numbers = self._numbers
        return np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int32)

    def get(self, text: str) -> int | None:
        """Return the number of a text, or ``None`` when it was never added."""
        return self._numbers.get(text)

    def __getitem__(self, text: str) -> int:
        return self._numbers[text]

    def __contains__(self, text: object) -> bool:
        return text in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
