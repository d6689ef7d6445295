"""The protocol of a source: columns of text in batches, to load into a graph. Ids are always texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from kptoolkit.storage.text_tables import BadRows, Table


@runtime_checkable
class TripleSource(Protocol):
    """A source of triples, names, items, links and interactions. Every method may be called more than once."""

    @property
    def label(self) -> str:
        """Name of the source in messages."""
        ...

    @property
    def bad_rows(self) -> BadRows:
        """What to do with bad rows, and those that were skipped."""
        ...

    @property
    def literals_left_out(self) -> int:
        """Number of RDF literals that are neither names nor entities, after :meth:`triples` was read."""
        ...

    def warnings(self) -> list[str]:
        """Return what is probably wrong with the source, a sentence each, after everything was read."""
        ...

    def triples(self) -> Iterator[Table]:
        """Yield the columns ``head``, ``relation``, ``tail``."""
        ...

    def names(self) -> Iterator[Table]:
        """Yield the columns ``entity_id``, ``name``, also of relations; the first name of an id counts."""
        ...

    def links(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``entity_id``."""
        ...

    def items(self) -> Iterator[Table]:
        """Yield the columns ``item_id`` and, if there are titles, ``title``."""
        ...

    def interactions(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id`` and, if the source has them, ``time`` and ``rating``."""
        ...
