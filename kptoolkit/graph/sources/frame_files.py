"""Triples, names, links and items of DataFrames as a source: Parquet files in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.file_source import FileSource
from kptoolkit.graph.sources.open_source import open_source
from kptoolkit.storage.layouts.frames import DataFrame, errors_of_frames, write_frames
from kptoolkit.storage.values.letters import has_letter_without_case

_WORD = re.compile(r"[^\W\d_]{3}")
_CODE = re.compile(r"[mg]\.|\S+://")


def write_graph_files(folder: Path, frames: Mapping[str, DataFrame], item_ids: Iterable[str] | None = None) -> None:
    """Write the files that :func:`frame_source` reads.

    Without ``names``, ids that are words are names. Without ``links``, an item is linked to the entity of the same id.

    Args:
        folder: Empty folder.
        frames: ``triples``, and ``names``, ``links`` and ``items`` if there are any.
        item_ids: Ids of items to link where there are no links; ``None`` takes those of ``items``.

    Raises:
        DataError: A table is wrong, or ``item_ids`` are given, and none of them is an entity of the triples.
    """
    import pyarrow as pa

    write_frames(folder, frames)
    with errors_of_frames(folder):
        entities = _entities(folder)
        if "names" not in frames:
            words = [entity for entity in entities if _reads_as_name(entity)]
            write_frames(folder, {"names": pa.table({"entity_id": words, "name": words}, _texts("entity_id", "name"))})
        if "links" not in frames:
            known = set(entities)
            linked = [item for item in dict.fromkeys(_items(folder) if item_ids is None else item_ids) if item in known]
            if item_ids is not None and not linked:
                raise DataError(
                    "none of the items of the interactions is an entity of the triples; give links, a DataFrame with "
                    "item_id and entity_id",
                    folder / "triples.parquet",
                )
            columns = {"item_id": linked, "entity_id": linked}
            write_frames(folder, {"links": pa.table(columns, _texts("item_id", "entity_id"))})


def frame_source(folder: Path) -> FileSource:
    """Return the source of the files of :func:`write_graph_files`.

    Raises:
        DataError: A column is missing.
    """
    items = folder / "items.parquet"
    return open_source(
        [folder / "triples.parquet"],
        names=folder / "names.parquet",
        link=folder / "links.parquet",
        items=items if items.is_file() else None,
    )


def _reads_as_name(entity: str) -> bool:
    return (bool(_WORD.search(entity)) or has_letter_without_case(entity)) and not _CODE.match(entity)


def _entities(folder: Path) -> list[str]:
    found: dict[str, None] = {}
    for table in open_source([folder / "triples.parquet"]).triples():
        found |= dict.fromkeys(table["head"]) | dict.fromkeys(table["tail"])
    return list(found)


def _items(folder: Path) -> list[str]:
    items = folder / "items.parquet"
    if not items.is_file():
        return []
    source = open_source([folder / "triples.parquet"], items=items)
    return [item for table in source.items() for item in table["item_id"]]


def _texts(*names: str) -> object:
    """Arrow's schema of columns of texts, which columns without rows need."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in names])
