"""Limits of RDF/XML and GraphML: entities that multiply, and elements inside elements without end."""

from __future__ import annotations

import re
from pathlib import Path
from xml.parsers import expat

from kptoolkit.errors import DataError, shorten

DEEPEST = 1000
"""How deep elements may be nested; the time for an element grows with its depth."""
LONGEST_ENTITY_VALUE = 1000
"""Characters of the value of an entity."""
_START = b"<!ENTITY"
_VALUE = rb"""(?:"[^"<>&]{0,1000}"|'[^'<>&]{0,1000}')"""
_ENTITY = re.compile(rb"<!ENTITY\s+[^\s\"'<&%]+\s+" + _VALUE + rb"\s*>")
_LONGEST = LONGEST_ENTITY_VALUE + 1000
"""Bytes of a declaration, with its name and spaces."""


class XmlLimits:
    """Checks the bytes of an XML file before they are parsed.

    Args:
        path: The file.
        kind: What it should be, for messages.
    """

    def __init__(self, path: Path, kind: str = "RDF/XML") -> None:
        self.path, self.kind = path, kind
        self._rest, self._depth = b"", 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._enter
        self._parser.EndElementHandler = self._leave

    def check(self, data: bytes) -> None:
        """Check the next bytes; none at the end of the file.

        Raises:
            DataError: An entity contains others or is long, elements are nested too deeply, or it is no XML.
        """
        self._check_entities(data)
        try:
            self._parser.Parse(data, False)
        except expat.ExpatError as error:
            reason = shorten(expat.ErrorString(error.code))
            raise DataError(f"no {self.kind}: {reason}; correct it", self.path, error.lineno) from error

    def _check_entities(self, data: bytes) -> None:
        text, at = self._rest + data, 0
        while (at := text.find(_START, at)) >= 0:
            end = text.find(b">", at) + 1
            if not end and data and len(text) - at <= _LONGEST:
                self._rest = text[at:]
                return
            if not end or _ENTITY.fullmatch(text, at, end) is None:
                said = f"declares an entity that contains others, or has more than {LONGEST_ENTITY_VALUE:,} characters"
                raise DataError(f"{said}; write its value where it is used", self.path)
            at = end
        self._rest = text[-len(_START) + 1 :]

    def _enter(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            said = f"elements inside elements, more than {DEEPEST:,} deep"
            raise DataError(said, self.path, self._parser.CurrentLineNumber)

    def _leave(self, name: str) -> None:
        self._depth -= 1
