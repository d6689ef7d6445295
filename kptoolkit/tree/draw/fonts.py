"""The fonts of a picture: the width of a text, and installed fonts for characters that the first font lacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from unicodedata import category

FIRST = "DejaVu Sans"
"""The font of pictures; it comes with matplotlib."""
DPI = 160
"""Dots per inch of pictures."""
_NO_TEXT_FONTS = ("Last Resort", "cm")  # has a box for every character; TeX's fonts, which map characters differently
_INVISIBLE = ("Cc", "Cf", "Mn", "Zl", "Zp", "Zs")  # character categories that draw nothing


@dataclass(frozen=True)
class Fonts:
    """The font families of a picture; a character is taken from the first family that has it.

    Attributes:
        families: Names of installed families; the first is :data:`FIRST`.
        missing: Characters that no family has; they are drawn as boxes.
    """

    families: tuple[str, ...] = (FIRST,)
    missing: frozenset[str] = frozenset()

    def width(self, text: str, points: float) -> float:
        """Return the width of the longest line in inches, at a font size in points."""
        from matplotlib.backends.backend_agg import RendererAgg
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family=list(self.families), size=points)
        drawn: Any = cast(Any, RendererAgg)(1, 1, DPI)  # rounds to dots as the picture does
        sizes = [drawn.get_text_width_height_descent(line, font, False) for line in text.splitlines() if line]
        return float(max((size[0] for size in sizes), default=0.0)) / DPI


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Choose fonts for texts: :data:`FIRST`, and those installed fonts that have its missing characters."""
    from matplotlib.font_manager import findfont

    missing = {char for text in texts for char in text if category(char) not in _INVISIBLE}
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
    """A font file of each upright family for text."""
    from matplotlib.font_manager import fontManager

    fonts: list[Any] = [
        font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal")
    ]
    return {font.name: font.fname for font in fonts if not font.name.startswith(_NO_TEXT_FONTS)}


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters of a font file; none if it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
