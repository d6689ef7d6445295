"""The bundled demo data: consistent in itself and what its generator writes."""

import csv
import importlib.util
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

Triples = list[tuple[str, str, str]]
Histories = dict[str, list[tuple[str, str, str]]]
DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo"
PREVIOUS = "book.written_work.previous_in_series"
NEXT = "book.written_work.next_in_series"
HEADERS = {
    "kg": "head_id:token\trelation_id:token\ttail_id:token",
    "ent": "entity_id:token\tname:token_seq",
    "item": "item_id:token\ttitle:token_seq",
    "link": "item_id:token\tentity_id:token",
    "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float",
}
RELATIONS = {
    "book.written_work.author",
    "book.book.genre",
    "book.written_work.date_of_first_publication",
    "book.written_work.original_language",
    "book.written_work.part_of_series",
    PREVIOUS,
    NEXT,
    "book.written_work.subject",
    "book.book.setting",
    "book.book.character",
    "people.person.place_of_birth",
    "people.person.nationality",
    "people.person.spouse",
    "influence.author.movement",
    "influence.influence_node.influenced_by",
    "location.location.containedby",
}


def rows(suffix: str) -> list[list[str]]:
    with (DEMO / f"demo.{suffix}").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


@pytest.fixture(scope="module")
def triples() -> Triples:
    return [(head, relation, tail) for head, relation, tail in rows("kg")]


@pytest.fixture(scope="module")
def linked() -> dict[str, str]:
    return {row[0]: row[1] for row in rows("link")}


@pytest.fixture(scope="module")
def histories() -> Histories:
    found = defaultdict(list)
    for user, item, rating, day in rows("inter"):
        found[user].append((item, rating, day))
    return dict(found)


def neighbours(triples: Triples, both_ways: bool) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for head, _, tail in triples:
        found[head].add(tail)
        if both_ways:
            found[tail].add(head)
    return found


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_generate", DEMO / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.process
def test_the_generator_writes_what_is_on_disk() -> None:
    done = subprocess.run([sys.executable, str(DEMO / "generate.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_check_notices_a_changed_and_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = generator()
    texts = module.build_files()
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "demo.kg").write_text("changed")
    (tmp_path / "demo.link").unlink()
    monkeypatch.setattr(module, "build_files", lambda: texts)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert module.main() == 1
    assert "demo.kg, demo.link" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", HEADERS)
def test_headers_and_columns(suffix: str) -> None:
    text = (DEMO / f"demo.{suffix}").read_bytes().decode("utf-8")
    lines = text.split("\n")
    assert lines[0] == HEADERS[suffix]
    assert lines[-1] == ""
    assert "\r" not in text
    for line in lines[1:-1]:
        cells = line.split("\t")
        assert len(cells) == lines[0].count("\t") + 1
        assert all(cell and cell == cell.strip() for cell in cells)


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if "__pycache__" not in path.parts) < 600_000


def test_enough_books_and_relations(triples: Triples, linked: dict[str, str]) -> None:
    assert len(linked) >= 150
    relations = {relation for _, relation, _ in triples}
    assert relations == RELATIONS
    assert len(relations) >= 8


def test_every_end_of_a_triple_has_a_name(triples: Triples) -> None:
    entities = [key for key, _ in rows("ent")]
    assert len(entities) == len(set(entities))
    assert {end for head, _, tail in triples for end in (head, tail)} == set(entities)


def test_no_duplicate_or_circular_triple(triples: Triples) -> None:
    assert len(triples) == len(set(triples))
    assert all(head != tail for head, _, tail in triples)


def test_links_join_known_items_to_known_books(linked: dict[str, str]) -> None:
    items, entities = dict(rows("item")), dict(rows("ent"))
    assert len(items) == len(rows("item"))
    assert len(linked) == len(rows("link")) == len(set(linked.values()))
    assert all(entities[entity] == items[item] for item, entity in linked.items())
    assert len(items) - len(linked) == 3


def test_unlinked_items_are_no_entities(linked: dict[str, str]) -> None:
    names = {name for _, name in rows("ent")}
    assert not [title for item, title in rows("item") if item not in linked and title in names]


def test_every_linked_book_is_reachable_from_every_other(triples: Triples, linked: dict[str, str]) -> None:
    around = neighbours(triples, both_ways=True)
    first = next(iter(linked.values()))
    seen, open_ends = {first}, [first]
    while open_ends:
        new = around[open_ends.pop()] - seen
        seen |= new
        open_ends.extend(new)
    assert set(linked.values()) <= seen


def test_every_linked_book_has_author_genre_and_subject(triples: Triples, linked: dict[str, str]) -> None:
    stated = {(head, relation) for head, relation, _ in triples}
    wanted = ("book.written_work.author", "book.book.genre", "book.written_work.subject")
    assert not [(book, name) for book in linked.values() for name in wanted if (book, name) not in stated]


def test_series_are_mirrored_and_stay_inside_one_series(triples: Triples) -> None:
    forward = {(head, tail) for head, relation, tail in triples if relation == NEXT}
    backward = {(tail, head) for head, relation, tail in triples if relation == PREVIOUS}
    assert forward
    assert forward == backward
    series = {head: tail for head, relation, tail in triples if relation == "book.written_work.part_of_series"}
    assert all(series[head] == series[tail] for head, tail in forward)
    after = dict(forward)
    assert len(after) == len(forward)
    for start in after:
        walked, book = {start}, start
        while book in after:
            book = after[book]
            assert book not in walked
            walked.add(book)


def test_years_are_before_1928(triples: Triples) -> None:
    years = [tail for _, relation, tail in triples if relation == "book.written_work.date_of_first_publication"]
    assert years
    assert all(1400 < int(year.removeprefix("year:")) < 1928 for year in years)


def test_most_books_gain_something_on_the_second_hop(triples: Triples, linked: dict[str, str]) -> None:
    ahead = neighbours(triples, both_ways=False)
    gaining = 0
    for book in linked.values():
        near = ahead[book]
        far = set[str]().union(*(ahead.get(entity, set()) for entity in near)) - near - {book}
        gaining += bool(far)
    assert gaining / len(linked) >= 0.7


def test_readers(histories: Histories) -> None:
    known = {item for item, _ in rows("item")}
    assert "Ada Finch" in histories
    assert len(histories) >= 100
    for events in histories.values():
        items = [item for item, _, _ in events]
        days = [int(day) for _, _, day in events]
        assert 12 <= len(items) <= 40
        assert len(set(items)) == len(items)
        assert set(items) <= known
        assert all(earlier < later for earlier, later in pairwise(days))
        assert {rating for _, rating, _ in events} == {"1.0"}


def test_no_reader_bears_the_name_of_a_person_or_character(histories: Histories) -> None:
    assert not set(histories) & {name for _, name in rows("ent")}


def test_the_readme_states_the_numbers(linked: dict[str, str], histories: Histories) -> None:
    text = (DEMO / "README.md").read_text(encoding="utf-8")
    assert "simulated readers: shows that the tool works, is no evidence for the method" in text
    assert f"Facts about {len(linked)} books" in text
    assert f"{len(histories)}\nsimulated readers" in text
