"""The interface of a job that is done part by part, in this process or in others."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Part = NDArray[np.int64]
PartResult = tuple[tuple[NDArray[Any], ...], tuple[str, ...]]
"""Arrays and texts; both can be sent from process to process."""


class Job(Protocol):
    """A callable that a worker creates once and then calls for every part."""

    def __call__(self, part: Part) -> PartResult:
        """Return the result for one part."""
