"""Sources without names: readable ids become names, and nothing else does."""

from __future__ import annotations

import pytest

from kptoolkit.graph.loading.survey import survey
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.graph.sources.readable_ids import names_of_ids


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["The Matrix", "Keanu Reeves", "1999"], ["The Matrix", "Keanu Reeves", "1999"]),
        (["Lana_Wachowski", "Science_Fiction"], ["Lana Wachowski", "Science Fiction"]),
        (["http://dbpedia.org/resource/Am%C3%A9lie", "dbr:Al_Pacino"], ["Amélie", "Al Pacino"]),
        (["東京物語", "小津安二郎"], ["東京物語", "小津安二郎"]),
        (["Heat", "Casino", "_:file.ttl#3"], ["Heat", "Casino", ""]),
        (["Q42", "Q171048", "http://www.wikidata.org/entity/Q1"], []),
        (["m.0dyb1", "m.0gmdk", "g.11b6"], []),
        (["film_12", "film_13", "film_14"], []),
        (["tt0114709", "tt0113497", "1"], []),
        (["3fa85f64-5717-4562-b3fc-2c963f66afa6", "0114709"], []),
        (["1", "2"], []),
        ([], []),
    ],
)
def test_names_of_ids(ids: list[str], names: list[str]) -> None:
    assert names_of_ids(ids) == names


@pytest.mark.parametrize(
    ("ids", "items", "names"),
    [
        (["1", "2", "3", "Crime", "Space opera"], ["1", "2", "3"], ["", "", "", "Crime", "Space opera"]),
        (["Heat", "2", "Crime"], ["Heat", "2"], ["Heat", "", "Crime"]),
        (["1", "2", "Q5", "Q6", "Crime"], ["1", "2"], []),
        (["Heat", "Ronin"], ["Heat", "Ronin"], ["Heat", "Ronin"]),
        (["1", "2"], ["1", "2"], []),
    ],
)
def test_ids_of_items_do_not_count(ids: list[str], items: list[str], names: list[str]) -> None:
    assert names_of_ids(ids, set(items)) == names


def test_items_that_are_numbers_leave_values_their_names() -> None:
    triples = [(str(number), "genre", "Crime" if number % 2 else "Space opera") for number in range(9)]
    found = survey(MemorySource(triples, links_=[(str(number), str(number)) for number in range(9)]))
    assert found.named_by_id
    assert {name for name in found.names if name} == {"Crime", "Space opera"}


def test_one_name_is_enough_to_leave_ids_alone() -> None:
    triples = [("The Matrix", "has_genre", "Science Fiction"), ("Speed", "has_genre", "Science Fiction")]
    bare = survey(MemorySource(triples))
    assert bare.named_by_id
    assert bare.names == bare.entities
    named = survey(MemorySource(triples, names_={"Speed": "Speed (1994)"}))
    assert not named.named_by_id
    assert sorted(named.names) == ["", "", "Speed (1994)"]


@pytest.mark.parametrize("titles", [True, False])
def test_names_of_items_alone_leave_values_their_ids(titles: bool) -> None:
    triples = [(str(number), "brand", "Acme" if number % 2 else "Globex") for number in range(9)]
    named = {str(number): f"Product {number}" for number in range(9)}
    links = [(one, one) for one in named]
    source = MemorySource(triples, links_=links, items_=[*named.items()]) if titles else None
    found = survey(source or MemorySource(triples, links_=links, names_=named))
    assert dict(zip(found.entities, found.names, strict=True)) == {**named, "Acme": "Acme", "Globex": "Globex"}
    assert {found.entities[number] for number in found.by_id} == {"Acme", "Globex"}
