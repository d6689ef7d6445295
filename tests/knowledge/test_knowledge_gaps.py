"""Items with events and without knowledge: counted, explained, and an error if no name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kptoolkit.config import Config
from kptoolkit.errors import DataError
from kptoolkit.graph import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.knowledge.prepare import input_reports, prepare
from kptoolkit.progress import ProgressEvent

pytestmark = pytest.mark.embedded
IDS = [f"0{number}" for number in range(10, 18)]
#: Arguments of the source; part of what is reported.
SOURCES = [
    (
        {"links_": [(one, one) for one in IDS[:3]]},
        "only 3 of 8 items with events have triples: 5 have no link to the graph",
    ),
    (
        {"links_": [(one, one if one == "010" else f"x{one}") for one in IDS]},
        "only 1 of 8 items with events have triples: 7 are linked to an entity without triples",
    ),
    (
        {"links_": [(one, one) for one in IDS], "names_": {"tail 0": "Drama"}},
        "only 2 of 8 items with events have triples: 6 have triples whose other ends have no name",
    ),
    (
        {"links_": [("010", "010"), *((one[1:], one) for one in IDS[1:])]},
        "only 1 of 8 .*7 have no link to the graph; 7 items of the graph .*--item-ids 'zeros=3' .11 becomes 011",
    ),
]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    with Graph.open(f"embedded:{tmp_path_factory.mktemp('gaps') / 'kg'}") as opened:
        yield opened


def prepared(folder: Path, graph: Graph, source: MemorySource, **prompts: object) -> tuple[list[str], dict[str, int]]:
    """What is reported, and the counts of knowledge, for three users with all items."""
    rows = [f"u{user},{item},{time}" for user in range(3) for time, item in enumerate(IDS)]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    settings = {"data": {"dir": str(folder)}, "graph": {"uri": graph.uri}, "prompts": prompts}
    config = Config.model_validate(settings)
    notes: list[ProgressEvent] = []
    graph.load(source, mode="replace")
    found = prepare(config, graph=graph, progress=notes.append)
    return [note.note for note in notes if note.stage == "knowledge"], input_reports(found)["knowledge"]


def source_of(**fields: object) -> MemorySource:
    triples = [(one, "genre", f"tail {number % 4}") for number, one in enumerate(IDS)]
    names = {f"tail {number}": f"Genre {number}" for number in range(4)}
    return MemorySource(**({"triples_": triples, "names_": names} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(("fields", "said"), SOURCES)
def test_few_items_with_knowledge_are_reported_with_the_reason(
    tmp_path: Path, graph: Graph, fields: dict[str, object], said: str
) -> None:
    notes, counts = prepared(tmp_path, graph, source_of(**fields))
    assert re.search(said, notes[0])
    assert counts["items_with_events"] == 8
    assert f"only {counts['items_with_events_and_triples']} of 8" in notes[0]


def test_enough_knowledge_is_not_reported(tmp_path: Path, graph: Graph) -> None:
    notes, counts = prepared(tmp_path, graph, source_of(links_=[(one, one) for one in IDS[:4]]))
    assert notes == []
    assert counts["items_with_events_and_triples"] == 4


def test_no_name_at_all_is_an_error_with_both_ways_out(tmp_path: Path, graph: Graph) -> None:
    source = source_of(links_=[(one, one) for one in IDS], names_={})
    with pytest.raises(DataError, match=r"none of 8 items .*--names FILE.*prompts\.keep_nameless=true"):
        prepared(tmp_path, graph, source)


def test_ids_as_names_are_the_way_out(tmp_path: Path, graph: Graph) -> None:
    source = source_of(links_=[(one, one) for one in IDS], names_={})
    notes, counts = prepared(tmp_path, graph, source, keep_nameless=True)
    assert notes == []
    assert counts["items_with_events_and_triples"] == 8


@pytest.mark.parametrize("names", [{}, {"Science Fiction": "Science fiction", "Drama": "Drama"}])
def test_ids_that_serve_as_names_are_reported(tmp_path: Path, graph: Graph, names: dict[str, str]) -> None:
    triples = [
        (f"the film {letter}", "genre", ("Science Fiction", "Drama")[at % 2]) for at, letter in enumerate("abcdefgh")
    ]
    links = [(one, triple[0]) for one, triple in zip(IDS, triples, strict=True)]
    source = MemorySource(triples, names, links, items_=[(one, f"Title {one}") for one in IDS])
    notes, _ = prepared(tmp_path, graph, source)
    said = "the graph has no names: entities are called by their ids, which are readable; load-kg --names names them"
    assert notes == ([] if names else [said])


def test_values_of_items_have_names_of_their_own(tmp_path: Path, graph: Graph) -> None:
    """``genre:Drama`` is called Drama by the table of items that it is from, not because its id is readable."""
    triples = [(one, "genre", f"genre:{('Drama', 'Comedy')[number % 2]}") for number, one in enumerate(IDS)]
    source = source_of(
        triples_=triples,
        names_={"genre:Drama": "Drama", "genre:Comedy": "Comedy"},
        links_=[(one, one) for one in IDS],
        items_=[(one, f"Title {one}") for one in IDS],
    )
    assert prepared(tmp_path, graph, source)[0] == []
