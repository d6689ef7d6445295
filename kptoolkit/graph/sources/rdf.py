"""Reads RDF: N-Triples line by line, Turtle by rdflib; gzip of either.

An IRI becomes an id as it stands. A blank node is ``_:FILE#LABEL``, because its label means something in its own file
only. A literal of a naming predicate names its subject; any other literal is counted and left out, or becomes an
entity ``"text"@language`` or ``"text"^^<type>``.
"""

from __future__ import annotations

import itertools
import logging
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.text_tables import BATCH_ROWS, BadRows, Table, file_failures, open_bytes

RdfFormat = Literal["ntriples", "turtle"]
Literals = Literal["drop", "entities"]

#: Predicates whose literals are names, the preferred ones first.
NAMING = (
    "http://www.w3.org/2004/02/skos/core#prefLabel",
    "http://www.w3.org/2000/01/rdf-schema#label",
    "https://schema.org/name",
    "http://schema.org/name",
    "http://xmlns.com/foaf/0.1/name",
    "http://rdf.freebase.com/ns/type.object.name",
    "http://purl.org/dc/terms/title",
    "http://purl.org/dc/elements/1.1/title",
)
#: Letters of a literal that may be an entity: its text is its id, and ids are indexed.
LONGEST_ENTITY = 1000
_STRING = "http://www.w3.org/2001/XMLSchema#string"
_RELATIVE = "relative:///"
_ID = r'<([^<>"\x00-\x20]+)>'
_BLANK = r"_:([\w\-.·]*[\w\-·])"
_STATEMENT = re.compile(
    rf'[ \t]*(?:{_ID}|{_BLANK})[ \t]*{_ID}[ \t]*(?:{_ID}|{_BLANK}|"((?:[^"\\]|\\.)*)"(?:@([\w-]+)|\^\^{_ID})?)'
    r"[ \t]*\.[ \t]*(?:#.*)?"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


class Statement(NamedTuple):
    """One RDF statement.

    Attributes:
        subject: Id of the subject.
        predicate: Id of the predicate.
        object: Id of the object, or the text of a literal.
        literal: Whether the object is a literal.
        language: Language tag of a literal, ``""`` when it has none.
        datatype: Type of a literal, ``""`` when it has none or is a plain text.
        line: Line in the file; in Turtle the number of the statement.
    """

    subject: str
    predicate: str
    object: str
    literal: bool
    language: str
    datatype: str
    line: int


@dataclass
class RdfFile:
    """One file of RDF.

    Attributes:
        path: The file.
        format: What it is written in.
        bad_rows: What to do with lines of N-Triples that cannot be read; Turtle cannot go on behind a mistake.
        language: Names in this language go before names without one, and these before the others.
        literals: What becomes of literals that are no names.
        left_out: Literals left out by the latest :meth:`triples`.
    """

    path: Path
    format: RdfFormat
    bad_rows: BadRows = field(default_factory=BadRows)
    language: str = "en"
    literals: Literals = "drop"
    left_out: int = 0
    _names: dict[str, tuple[int, int, str]] | None = field(default=None, init=False)

    def triples(self) -> Iterator[Table]:
        """Columns ``head``, ``relation``, ``tail``; names are gathered on the way.

        Raises:
            DataError: The file cannot be read, with its line.
        """
        names: dict[str, tuple[int, int, str]] = {}
        self.left_out = 0
        rows = self._rows(names)
        while batch := list(itertools.islice(rows, BATCH_ROWS)):
            heads, relations, tails, lines = (list(column) for column in zip(*batch, strict=True))
            yield Table({"head": heads, "relation": relations, "tail": tails}, lines, str(self.path))
        self._names = names

    def names(self) -> Iterator[Table]:
        """Columns ``entity_id``, ``name``; the file is read when :meth:`triples` did not come to its end before."""
        if self._names is None:
            for _ in self.triples():
                pass
        assert self._names is not None
        known = {subject: name for subject, (_, _, name) in self._names.items()}
        yield Table({"entity_id": list(known), "name": list(known.values())}, range(1, len(known) + 1), str(self.path))

    def _rows(self, names: dict[str, tuple[int, int, str]]) -> Iterator[tuple[str, str, str, int]]:
        ranks = {predicate: rank for rank, predicate in enumerate(NAMING)}
        for found in _ntriples(self.path, self.bad_rows) if self.format == "ntriples" else _turtle(self.path):
            if not found.literal:
                yield found.subject, found.predicate, found.object, found.line
                continue
            rank = ranks.get(found.predicate)
            if rank is not None and not found.datatype and found.object.strip():
                name = (self._strangeness(found.language), rank, found.object)
                if found.subject not in names or name[:2] < names[found.subject][:2]:
                    names[found.subject] = name
            elif self.literals == "drop" or len(found.object) > LONGEST_ENTITY:
                self.left_out += 1
            else:
                tail = _literal_id(found)
                names.setdefault(tail, (0, 0, found.object))
                yield found.subject, found.predicate, tail, found.line

    def _strangeness(self, language: str) -> int:
        wanted, given = self.language.casefold(), language.casefold()
        if given == wanted or given.startswith(f"{wanted}-"):
            return 0
        return 2 if given else 1


def _literal_id(found: Statement) -> str:
    if found.language:
        return f'"{found.object}"@{found.language}'
    return f'"{found.object}"^^<{found.datatype}>' if found.datatype else f'"{found.object}"'


def _ntriples(path: Path, bad_rows: BadRows) -> Iterator[Statement]:
    line = 1
    with file_failures(path, lambda: line), open_bytes(path) as file:
        for raw in file:
            if line == 1:
                raw = raw.removeprefix(BOM_UTF8)
            if not raw.isspace() and not raw.lstrip().startswith(b"#"):
                try:
                    found = _statement(raw, path.name, line)
                except ValueError as error:
                    bad_rows.add(path, line, str(error))
                else:
                    yield found
            line += 1


def _statement(raw: bytes, file: str, line: int) -> Statement:
    """One line as a statement.

    Raises:
        ValueError: It is none; the message says why.
    """
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    match = _STATEMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"no statement of N-Triples (<subject> <predicate> <object> .): {shorten(text, 60)}")
    parts = match.groups()
    if "\\" in text or "\x00" in text:
        parts = tuple(part and _unescaped(part) for part in parts)
    subject, blank, predicate, thing, other_blank, lexical, language, datatype = parts
    head = subject if subject is not None else f"_:{file}#{blank}"
    if lexical is not None:
        kind = "" if datatype == _STRING else datatype or ""
        return Statement(head, predicate, lexical, True, language or "", kind, line)
    tail = thing if thing is not None else f"_:{file}#{other_blank}"
    return Statement(head, predicate, tail, False, "", "", line)


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(_character, text)
    if "\x00" in plain:
        raise ValueError("not UTF-8 text (it holds NUL characters)")
    return plain


