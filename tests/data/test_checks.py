from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kptoolkit.data.checking.checks import check, stats
from kptoolkit.data.checking.finding import Finding
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.errors import DataError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.link_check import item_warnings
from kptoolkit.graph.loading.load import dry_run
from kptoolkit.graph.loading.survey import survey


def write(folder: Path, **files: str) -> Path:
    """A folder with ``x.<suffix>`` files; ``|`` between fields, blank lines between nothing."""
    headers = {
        "inter": "user_id:token|item_id:token|timestamp:float",
        "item": "item_id:token|title:token_seq",
        "link": "item_id:token|entity_id:token",
        "ent": "entity_id:token|name:token_seq",
        "kg": "head_id:token|relation_id:token|tail_id:token",
    }
    for suffix, rows in files.items():
        text = "\n".join([headers[suffix], *rows.split("\n")]) + "\n"
        (folder / f"x.{suffix}").write_text(text.replace("|", "\t"))
    return folder


def found(folder: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in check(folder)}


def count(folder: Path, begin: str) -> int:
    return next((f.count for what, f in found(folder).items() if what.startswith(begin)), 0)


GOOD = {
    "inter": "\n".join(f"u{u}|i{(u + k) % 6}|{10 * u + k}" for u in range(4) for k in range(5)),
    "item": "\n".join(f"i{i}|Title {i}" for i in range(6)),
    "link": "\n".join(f"i{i}|e:{i}" for i in range(6)),
    "ent": "\n".join([*(f"e:{i}|Entity {i}" for i in range(6)), "g:1|Genre"]),
    "kg": "\n".join(f"e:{i}|genre|g:1" for i in range(6)),
}


def test_a_good_folder_gives_no_finding(tmp_path: Path) -> None:
    assert check(write(tmp_path, **GOOD)) == []


@pytest.mark.parametrize(
    ("suffix", "rows", "begin", "expected"),
    [
        ("inter", "u0|i5|4", "events at the same time", 1),
        ("inter", "u0|i5|4", "users whose last two events share", 1),
        ("inter", "u0|i5|2", "users whose last two events share", 0),
        ("inter", "u0|i5|2", "events at the same time", 1),
        ("inter", "u0|i1|99", "events that repeat", 1),
        ("inter", "new|i1|99\nnew|i2|100", "users with fewer than 3 events", 1),
        ("inter", "new|i1|99\nnew|i2|100", "users with fewer than 5 events", 1),
        ("inter", "u0|i77|99", "items without a title", 1),
        ("inter", "u0|i77|99", "items without a link", 1),
        ("item", "i1|Again", "rows of the item file that repeat", 1),
        ("item", "i6|", "items without a title", 1),
        ("item", "i6|TITLE 5", "items that share their title with another (1 title)", 2),
        ("link", "i1|e:2", "links that give an item a second entity", 1),
        ("link", "i1|e:2", "links to an entity that an earlier item has already (1 entity)", 1),
        ("link", "i99|e:0", "links of items that are not in the catalogue", 1),
        ("link", "i9|e:99", "links to entities that are in no .ent", 1),
        ("ent", "e:9|\ne:10|Named", "entities of triples without a name", 0),
        ("kg", "e:1|genre|g:2", "entities of triples without a name", 1),
        ("kg", "e:1|genre|g:1", "triples given more than once", 1),
        ("kg", "e:1|genre|e:1", "triples from an entity to itself", 1),
    ],
)
def test_each_defect_is_found(tmp_path: Path, suffix: str, rows: str, begin: str, expected: int) -> None:
    folder = write(tmp_path, **GOOD | {suffix: f"{GOOD[suffix]}\n{rows}"})
    assert count(folder, begin) == expected


def test_repeated_mirrored_and_symmetric_relations(tmp_path: Path) -> None:
    rows = [f"a{i}|by|b{i}\na{i}|made by|b{i}\nb{i}|made|a{i}" for i in range(12)]
    rows += [f"a{i}|by|c{i}" for i in range(12)]
    rows += [f"p{i}|sibling|q{i}\nq{i}|sibling|p{i}" for i in range(6)]
    rows += [f"a{i}|rare|b{i}" for i in range(9)]
    findings = found(write(tmp_path, kg="\n".join(rows)))
    assert findings["relations that repeat the pairs of another"].examples == (
        "made by repeats by (100% of its pairs)",
    )
    assert findings["relations that are another one read backwards"].examples == (
        "made mirrors by (100% of its pairs)",
        "made mirrors made by (100% of its pairs)",
    )
    assert findings["relations that hold in both directions"].examples == ("sibling (100% of its pairs)",)


