"""Windows of histories: the training samples of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories


@dataclass(frozen=True)
class Windows:
    """Random places in histories, each the first of the targets of one training sample.

    With one window per history and epoch this is the training of the paper (KP4SR, training details). With more, a
    history of L events has ``ceil((L - 1) / targets)`` windows, one in each of as many equal parts of it, so that an
    epoch has about as many targets as events.

    Attributes:
        histories: Training histories, by user.
        users: ``(N,)`` user of each window: those with at least two training events.
        part: ``(N,)`` number of the window in its history.
        parts: ``(N,)`` windows of that history.
        seed: Seed of the draws.
        templates: Number of MPP templates to choose from.
    """

    histories: Histories
    users: NDArray[np.int32]
    part: NDArray[np.int64]
    parts: NDArray[np.int64]
    seed: int
    templates: int

    @classmethod
    def of(cls, histories: Histories, *, seed: int, templates: int, targets: int | None = None) -> Windows:
        """Create windows over every history that has at least two events.

        Args:
            histories: Training histories, by user.
            seed: Seed of the draws.
            templates: Number of MPP templates to choose from.
            targets: Targets per window; ``None``: one window per history, whatever its length.
        """
        users = np.flatnonzero(histories.lengths >= 2)
        counts = np.ones_like(users) if targets is None else -(-(histories.lengths[users] - 1) // targets)
        part = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return cls(
            histories, np.repeat(users, counts).astype(np.int32), part, np.repeat(counts, counts), seed, templates
        )

    def __len__(self) -> int:
        return len(self.users)

    def draw(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the position of each window's first target and a template number, each ``(N,)``.

        Positions start at 1, so that every window has at least one item before its target.
        """
        generator = np.random.default_rng([self.seed, epoch])
        places = self.histories.lengths[self.users] - 1
        position = 1 + np.floor((self.part + generator.random(len(self))) * places / self.parts).astype(np.int64)
        return np.minimum(position, places), generator.integers(0, self.templates, len(self.users))
