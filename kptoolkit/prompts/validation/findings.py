"""A mistake in a template pack, with where it is and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from kptoolkit.errors import TemplateError, shorten

_SHOWN = 90  # characters of a template


@dataclass(frozen=True)
class Finding:
    """One mistake in a pack.

    Attributes:
        message: What is wrong.
        mend: What to do about it.
        pack: Name of the pack.
        file: File inside the pack.
        key: Relation id, template id or setting.
        column: Column in the template's text, from 1.
        fatal: Whether loading the pack refuses it; the others are found by ``kptool templates check`` only.
        text: The template's text that :attr:`column` counts in.
    """

    message: str
    mend: str
    pack: str = ""
    file: str | None = None
    key: str | None = None
    column: int | None = None
    fatal: bool = True
    text: str | None = None

    def error(self) -> TemplateError:
        """The finding as an exception."""
        text = f"{self.message}; {self.mend}" if self.mend else self.message
        return TemplateError(text, pack=self.pack, file=self.file, key=self.key, column=self.column)

    def __str__(self) -> str:
        return str(self.error())

    def shown(self) -> list[str]:
        """The template's text on one line, cut to what surrounds the mistake, and a mark below its column."""
        if self.text is None:
            return []
        text = "".join(char if char.isprintable() else " " for char in self.text)
        if self.column is None:
            return [shorten(text, _SHOWN)]
        start = max(0, self.column - 1 - _SHOWN // 2)
        end = start + _SHOWN
        before, after = "…" if start else "", "…" if end < len(text) else ""
        mark = " " * (len(before) + self.column - 1 - start) + "^"
        return [f"{before}{text[start:end]}{after}", mark]


@dataclass(frozen=True)
class Place:
    """Where in a pack something stands.

    Attributes:
        pack: Name of the pack.
        file: File inside the pack.
        key: Relation id, template id or setting.
        part: Which of the key's texts, e.g. ``"forward sentence 2"``; opens the message.
    """

    pack: str = ""
    file: str | None = None
    key: str | None = None
    part: str = ""

    def finding(
        self, message: str, mend: str, *, column: int | None = None, fatal: bool = True, text: str | None = None
    ) -> Finding:
        """A mistake at this place; ``text`` is the template that ``column`` counts in."""
        said = f"{self.part}: {message}" if self.part else message
        return Finding(said, mend, self.pack, self.file, self.key, column, fatal, text)


def raise_first(findings: list[Finding]) -> None:
    """Raise the first finding that is fatal.

    Raises:
        TemplateError: There is one.
    """
    for finding in findings:
        if finding.fatal:
            raise finding.error()