def test_what_the_pack_has_already_is_not_advised(tmp_path: Path) -> None:
    rows = [f"a{i}|P50|b{i}\na{i}|author|b{i}" for i in range(12)]
    rows += [f"a{i}|part_of|c{i}\nc{i}|has_part|a{i}" for i in range(12)]
    rows += [f"p{i}|similar_to|q{i}\nq{i}|similar_to|p{i}" for i in range(6)]
    rows += [f"s{i}|sibling|t{i}\nt{i}|sibling|s{i}" for i in range(6)]
    folder = write(tmp_path, kg="\n".join(rows))
    for pack in ("generic", "auto"):
        said = {finding.what: finding.examples for finding in check(folder, pack)}
        assert not [what for what in said if "another" in what]
        assert said["relations that hold in both directions"] == ("sibling (100% of its pairs)",)
    said = {finding.what: finding.examples for finding in check(folder, "movies")}
    assert len(said["relations that hold in both directions"]) == 2


def test_worst_first_and_nothing_to_split_is_an_error(tmp_path: Path) -> None:
    findings = check(write(tmp_path, inter="u|a|1\nu|b|1\nv|a|1", item="a|A"))
    assert [finding.level for finding in findings] == sorted(
        [f.level for f in findings], key="error warning note".index
    )
    assert findings[0].what == "users with fewer than 3 events"
    assert findings[0].to_json()["share"] == 1.0


def test_times_that_only_number_events(tmp_path: Path) -> None:
    rows = "\n".join(f"u{u}|i{k}|{k}" for u in range(5) for k in range(4))
    assert count(write(tmp_path, inter=rows), "times begin at the same value") == 1


