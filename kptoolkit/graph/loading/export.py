"""Exports a source as CSV files for ``neo4j-admin database import full``, with the command to run.

The imported database equals one that :func:`kptoolkit.graph.loading.load.load` filled, except for the schema, which
``schema.cypher`` adds.
"""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kptoolkit.errors import DataError
from kptoolkit.graph.loading.load import COMPLETE
from kptoolkit.graph.loading.node_rows import entity_row, item_row
from kptoolkit.graph.loading.survey import SourceItem, Survey
from kptoolkit.graph.queries import QuerySet
from kptoolkit.progress import ProgressCallback, silent
from kptoolkit.storage.atomic import atomic_write, write_text
from kptoolkit.storage.batches import Meter
from kptoolkit.storage.replacement import atomic_parts, folder_lock

SOURCE = "kptool"
_ENTITIES, _ITEMS, _META = "entities.csv", "items.csv", "kptool.csv"
_RELATIONSHIPS, _SCHEMA = "relationships.csv", "schema.cypher"
_ENTITY_HEADER = "id:ID(Entity),name,name_lower,degree:long,item_id,source,:LABEL"
_ITEM_HEADER = "item_id:ID(Item),name,name_lower,entity_id,source,:LABEL"
_META_HEADER = "name:ID(Kptool),source,revision,state,mode,load,relation_labels,:LABEL"
_RELATIONSHIP_HEADER = ":START_ID(Entity),:END_ID(Entity),relation,source,:TYPE"
#: Maximum number of bytes of a row that the import tool reads by default; half of its buffer of 4 MiB.
_ROW_BYTES = 1 << 21
_BATCH = 20_000


@dataclass(frozen=True)
class Export:
    """The written files, and how to import them.

    Attributes:
        folder: Folder of the files.
        files: Data rows by file name.
        entities: Entities.
        items: Items, including those that are entities.
        relations: Triples by relation, the most frequent first.
        command: Shell command that imports the files.
        schema_command: Shell command that adds the schema when the server is running.
    """

    folder: str
    files: dict[str, int]
    entities: int
    items: int
    relations: dict[str, int]
    command: str
    schema_command: str

    @property
    def relationships(self) -> int:
        """Number of triples."""
        return sum(self.relations.values())

    def to_json(self) -> dict[str, Any]:
        """Return all figures as values for JSON."""
        return {**asdict(self), "relationships": self.relationships}


def export_csv(found: Survey, folder: Path, *, database: str = "neo4j", progress: ProgressCallback = silent) -> Export:
    """Write the files.

    Args:
        found: Result of :func:`~kptoolkit.graph.loading.survey.survey`.
        folder: Folder to write to, created if missing. Files of an earlier export are replaced together.
        database: The database to import into.
        progress: Progress callback.

    Raises:
        DataError: The folder cannot be written.
        LockedError: Another export into the folder is running.
    """
    labelled = {item.entity: item for item in found.items if item.first}
    others = [item for item in found.items if not item.first]
    with _failures(folder), folder_lock(folder), atomic_parts(folder, () if others else (_ITEMS,)) as new:
        sheets = [
            _Sheet.write(new / _ENTITIES, _ENTITY_HEADER, _entities(found, labelled, progress)),
            _Sheet.write(new / _META, _META_HEADER, [_meta(found)]),
            _Sheet.write(new / _RELATIONSHIPS, _RELATIONSHIP_HEADER, _triples(found, progress)),
        ]
        if others:
            sheets.insert(1, _Sheet.write(new / _ITEMS, _ITEM_HEADER, _items(found, others)))
        statements = (query.text for query in QuerySet() if query.path.stem.startswith("schema_"))
        write_text(new / _SCHEMA, "".join(f"{text};\n" for text in statements))
    return Export(
        folder=str(folder),
        files={sheet.path.name: sheet.rows for sheet in sheets},
        entities=len(found.entities),
        items=len(found.items),
        relations=found.relation_counts(),
        command=_command(folder, sheets, database),
        schema_command=f"{_go_to(folder)} && cypher-shell -d {shlex.quote(database)} -f {_SCHEMA}",
    )


