"""What files of triples hold, as tests compare it."""

from __future__ import annotations

from pathlib import Path

from kptoolkit.graph.loading.survey import Survey, survey
from kptoolkit.graph.sources.open_source import open_source


def read(*paths: Path, **options: object) -> Survey:
    """What is in the files."""
    return survey(open_source(paths, **options))  # type: ignore[arg-type]


def triples(found: Survey) -> set[tuple[str, str, str]]:
    """Its triples, by ids."""
    rows = zip(found.head, found.relation, found.tail, strict=True)
    return {(found.entities[head], found.relations[relation], found.entities[tail]) for head, relation, tail in rows}


def names(found: Survey) -> dict[str, str]:
    """Names of its entities, by id."""
    return dict(zip(found.entities, found.names, strict=True))