def test_without_times(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("user,item\n" + "".join(f"u,{k}\n" for k in range(6)))
    assert count(tmp_path, "no time column") == 1
    assert count(tmp_path, "events at the same time") == 0


def test_stats(tmp_path: Path) -> None:
    values = stats(write(tmp_path, **GOOD))
    expected = {
        "users": 4,
        "items with events": 6,
        "events": 20,
        "density": 20 / 24,
        "events per user, median": 5.0,
        "catalogue items": 6,
        "linked items": 6,
        "triples": 6,
        "relations": 1,
        "entities": 7,
        "named entities": 7,
        "triples per item, mean": 1.0,
    }
    assert {name: values[name] for name in expected} == expected


def test_a_graph_alone_and_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no interactions here"):
        check(tmp_path)
    write(tmp_path, kg="a|r|b")
    assert stats(tmp_path) == {"triples": 1, "relations": 1, "entities": 2}
    assert "no interactions here" in found(tmp_path)
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("user,item\nu,1\n")
    with pytest.raises(DataError, match="several interactions files"):
        check(tmp_path)


@pytest.mark.skipif("KPTOOL_DATA" not in os.environ, reason="needs KPTOOL_DATA, the folder of the shared data")
def test_the_known_traps_are_found() -> None:
    data = Path(os.environ["KPTOOL_DATA"])
    movies = found(data / "movies")
    assert round(movies["events at the same time as the user's one before"].share or 0, 2) == 0.51
    assert round(movies["users whose last two events share their time"].share or 0, 2) == 0.44
    music = {finding.what.split(" (")[0]: finding for finding in check(data / "music")}
    assert round(music["events at the same time as the user's one before"].share or 0, 2) in (0.87, 0.88)
    assert music["links to an entity that an earlier item has already"].count == 202
    assert len(music["relations that repeat the pairs of another"].examples) == 1
    assert count(data / "books", "times begin at the same value") == 1


@pytest.mark.parametrize("unknown", ["NA", "n/a", "Unknown", "none", "?"])
def test_an_id_that_may_stand_for_no_value_is_found(tmp_path: Path, unknown: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"user_id,item_id\n{unknown},a\n{unknown},b\nNancy,a\n")
    found = [one for one in check(DataFolder.read(path), "auto") if "may stand for no value" in one.what]
    assert [(one.what.split()[0], one.count, one.examples) for one in found if one.count] == [("user", 1, (unknown,))]


@pytest.mark.parametrize("named", ["none", "items", "one more"])
def test_ids_that_serve_as_names_are_no_finding(tmp_path: Path, named: str) -> None:
    """``data check`` says what ``load-kg`` counts as nameless."""
    files = {**GOOD, "kg": "\n".join(f"e:{i}|brand|{'Acme' if i % 2 else 'Globex'}" for i in range(6))}
    rows = {"none": "e:99|Other", "items": "\n".join(f"e:{i}|Entity {i}" for i in range(6))}
    files["ent"] = rows["items"] + "\nAcme|Acme Corporation" if named == "one more" else rows[named]
    folder = write(tmp_path, **files)
    report = dry_run(open_source([folder]))
    expected = {"none": 0, "items": 0, "one more": 1}[named]
    assert (count(folder, "entities of triples without a name"), report.nameless_entities) == (expected, expected)


FORMS: dict[str, Callable[[int], tuple[str, str, str]]] = {
    "zeros": lambda number: (f"{number:010}", str(number), "zeros"),
    "prefix": lambda number: (str(number), f"book{number}", "prefix=book"),
    "case": lambda number: (f"B{number}x", f"b{number}X", "fold"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("link", [True, False])
def test_items_that_are_listed_in_another_form_are_found(tmp_path: Path, form: str, link: bool) -> None:
    ids = [FORMS[form](number) for number in range(10001, 10007)]
    item, event, rule = ids[0]
    files = {"inter": "\n".join(f"u|{event}|{at}" for at, (_, event, _) in enumerate(ids))}
    files["link" if link else "item"] = "\n".join(f"{item}|E{at}" for at, (item, _, _) in enumerate(ids))
    files["kg"] = "E1|genre|g:1"
    folder = write(tmp_path, **files)
    finding = next(one for what, one in found(folder).items() if what.startswith("items of events whose id"))
    assert (finding.count, finding.examples) == (6, (f"{event} and {item}",))
    assert f"--item-ids '{rule}" in finding.advice
    events = {event for _, event, _ in ids}
    assert f"--item-ids '{rule}" in item_warnings(survey(open_source([folder])), events)[0]


@pytest.mark.parametrize("listed", [range(10001, 10007), range(20001, 20009)])
def test_items_that_are_listed_or_others_are_no_finding(tmp_path: Path, listed: range) -> None:
    rows = "\n".join(f"u|{number}|{at}" for at, number in enumerate(range(10001, 10005)))
    folder = write(tmp_path, inter=rows, item="\n".join(f"{number}|T{number}" for number in listed))
    assert count(folder, "items of events whose id") == 0
    (tmp_path / "x.kg").write_text("head\trelation\ttail\na\tr\tb\n")
    assert item_warnings(survey(open_source([folder])), {str(number) for number in range(10001, 10005)}) == []


@pytest.mark.parametrize("one", ["4.00638E+12", "4,00638E+12", "1.0E-05", "9.78014E+12"])
def test_an_id_that_a_spreadsheet_has_rounded_is_an_error(tmp_path: Path, one: str) -> None:
    folder = write(tmp_path, **GOOD | {"inter": GOOD["inter"] + f"\nu0|{one}|99"})
    finding = found(folder)["item ids that a spreadsheet has rounded, as 4.00638E+12"]
    assert (finding.level, finding.count, finding.examples) == ("error", 1, (one,))
    for other in ("4006381333900", "E12", "A4.5E+1", "4E12"):
        assert count(write(tmp_path, **GOOD | {"inter": GOOD["inter"] + f"\nu0|{other}|99"}), "item ids that a") == 0


@pytest.mark.parametrize("unknown", ["unknown", "N/A", "-", "none"])
def test_a_value_of_a_table_that_may_stand_for_none_is_found(tmp_path: Path, unknown: str) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f"item_id,title,brand\na,A,{unknown}\nb,B,Acme\n")
    finding = found(tmp_path)["entity ids that may stand for no value"]
    assert finding.examples == (f"brand:{unknown}",)
