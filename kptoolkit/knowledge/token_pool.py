"""Token ids of many texts in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.arrays import fitting, read_arrays, write_arrays
from kptoolkit.storage.ragged import Ragged, indptr_of


@dataclass(frozen=True, eq=False)
class TokenPool(Ragged):
    """Tokens of P texts; one row per text.

    Attributes:
        ids: ``(T,)`` token ids.
        starts: ``(T,)`` whether a token begins a word.
    """

    columns = ("ids", "starts")
    ids: NDArray[np.int32]
    starts: NDArray[np.bool_]

    @classmethod
    def of(cls, encoded: Sequence[tuple[NDArray[np.int32], NDArray[np.bool_]]]) -> TokenPool:
        """Create a pool from the ids and word starts of each text."""
        ids = np.concatenate([np.zeros(0, np.int32), *(ids for ids, _ in encoded)])
        starts = np.concatenate([np.zeros(0, np.bool_), *(starts for _, starts in encoded)])
        return cls(indptr_of([len(ids) for ids, _ in encoded]), ids, starts)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes by name."""
        return {"ids": self.ids, "starts": self.starts, "indptr": self.indptr}

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``, with checksums; ``folder`` is complete or does not exist."""
        write_arrays(folder, self.arrays, {})

    @classmethod
    def load(cls, folder: Path) -> TokenPool:
        """Read what :meth:`save` wrote, memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, _ = read_arrays(folder)
        with fitting(folder):
            return cls(arrays["indptr"], arrays["ids"], arrays["starts"]).check()
