"""Reads RDF: N-Triples line by line, other formats with pyoxigraph; packed or not.

The id of an IRI is its text. The id of a blank node is ``_:FILE#LABEL``, because labels are local to a file; folders
tell files of one name apart. A literal of a naming predicate is a name of its subject; any other literal is counted and
left out, or becomes an entity with the id ``"text"@language`` or ``"text"^^<type>``.
"""

from __future__ import annotations

import itertools
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast
from typing import Literal as Choice

from pyoxigraph import BlankNode, Literal, NamedNode, Quad, RdfFormat, parse

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.xml_limits import XmlLimits
from kptoolkit.limits import current
from kptoolkit.storage.open_files import LimitedFile, file_failures, open_bytes, too_long
from kptoolkit.storage.text_tables import BadRows, Table

RdfFileFormat = Choice["ntriples", "turtle", "rdfxml", "n3", "trig", "nquads", "jsonld"]
Literals = Choice["drop", "entities"]

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
_PARSED: Mapping[RdfFileFormat, tuple[str, RdfFormat]] = {
    "turtle": ("Turtle", RdfFormat.TURTLE),
    "rdfxml": ("RDF/XML", RdfFormat.RDF_XML),
    "n3": ("N3", RdfFormat.N3),
    "trig": ("TriG", RdfFormat.TRIG),
    "nquads": ("N-Quads", RdfFormat.N_QUADS),
    "jsonld": ("JSON-LD", RdfFormat.JSON_LD),
}
"""Name and parser of the formats that pyoxigraph reads; the names of graphs in TriG and N-Quads are left out."""
_NAMING_RANK = {predicate: rank for rank, predicate in enumerate(NAMING)}
#: Letters of a literal that may be an entity: its text is its id, and ids are indexed.
LONGEST_ENTITY = 1000
_MANY = "mul"
"""The language code of a name that serves in many languages."""
_STRING = "http://www.w3.org/2001/XMLSchema#string"
_RELATIVE = "relative:///"
_NOT_UTF8 = "not UTF-8 text"
_NUL = "not UTF-8 text (it holds NUL characters)"
_Kind = tuple[str, str]
"""Language in lower case and datatype of a literal, ``""`` for none and for plain text."""
_Statement = tuple[str, str, str, int, _Kind | None]
"""Ids of subject and predicate, id of the object or text of a literal, line (number of the statement in Turtle), and
what kind of literal the object is. A plain tuple, since a class would double the time of reading."""
_BLOCK = 20_000
"""Maximum number of statements in a table."""
_ID = r'<([^<>"\x00-\x20]+)>'
_BLANK = r"_:([\w\-.·]*[\w\-·])"
_STATEMENT = re.compile(
    rf'[ \t]*(?:{_ID}|{_BLANK})[ \t]*{_ID}[ \t]*(?:{_ID}|{_BLANK}|"((?:[^"\\]|\\.)*)"(?:@([\w-]+)|\^\^{_ID})?)'
    r"[ \t]*\.[ \t]*(?:#.*)?"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_PLACE = re.compile(r"^Parser error at line \d+ [^:]*: ")


@dataclass
class RankedNames:
    """Names by id: the one with the lowest rank, and of several with this rank the first.

    Attributes:
        best: Rank and text by id.
        others: Another text of the same rank by id, where there is one.
    """

    best: dict[str, tuple[tuple[int, int], str]] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    def add(self, subject: str, rank: tuple[int, int], text: str) -> None:
        """Add a name.

        Args:
            subject: The id.
            rank: Rank of its language and of its predicate; 0 is the first.
            text: The name.
        """
        known = self.best.get(subject)
        if known is None or rank < known[0]:
            self.best[subject] = rank, text
            self.others.pop(subject, None)
        elif rank == known[0] and text.strip() != known[1].strip():
            self.others.setdefault(subject, text)

    @classmethod
    def merged(cls, files: Sequence[RankedNames]) -> RankedNames:
        """Return the names of several files."""
        if len(files) == 1:
            return files[0]
        found = cls()
        for names in files:
            for subject, (rank, text) in names.best.items():
                found.add(subject, rank, text)
            for subject, text in names.others.items():
                found.add(subject, names.best[subject][0], text)
        return found

    def table(self, path: str) -> Table:
        """Return the columns ``entity_id`` and ``name``, first the best names, then the others."""
        ids = [*self.best, *self.others]
        names = [*(text for _, text in self.best.values()), *self.others.values()]
        return Table({"entity_id": ids, "name": names}, range(1, len(ids) + 1), path)


@dataclass
class RdfFile:
    """One file of RDF.

    Attributes:
        path: The file.
        format: Its format.
        bad_rows: What to do with lines of N-Triples that cannot be read; other formats end at the first mistake.
        language: Names in this language come first, then those for many languages (``mul``), those without a language,
            and all others.
        literals: What to do with literals that are not names.
        label: What stands for the file in the ids of blank nodes; ``""`` is its name.
        left_out: Number of literals left out by the last :meth:`triples`.
    """

    path: Path
    format: RdfFileFormat
    bad_rows: BadRows = field(default_factory=BadRows)
    language: str = "en"
    literals: Literals = "drop"
    label: str = ""
    left_out: int = 0
    _names: RankedNames | None = field(default=None, init=False)

    def triples(self) -> Iterator[Table]:
        """Yield the columns ``head``, ``relation``, ``tail``, and collect names.

        Raises:
            DataError: The file cannot be read, with its line.
        """
        names = RankedNames()
        self.left_out = 0
        plain = self.format == "ntriples"
        label = self.label or self.path.name
        blocks = _ntriples(self.path, label, self.bad_rows) if plain else _parsed(self.path, label, self.format)
        for block in blocks:
            rows = [found for found in block if found[4] is None or self._keeps(found, names)]
            if rows:
                heads, relations, tails, lines, kinds = zip(*rows, strict=True)
                if any(kinds):
                    tails = tuple(text if kind is None else _literal_id(text, kind) for _, _, text, _, kind in rows)
                columns = {"head": list(heads), "relation": list(relations), "tail": list(tails)}
                yield Table(columns, lines, str(self.path))
        self._names = names

    def names(self) -> RankedNames:
        """Return the names; reads the file unless :meth:`triples` was read to its end."""
        if self._names is None:
            for _ in self.triples():
                pass
        assert self._names is not None
        return self._names

    def _keeps(self, found: _Statement, names: RankedNames) -> bool:
        """Return whether the literal of a statement becomes an entity; otherwise it is a name, or is counted."""
        subject, predicate, text, _, kind = found
        assert kind is not None
        language, datatype = kind
        rank = _NAMING_RANK.get(predicate)
        if rank is not None and not datatype and text.strip():
            names.add(subject, (rank_of_language(language, self.language), rank), text)
            return False
        if self.literals == "drop" or len(text) > LONGEST_ENTITY:
            self.left_out += 1
            return False
        names.add(_literal_id(text, kind), (0, 0), text)
        return True


def distinct_path(path: Path, others: Iterable[Path]) -> str:
    """Return the name of a file, after as many of its folders as tell it from other files."""
    rivals = {other.parts for other in others if other != path}
    lengths = range(1, len(path.parts))
    length = next((n for n in lengths if all(parts[-n:] != path.parts[-n:] for parts in rivals)), len(path.parts))
    return "/".join(path.parts[-length:])


def rank_of_language(given: str, wanted: str) -> int:
    """Return 0 for a name in the wanted language, 1 for one in many languages, 2 for one without, 3 for others."""
    plain = given.casefold()
    if plain == wanted.casefold() or plain.startswith(f"{wanted.casefold()}-"):
        return 0
    return {_MANY: 1, "": 2}.get(plain, 3)


def _literal_id(text: str, kind: _Kind) -> str:
    language, datatype = kind
    if language:
        return f'"{text}"@{language}'
    return f'"{text}"^^<{datatype}>' if datatype else f'"{text}"'


def _ntriples(path: Path, label: str, bad_rows: BadRows) -> Iterator[list[_Statement]]:
    """Yield the statements of an N-Triples file in blocks."""
    line, block = 0, list[_Statement]()
    with file_failures(path, lambda: line + 1), open_bytes(path) as file:
        for line, raw in enumerate(file, 1):
            if line == 1:
                raw = raw.removeprefix(BOM_UTF8)
            if raw.isspace() or raw.lstrip().startswith(b"#"):
                continue
            try:
                block.append(_statement(raw, label, line))
            except ValueError as error:
                bad_rows.add(path, line, str(error))
            if len(block) == _BLOCK:
                yield block
                block = []
    yield block


def _statement(raw: bytes, file: str, line: int) -> _Statement:
    """Parse one line of N-Triples.

    Raises:
        ValueError: It is not a statement; the message gives the reason.
    """
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(_NOT_UTF8) from None
    match = _STATEMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"no statement of N-Triples (<subject> <predicate> <object> .): {shorten(text, 60)}")
    parts = match.groups()
    if "\\" in text or "\x00" in text:
        parts = tuple(part and _unescaped(part) for part in parts)
    subject, blank, predicate, thing, other_blank, lexical, language, datatype = parts
    head = f"_:{file}#{blank}" if subject is None else subject
    if lexical is not None:
        if (reason := _too_long(lexical)) is not None:
            raise ValueError(reason)
        return head, predicate, lexical, line, ((language or "").lower(), "" if datatype == _STRING else datatype or "")
    return head, predicate, f"_:{file}#{other_blank}" if thing is None else thing, line, None


