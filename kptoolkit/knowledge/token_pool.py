"""Token ids of many texts in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.arrays import read_arrays, write_arrays


@dataclass(frozen=True)
class TokenPool:
    """Token ids of many texts in one array.

    Attributes:
        ids: ``(T,)`` token ids.
        starts: ``(T,)`` whether the token begins a word.
        indptr: ``(P + 1,)``; text p is ``[indptr[p], indptr[p + 1])``.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.bool_]
    indptr: NDArray[np.int64]

    @classmethod
    def of(cls, encoded: Sequence[tuple[NDArray[np.int32], NDArray[np.bool_]]]) -> TokenPool:
        """Join encoded texts."""
        lengths = [len(ids) for ids, _ in encoded]
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        ids = np.concatenate([np.zeros(0, np.int32), *(ids for ids, _ in encoded)])
        starts = np.concatenate([np.zeros(0, np.bool_), *(starts for _, starts in encoded)])
        return cls(ids, starts, indptr)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes, by name."""
        return {"ids": self.ids, "starts": self.starts, "indptr": self.indptr}

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """``(P,)`` tokens a text."""
        return np.diff(self.indptr)

    def taken(self, rows: NDArray[np.int64]) -> TokenPool:
        """The texts with these numbers, in this order."""
        texts = [slice(self.indptr[row], self.indptr[row + 1]) for row in rows]
        return TokenPool.of([(self.ids[text], self.starts[text]) for text in texts])

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed, beside and then renamed."""
        write_arrays(folder, self.arrays, {})

    @classmethod
    def load(cls, folder: Path) -> TokenPool:
        """Read what :meth:`save` wrote, memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, _ = read_arrays(folder)
        return cls(arrays["ids"], arrays["starts"], arrays["indptr"])

    def joined(self, other: TokenPool) -> TokenPool:
        """This pool with the texts of ``other`` behind its own."""
        indptr = np.concatenate([self.indptr, self.indptr[-1] + other.indptr[1:]])
        return TokenPool(np.concatenate([self.ids, other.ids]), np.concatenate([self.starts, other.starts]), indptr)