def _character(match: re.Match[str]) -> str:
    short, long, single = match.groups()
    if single is not None:
        if single not in _PLAIN_ESCAPES:
            raise ValueError(f"unknown escape \\{single}")
        return _PLAIN_ESCAPES[single]
    code = int(short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"the escape {match[0]} is no character")
    return chr(code)


def _turtle(path: Path) -> Iterator[Statement]:
    """The statements of a Turtle file; rdflib reads it whole, so that it costs memory by its size."""
    logging.getLogger("rdflib").addHandler(logging.NullHandler())
    with file_failures(path, lambda: None), open_bytes(path) as file:
        data = file.read()
    terms = _parsed(path, data)
    blank_numbers: dict[str, int] = {}
    for number, (subject, predicate, thing) in enumerate(terms, 1):
        head, relation = (_turtle_id(term, path.name, blank_numbers) for term in (subject, predicate))
        if hasattr(thing, "language"):
            kind = str(thing.datatype or "")
            language = str(thing.language or "")
            yield Statement(head, relation, str(thing), True, language, "" if kind == _STRING else kind, number)
        else:
            yield Statement(head, relation, _turtle_id(thing, path.name, blank_numbers), False, "", "", number)


def _turtle_id(term: Any, file: str, blank_numbers: dict[str, int]) -> str:
    """Blank nodes are numbered as they come, since rdflib draws new labels at each reading."""
    from rdflib import BNode

    if isinstance(term, BNode):
        return f"_:{file}#{blank_numbers.setdefault(str(term), len(blank_numbers) + 1)}"
    return str(term).removeprefix(_RELATIVE)


def _parsed(path: Path, data: bytes) -> list[tuple[Any, Any, Any]]:
    """The statements in the order of the file.

    Raises:
        DataError: It is no Turtle.
    """
    from rdflib import Graph
    from rdflib.plugins.parsers.notation3 import BadSyntax
    from rdflib.store import Store

    class InOrder(Store):
        """Takes statements as they come and looks none of them up."""

        def __init__(self) -> None:
            super().__init__()
            self.found: list[tuple[Any, Any, Any]] = []

        def add(self, triple: Any, context: Any, quoted: bool = False) -> None:
            self.found.append(triple)

        def bind(self, *args: Any, **kwargs: Any) -> None:
            """Prefixes are the parser's own business."""

        def namespace(self, prefix: str) -> None:
            return None

        def prefix(self, namespace: Any) -> None:
            return None

        def namespaces(self) -> Iterator[tuple[str, Any]]:
            return iter(())

    store = InOrder()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError("not UTF-8 text; save the file as UTF-8", path, line) from error
    if "\x00" in text:
        raise DataError("not UTF-8 text (it holds NUL bytes)", path, text.count("\n", 0, text.index("\x00")) + 1)
    try:
        Graph(store=store, bind_namespaces="none").parse(data=text, format="turtle", publicID=_RELATIVE)
    except BadSyntax as error:
        why = shorten(str(error._why), 200)
        raise DataError(f"no Turtle: {why}; correct it", path, error.lines + 1) from error
    except RecursionError as error:
        raise DataError("no Turtle that can be read: brackets are nested too deep", path) from error
    except Exception as error:  # rdflib lets through whatever its parser stumbles over
        raise DataError(f"no Turtle: {shorten(f'{type(error).__name__}: {error}', 200)}", path) from error
    return store.found
