"""The protocol of a source: columns of text in batches, to load into a graph. Ids are always texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from kptoolkit.storage.text_tables import BadRows, Table


class TripleSource(Protocol):
    """Something to load. Every method may be called more than once."""

    @property
    def label(self) -> str:
        """Its name in messages."""
        ...

    @property
    def bad_rows(self) -> BadRows:
        """What became of bad rows."""
        ...

    @property
    def literals_left_out(self) -> int:
        """Literals of RDF that are neither names nor entities, once :meth:`triples` is read."""
        ...

    def triples(self) -> Iterator[Table]:
        """Columns ``head``, ``relation``, ``tail``."""
        ...

    def names(self) -> Iterator[Table]:
        """Columns ``entity_id``, ``name``."""
        ...

    def links(self) -> Iterator[Table]:
        """Columns ``item_id``, ``entity_id``."""
        ...

    def items(self) -> Iterator[Table]:
        """Columns ``item_id`` and, if there are titles, ``title``."""
        ...

    def interactions(self) -> Iterator[Table]:
        """Columns ``user_id``, ``item_id`` and, if the source has them, ``time`` and ``rating``."""
        ...
