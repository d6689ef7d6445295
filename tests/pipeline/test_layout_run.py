"""From a folder in the layout of another project to the knowledge of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from kptoolkit.config import load_config
from kptoolkit.graph import Graph, open_source
from kptoolkit.knowledge.prepare import prepare
from kptoolkit.progress import ProgressEvent

KGAT = Path(__file__).resolve().parents[1] / "layouts" / "kgat"


@pytest.mark.embedded
def test_items_of_kgat_meet_their_triples(tmp_path: Path) -> None:
    config = load_config(None, {"data.dir": str(KGAT), "graph.uri": f"embedded:{tmp_path / 'kg'}"}, {})
    notes: list[ProgressEvent] = []
    with Graph.open(config=config.graph) as graph:
        report = graph.load(open_source([KGAT], interactions=True), interactions=True)
        assert report.interactions == 14
        prepared = prepare(config, graph=graph, progress=notes.append)
    assert len(prepared.catalogue) == 5
    assert all(prepared.catalogue.entity_ids)
    assert next(event.note for event in notes if event.note).startswith("recognized KGAT")
