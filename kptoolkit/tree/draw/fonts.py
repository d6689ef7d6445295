"""The fonts of a picture: how wide its words are, and an installed font for the characters that the first lacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from unicodedata import category

FIRST = "DejaVu Sans"
"""The font of pictures; it comes with matplotlib."""
DPI = 160
"""Dots an inch of pictures."""
_NO_WORDS = ("Last Resort", "cm")  # a box for every character; TeX's own fonts, with characters in places of their own
_UNSEEN = ("Cc", "Cf", "Mn", "Zl", "Zp", "Zs")  # what draws nothing by itself


@dataclass(frozen=True)
class Fonts:
    """The font families of a picture, in the order in which a character is looked for.

    Attributes:
        families: Names of installed families; the first is :data:`FIRST`.
        missing: Characters that none of them has; they are drawn as boxes.
    """

    families: tuple[str, ...] = (FIRST,)
    missing: frozenset[str] = frozenset()

    def width(self, text: str, points: float) -> float:
        """Inches from the left to the right end of the longest line, at a font size in points."""
        from matplotlib.backends.backend_agg import RendererAgg
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family=list(self.families), size=points)
        drawn: Any = cast(Any, RendererAgg)(1, 1, DPI)  # rounds to dots as the picture does
        sizes = [drawn.get_text_width_height_descent(line, font, False) for line in text.splitlines() if line]
        return float(max((size[0] for size in sizes), default=0.0)) / DPI


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Fonts for these texts: beside :data:`FIRST` those that are needed and installed."""
    from matplotlib.font_manager import findfont

    missing = {char for text in texts for char in text if category(char) not in _UNSEEN}
    missing -= _characters(findfont(FIRST))
    families = [FIRST]
    if missing:
        found = {family: missing & _characters(path) for family, path in _installed().items()}
        while helpful := [family for family in found if found[family] & missing]:
            best = max(helpful, key=lambda family: (len(found[family] & missing), "Sans" in family, family))
            families.append(best)
            missing -= found[best]
    return Fonts(tuple(families), frozenset(missing))


def _installed() -> dict[str, str]:
    """A font file of each upright family that may hold words."""
    from matplotlib.font_manager import fontManager

    fonts: list[Any] = [
        font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal")
    ]
    return {font.name: font.fname for font in fonts if not font.name.startswith(_NO_WORDS)}


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters of a font file; none where it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
