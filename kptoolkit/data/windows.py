"""Windows of histories: one training sample per user and epoch, as in the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories


@dataclass(frozen=True)
class Windows:
    """One random window per user and epoch, as in the paper's training (KP4SR, training details).

    Attributes:
        histories: Training histories, by user.
        users: ``(N,)`` numbers of the users with at least two training events.
        seed: Seed of the draws.
        templates: Number of MPP templates to choose from.
    """

    histories: Histories
    users: NDArray[np.int32]
    seed: int
    templates: int

    @classmethod
    def of(cls, histories: Histories, *, seed: int, templates: int) -> Windows:
        """Create windows over every history that has at least two events."""
        return cls(histories, np.flatnonzero(histories.lengths >= 2).astype(np.int32), seed, templates)

    def __len__(self) -> int:
        return len(self.users)

    def draw(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the target position in each user's history and a template number, each ``(N,)``.

        Positions start at 1, so that every window has at least one item before its target.
        """
        generator = np.random.default_rng([self.seed, epoch])
        lengths = self.histories.lengths[self.users]
        position = 1 + np.floor(generator.random(len(self.users)) * (lengths - 1)).astype(np.int64)
        return position, generator.integers(0, self.templates, len(self.users))