def _too_long(literal: str) -> str | None:
    longest = current().literal_characters
    if len(literal) <= longest:
        return None
    return f"a literal of {len(literal):,} characters; limits.literal_characters allows {longest:,}"


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(_character, text)
    if "\x00" in plain:
        raise ValueError(_NUL)
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


@dataclass
class _BlankNodes:
    """Ids of the blank nodes of a file by label, numbered by first occurrence.

    A node without a label gets a random one each time the file is parsed.
    """

    file: str
    numbers: dict[str, int] = field(default_factory=dict)

    def id_of(self, label: str) -> str:
        return f"_:{self.file}#{self.numbers.setdefault(label, len(self.numbers) + 1)}"


def _parsed(path: Path, label: str, format: RdfFileFormat) -> Iterator[list[_Statement]]:
    """Yield the statements of a file that pyoxigraph reads in blocks, as they are parsed.

    Raises:
        DataError: It does not have the format, with its line.
    """
    blanks = _BlankNodes(label)
    name, parser = _PARSED[format]
    with file_failures(path, lambda: None), open_bytes(path) as file:
        text = cast("IO[bytes]", _CheckedText(file, path, XmlLimits(path) if format == "rdfxml" else None))
        quads = enumerate(parse(input=text, format=parser, base_iri=_RELATIVE, lenient=True), 1)
        try:
            while block := list(itertools.islice(quads, _BLOCK)):
                yield [_of_quad(quad, path, number, blanks) for number, quad in block]
        except SyntaxError as error:
            reason = shorten(_PLACE.sub("", error.msg), 200)
            message = f"no {name}: {reason}; correct it"
            if reason.startswith("Invalid UTF-8"):
                message = f"{_NOT_UTF8}; save the file as UTF-8"
            if "remote context" in reason:
                message = "names a remote @context, which is not fetched; write the context into the file"
            raise DataError(message, path, error.lineno) from error


