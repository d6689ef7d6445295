"""Changes of the titles of a training."""

from __future__ import annotations

from dataclasses import replace

from kptoolkit.knowledge.prepare import Prepared


def without_titles(prepared: Prepared, _: int) -> Prepared:
    """Take the titles of all items away, so that nothing but ids and triples is known of them."""
    catalogue = prepared.catalogue.untitled()
    return replace(prepared, catalogue=catalogue, knowledge=replace(prepared.knowledge, catalogue=catalogue))
