"""How many examples a hypothesis test draws under the profile in use."""

from __future__ import annotations

import hypothesis

FULL = 100
"""Examples per property; continuous integration, which always draws the same ones, takes half, ``make quick`` 20."""


def examples(count: int) -> int:
    """Return the examples of an expensive property that draws ``count`` of the full profile's 100."""
    return max(1, hypothesis.settings().max_examples * count // FULL)
