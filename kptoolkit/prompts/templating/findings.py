"""Mistakes in a template pack: what is wrong, where, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass

from kptoolkit.errors import TemplateError, shorten

_SHOWN = 90  # characters of a template


@dataclass(frozen=True)
class Finding:
    """One mistake in a pack.

    Attributes:
        message: What is wrong.
        fix: How to fix it.
        pack: Name of the pack.
        file: File inside the pack.
        key: Relation id, template id or setting.
        column: Column in the template's text, from 1.
        fatal: Whether the pack cannot be loaded; other mistakes are reported by ``kptool templates check`` only.
        text: The template's text, to which :attr:`column` refers.
    """

    message: str
    fix: str
    pack: str = ""
    file: str | None = None
    key: str | None = None
    column: int | None = None
    fatal: bool = True
    text: str | None = None

    def error(self) -> TemplateError:
        """Return the mistake as an exception."""
        text = f"{self.message}; {self.fix}" if self.fix else self.message
        return TemplateError(text, pack=self.pack, file=self.file, key=self.key, column=self.column)

    def __str__(self) -> str:
        return str(self.error())

    def excerpt(self) -> list[str]:
        """Return the part of the template around the mistake, on one line, and a line with a mark below its column."""
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
    """A place in a pack, for messages.

    Attributes:
        pack: Name of the pack.
        file: File inside the pack.
        key: Relation id, template id or setting.
        part: Which of the key's texts, e.g. ``"forward sentence 2"``; the message begins with it.
    """

    pack: str = ""
    file: str | None = None
    key: str | None = None
    part: str = ""

    def finding(
        self, message: str, fix: str, *, column: int | None = None, fatal: bool = True, text: str | None = None
    ) -> Finding:
        """Return a mistake at this place; arguments are the attributes of :class:`Finding`."""
        full = f"{self.part}: {message}" if self.part else message
        return Finding(full, fix, self.pack, self.file, self.key, column, fatal, text)


def raise_first(findings: list[Finding]) -> None:
    """Raise the first fatal mistake.

    Raises:
        TemplateError: There is a fatal mistake.
    """
    for finding in findings:
        if finding.fatal:
            raise finding.error()
