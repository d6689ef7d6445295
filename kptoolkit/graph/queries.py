"""Reads and checks the Cypher files; a header in comments names the parameters and columns of each query.

::

    // All relations and how often each occurs.
    // parameters: none
    // columns: relation, count
    MATCH (:Entity)-[r]->(:Entity) RETURN coalesce(r.relation, type(r)) AS relation, count(*) AS count

A column with ``[]`` after its name may contain lists, all of one length in a row: such a row is expanded into one row
per element. Fewer and longer rows take the driver a fraction of the time.

A file in the user's folder replaces the shipped file of the same name. It must have the same parameters and columns,
and must not write if the shipped file only reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kptoolkit import resources
from kptoolkit.errors import QueryFileError, shorten
from kptoolkit.graph.clauses import reaching_clause, without_texts, writing_clause
from kptoolkit.graph.store import GraphStore, GraphTransaction, Records, StatementError, WriteCounters
from kptoolkit.limits import read_text

_HEADER = re.compile(r"^//\s*(parameters|columns)\s*:\s*(.*)$", re.IGNORECASE)
_LIST = "[]"
_NAME = re.compile(r"\w+(\[\])?")
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")
#: Columns that hold ids, and whether an id may be missing.
_IDS = {
    **dict.fromkeys(("id", "item_id", "relation", "other", "head", "tail", "user", "item"), False),
    "entity_id": True,
}


@dataclass(frozen=True)
class Query:
    """One Cypher file.

    Attributes:
        path: The file.
        description: Its first comment lines.
        parameters: Names of the parameters that it may use.
        columns: Names of the columns that its rows must have; more are allowed.
        text: The statement.
        lists: Names of the columns whose cells may be lists.
    """

    path: Path
    description: str
    parameters: tuple[str, ...]
    columns: tuple[str, ...]
    text: str
    lists: frozenset[str] = frozenset()

    @classmethod
    def read_file(cls, path: Path) -> Query:
        """Read and check one file.

        Raises:
            QueryFileError: The file cannot be read, has no header, or uses a parameter that the header does not name.
        """
        try:
            lines = read_text(path).split("\n")
        except (OSError, ValueError) as error:
            raise QueryFileError(f"{path}: cannot be read as UTF-8 text: {error}") from error
        for number, line in enumerate(lines, 1):
            if "\x00" in line:
                raise QueryFileError(f"{path}, line {number}: not UTF-8 text (it holds NUL characters)")
        header: dict[str, tuple[str, ...]] = {}
        description = []
        for number, line in enumerate(lines, 1):
            if match := _HEADER.match(line.strip()):
                header[match[1].lower()] = _names(match[2], f"{path}, line {number}")
            elif line.strip().startswith("//") and not header:
                description.append(line.strip().lstrip("/ "))
        for key in ("parameters", "columns"):
            if key not in header:
                raise QueryFileError(f"{path}: no header line `// {key}: …`; write one, `none` if there are none")
        text = "\n".join(lines).strip()
        for name in _PARAMETER.findall(without_texts(text)):
            if name not in header["parameters"]:
                raise QueryFileError(
                    f"{path}: uses ${name}, which its header does not name; known: {', '.join(header['parameters'])}"
                )
        columns = tuple(name.removesuffix(_LIST) for name in header["columns"])
        lists = frozenset(name.removesuffix(_LIST) for name in header["columns"] if name.endswith(_LIST))
        return cls(path, " ".join(description), header["parameters"], columns, text, lists)

    def read(self, store: GraphStore | GraphTransaction, /, **parameters: Any) -> Records:
        """Run the query and check the columns of its rows.

        Raises:
            QueryFileError: The database refused the statement, a column is missing, the lists of a row differ in
                length, or an id is not a text.
            GraphError: The database cannot be reached.
        """
        try:
            records = store.read(self.text, {name: parameters[name] for name in self.parameters})
        except StatementError as error:
            raise QueryFileError(f"{self.path}: {error}") from error
        for column in self.columns:
            if records.rows and column not in records.columns:
                raise QueryFileError(
                    f"{self.path}: its rows lack the column '{column}' (they have: "
                    f"{shorten(', '.join(records.columns)) or 'none'}); RETURN it"
                )
        if self.lists:
            records = self._spread(records)
        for column in self.columns:
            if column in _IDS:
                self._check_ids(column, records.column(column))
        return records

    def _spread(self, records: Records) -> Records:
        try:
            return records.spread(self.lists)
        except ValueError as error:
            names = ", ".join(sorted(self.lists))
            raise QueryFileError(
                f"{self.path}: {error}: {names}; collect() leaves nulls out, coalesce() keeps their places"
            ) from error

    def _check_ids(self, column: str, ids: list[Any]) -> None:
        allowed = {str, type(None)} if _IDS[column] else {str}
        if set(map(type, ids)) <= allowed:
            return
        wrong = next(value for value in ids if type(value) not in allowed)
        seen = "null" if wrong is None else f"{shorten(str(wrong))} ({type(wrong).__name__})"
        advice = "leave such rows out" if wrong is None else "RETURN toString(…)"
        raise QueryFileError(f"{self.path}: column '{column}' holds {seen}; ids are texts: {advice}")

    def write(self, store: GraphStore | GraphTransaction, /, **parameters: Any) -> WriteCounters:
        """Run the query as a writing statement.

        Raises:
            QueryFileError: The database refused the statement.
            GraphError: The database cannot be reached.
        """
        try:
            return store.write(self.text, {name: parameters[name] for name in self.parameters})
        except StatementError as error:
            raise QueryFileError(f"{self.path}: {error}") from error


class QuerySet:
    """The Cypher files in use, read and checked.

    Args:
        user_dir: Folder whose files replace shipped ones.
        embedded: Whether files of ``cypher/embedded/`` replace those of ``cypher/``.

    Raises:
        QueryFileError: A file has no header, lacks a column of the shipped file, has a parameter that the shipped file
            does not have, writes although the shipped file only reads, or has the name of no shipped file.
    """

    def __init__(self, user_dir: Path | None = None, *, embedded: bool = False) -> None:
        shipped = sorted(path.stem for path in resources.cypher_dir().glob("*.cypher"))
        if user_dir is not None:
            _check_folder(user_dir, shipped)
        self._queries = {
            name: Query.read_file(resources.query_file(name, user_dir, embedded=embedded)) for name in shipped
        }
        for name, query in self._queries.items():
            model = Query.read_file(resources.cypher_dir() / f"{name}.cypher")
            missing = [column for column in model.columns if column not in query.columns]
            if missing:
                raise QueryFileError(f"{query.path}: its header lacks the column '{missing[0]}' of {model.path.name}")
            extra = [parameter for parameter in query.parameters if parameter not in model.parameters]
            if extra:
                given = ", ".join(model.parameters) or "none"
                raise QueryFileError(f"{query.path}: kptool gives no parameter ${extra[0]} to it; it gives: {given}")
            if writing_clause(model.text) is None:
                _check_reading(query, model.path.name, embedded)

    def __getitem__(self, name: str) -> Query:
        if name not in self._queries:
            raise QueryFileError(f"no Cypher file {name}.cypher; there are: {', '.join(self._queries)}")
        return self._queries[name]

    def __iter__(self) -> Any:
        return iter(self._queries.values())


def _check_reading(query: Query, replaced: str, embedded: bool) -> None:
    """Check that a query reads the graph and nothing else."""
    if (clause := writing_clause(query.text, procedures=not embedded)) is not None:
        raise QueryFileError(
            f"{query.path}: {clause} may write, and {replaced} only reads; leave it out (a variable of this name: call "
            "it something else)"
        )
    if (clause := reaching_clause(query.text)) is not None:
        raise QueryFileError(
            f"{query.path}: {clause} may read files or the network, and {replaced} reads the graph alone; leave it out"
        )


def _names(text: str, where: str) -> tuple[str, ...]:
    names = [name.strip().lstrip("$") for name in text.split(",")]
    for name in names:
        if name and not _NAME.fullmatch(name):
            raise QueryFileError(f"{where}: '{shorten(name)}' is no name; separate names by commas")
    return tuple(name for name in names if name and name.lower() != "none")


def _check_folder(user_dir: Path, shipped: list[str]) -> None:
    if not user_dir.is_dir():
        raise QueryFileError(f"{user_dir}: no such folder; set graph.cypher to a folder with your Cypher files")
    for path in sorted(user_dir.glob("*.cypher")):
        if path.stem not in shipped:
            raise QueryFileError(f"{path}: kptool uses no file of this name; it uses: {', '.join(shipped)}")