@dataclass
class _Sheet:
    """One CSV file with its counts: every text is quoted, ``None`` is an empty cell."""

    path: Path
    rows: int = 0
    longest: int = 0
    breaks: bool = False

    @classmethod
    def write(cls, path: Path, header: str, rows: Iterable[Sequence[str | int | None]]) -> _Sheet:
        sheet = cls(path)
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(header + "\n")
            for row in rows:
                file.write(sheet._line(row))
        return sheet

    def _line(self, row: Sequence[str | int | None]) -> str:
        """Return a row as text, and count it."""
        line = ",".join(map(_cell, row))
        self.rows += 1
        self.breaks = self.breaks or "\n" in line or "\r" in line
        if len(line) > self.longest:
            self.longest = max(self.longest, len(line.encode()))
        return line + "\n"


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else '"' + value.replace('"', '""') + '"'


def _entities(
    found: Survey, labelled: dict[int, SourceItem], progress: ProgressCallback
) -> Iterator[tuple[str | int | None, ...]]:
    meter = Meter("write entities", len(found.entities), "entities", progress)
    columns = zip(found.entities, found.names, found.degrees, strict=True)
    for number, (entity, name, degree) in enumerate(columns):
        row, item = entity_row(entity, name, int(degree)), labelled.get(number)
        item_id, labels = (None, "Entity") if item is None else (item.item_id, "Entity;Item")
        yield row["id"], row["name"], row["name_lower"], row["degree"], item_id, SOURCE, labels
        if number % _BATCH == _BATCH - 1:
            meter.add(_BATCH)
    meter.add(len(found.entities) % _BATCH)


def _items(found: Survey, items: Sequence[SourceItem]) -> Iterator[tuple[str | None, ...]]:
    for item in items:
        row = item_row(found, item)
        yield row["item_id"], row["name"], row["name_lower"], row["entity_id"], SOURCE, "Item"


def _meta(found: Survey) -> tuple[str | None, ...]:
    labels = json.dumps(dict(found.relation_labels), ensure_ascii=False) if found.relation_labels else None
    return "kg", SOURCE, uuid.uuid4().hex, COMPLETE, "upsert", found.digest(), labels, "KptoolGraph"


def _triples(found: Survey, progress: ProgressCallback) -> Iterator[tuple[str, ...]]:
    entities, relations = found.entities, found.relations
    meter = Meter("write triples", len(found), "triples", progress)
    for start in range(0, len(found), _BATCH):
        part = slice(start, start + _BATCH)
        codes = (column[part].tolist() for column in (found.head, found.relation, found.tail))
        for head, relation, tail in zip(*codes, strict=True):
            yield entities[head], entities[tail], relations[relation], SOURCE, relations[relation]
        meter.add(min(_BATCH, len(found) - start))


def _command(folder: Path, sheets: Sequence[_Sheet], database: str) -> str:
    """Return the import command, run inside the folder, since a comma in a path would end a file name."""
    words = ["neo4j-admin", "database", "import", "full", database]
    for sheet in sheets:
        words.append(f"--{'relationships' if sheet.path.name == _RELATIONSHIPS else 'nodes'}={sheet.path.name}")
    words.append("--bad-tolerance=0")
    if any(sheet.breaks for sheet in sheets):
        words.append("--multiline-fields=true")
    longest = max(sheet.longest for sheet in sheets)
    if longest > _ROW_BYTES:
        words.append(f"--read-buffer-size={2 * longest}")
    return f"{_go_to(folder)} && {shlex.join(words)}"


def _go_to(folder: Path) -> str:
    return f"cd {shlex.quote(str(folder.resolve()))}"


@contextmanager
def _failures(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}; give another --output", folder) from error
