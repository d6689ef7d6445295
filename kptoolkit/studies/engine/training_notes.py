"""What a study notes of a training next to its run: the triples that its change has added, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.storage.arrays import read_arrays, write_arrays
from kptoolkit.studies.engine.same_training import GRAPH, INTERACTIONS
from kptoolkit.studies.engine.stored_triples import Triples

ADDED: Final = "added triples"
"""Figure of a training whose change exchanges triples: the share of its triples that the graph does not have."""

_NAMES: Final = ("figures", "inputs", "resumed")


@dataclass(frozen=True)
class TrainingNotes:
    """Notes of one training.

    Attributes:
        added: Triples that its change has added.
        figures: Figures by name.
        inputs: Fingerprints of the interactions and the graph before the change; empty without a change.
        resumed: Whether it was resumed from a checkpoint, so that what is measured of the process, its time and its
            memory, is that of its last part.
    """

    added: Triples = field(default_factory=Triples.none)
    figures: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    resumed: bool = False

    @classmethod
    def of_change(cls, before: Prepared, after: Prepared) -> TrainingNotes:
        """Note what a change of the inputs has added, since the run does not keep the inputs before it."""
        inputs = {INTERACTIONS: before.interactions.content_hash(), GRAPH: before.graph_fingerprint}
        old, new = before.knowledge.neighbourhoods, after.knowledge.neighbourhoods
        if old.relation is new.relation and old.far is new.far:
            return cls(inputs=inputs)
        triples = Triples.of(new)
        added = triples.without(Triples.of(old))
        return cls(added, {ADDED: len(added) / max(1, len(triples))}, inputs)

    @classmethod
    def load(cls, folder: Path) -> TrainingNotes:
        """Read the notes of a folder; none if there is no folder."""
        if not folder.is_dir():
            return cls()
        arrays, extra = read_arrays(folder)
        return cls(Triples(**arrays), **{name: extra[name] for name in _NAMES if name in extra})

    def save(self, folder: Path) -> None:
        """Write to a folder, atomically and with checksums."""
        write_arrays(folder, self.added.arrays, {name: getattr(self, name) for name in _NAMES})