class _CheckedText:
    """Bytes of a file without a byte order mark, checked for NUL, long lines and what is wrong with XML."""

    def __init__(self, file: LimitedFile, path: Path, xml: XmlLimits | None = None) -> None:
        self.xml = xml
        self.file, self.path, self.lines, self.since = file, path, 0, 0
        self.start = file.read(len(BOM_UTF8)).removeprefix(BOM_UTF8)

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            DataError: There is a NUL byte, a line is too long, or :class:`XmlLimits` refuses it; with its line.
        """
        data, self.start = self.start or self.file.read(size), b""
        if b"\x00" in data:
            line = self.lines + data.count(b"\n", 0, data.index(b"\x00")) + 1
            raise DataError("not UTF-8 text (it holds NUL bytes)", self.path, line)
        self.since = len(data) - end if (end := data.rfind(b"\n")) >= 0 else self.since + len(data)
        if self.since > current().line_bytes:
            raise DataError(too_long("line", current().line_bytes), self.path, self.lines + data.count(b"\n") + 1)
        self.lines += data.count(b"\n")
        if self.xml is not None:
            self.xml.check(data)
        return data


def _of_quad(quad: Quad, path: Path, number: int, blanks: _BlankNodes) -> _Statement:
    """Return a parsed statement with ids in place of terms.

    Args:
        quad: The statement.
        path: The file.
        number: Number of the statement.
        blanks: Ids of blank nodes; new ones are added.

    Raises:
        DataError: A term contains NUL, a literal is too long, or the object is itself a statement (RDF 1.2).
    """
    subject, predicate, thing, _ = quad
    head, relation = _turtle_id(subject, path, blanks), _turtle_id(predicate, path, blanks)
    literal = None
    if isinstance(thing, Literal):
        tail, datatype = thing.value, thing.datatype.value
        if (reason := _too_long(tail)) is not None:
            raise DataError(f"statement {number}: {reason}", path)
        literal = (thing.language or "", "" if thing.language or datatype == _STRING else datatype)
    else:
        tail = _turtle_id(thing, path, blanks)
    if "\x00" in head or "\x00" in relation or "\x00" in tail:
        raise DataError(_NUL, path)
    return head, relation, tail, number, literal


_ABOUT_STATEMENTS = (
    "no Turtle that can be loaded: a statement about a statement (RDF 1.2); leave these out, or write the file as "
    "N-Triples, where --skip-bad-rows leaves them out"
)


def _turtle_id(term: Any, path: Path, blanks: _BlankNodes) -> str:
    if isinstance(term, NamedNode):
        return term.value.removeprefix(_RELATIVE)
    if not isinstance(term, BlankNode):
        raise DataError(_ABOUT_STATEMENTS, path)
    return blanks.id_of(term.value)
