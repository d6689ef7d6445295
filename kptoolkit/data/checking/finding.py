"""A problem or a notable property of data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kptoolkit.errors import shorten

_EXAMPLES = 3
Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """A problem or a notable property of the data.

    Attributes:
        level: ``error``: cannot be trained on; ``warning``: figures will mislead or knowledge is lost; ``note``.
        what: Description.
        count: Number of occurrences.
        advice: Consequence, or what to do.
        share: ``count`` as a share of all candidates; ``None`` if there is no meaningful share.
        examples: A few ids.
    """

    level: Level
    what: str
    count: int
    advice: str
    share: float | None = None
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return asdict(self)


def examples(ids: Iterable[Any]) -> tuple[str, ...]:
    """Return the first ids for a message."""
    return tuple(shorten(str(entry)) for entry, _ in zip(ids, range(_EXAMPLES), strict=False))
