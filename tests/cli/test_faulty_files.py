"""Every file of ``csv_faults`` and ``kg_faults``: the right values, or an error or a warning with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.data import read_interactions
from kptoolkit.errors import DataError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.survey import survey
from kptoolkit.storage.dialects import Reading

LAYOUTS = Path(__file__).resolve().parents[1] / "layouts"
EVENTS, TRIPLES = LAYOUTS / "csv_faults", LAYOUTS / "kg_faults"
SIX = "u1 a b c; u2 a c b"
#: Users with their items, oldest first; or the error.
HISTORIES = {
    **dict.fromkeys(
        (
            *("blank_lines.csv", "bom.csv", "comment_first.csv", "cr_only.csv", "crlf.csv", "excel_sep.csv"),
            *("no_final_newline.csv", "pipe.csv", "plain.csv.gz", "quoted.csv", "quoted.tsv", "quoted_values.tsv"),
            *("semicolon.csv", "space_ids.csv", "utf16.csv"),
        ),
        SIX,
    ),
    "cap_ids.csv": "U1 A; u1 a b c",
    "embedded_newline.csv": "u1 a b c",
    "float_ids.csv": "u1 1 2 3; u2 1 3 2",
    "index_col.csv": "u1 a b c",
    "iso_tz.csv": "u1 c a b; u2 b a c",
    "negative_time.csv": "u1 a b c",
    "ns_time.csv": "u1 b a c",
    "one_event.csv": "u0 a; u1 a; u2 a; u3 a; u4 a",
    "sci_time.csv": "u1 a b c",
    "second_ties.csv": "u1 a b c; u2 a b",
    "text_rating.csv": "u1 a b c",
    "trailing_space.csv": "u1 a b c",
    "unicode_forms.csv": "u1 Am\u00e9lie b c",
    "yyyymmdd.csv": "u1 a b c",
    "zero_width.csv": "u1 a b",
    "dup_header.csv": "error: line 1: columns 2 and 3 are both called item_id; rename",
    "empty_time.csv": "error: line 3: timestamp '' is neither a number nor a date; correct it, or skip such rows",
    "latin1.csv": "error: line 8: not UTF-8 text; .*--encoding latin-1",
    "long_row.csv": "error: line 3: 4 columns instead of 3",
    "ms_and_s.csv": "error: line 3: timestamp 1577836801000 is in another unit than most",
    "nan_time.csv": "error: line 3: timestamp 'NaN' is neither",
    "null_ids.csv": "error: line 5: no user_id in this row .None stands for no value",
    "short_row.csv": "error: line 3: 2 columns instead of 3",
    "us_dates.csv": "error: line 2: timestamp '12/31/2019' .*--date-format '%m/%d/%Y'",
    "dmy_dates.csv": "error: line 2: timestamp '31.12.2019' .*--date-format '%d.%m.%Y'",
    "utf16le_nobom.csv": "error: line 1: not UTF-8 text .*--encoding utf-16-le",
}
#: What the option of the error makes of it.
WITH_OPTION = [
    ("us_dates.csv", Reading(date_format="%m/%d/%Y"), "u1 a b c"),
    ("dmy_dates.csv", Reading(date_format="%d.%m.%Y"), "u1 a c b"),
    ("utf16le_nobom.csv", Reading(encoding="utf-16-le"), SIX),
    ("latin1.csv", Reading(encoding="latin-1"), f"Jos\u00e9 a; {SIX}"),
]
#: Triples of files that are read without a warning; or the error.
GRAPHS = {
    **dict.fromkeys(("bom.csv", "edges.csv", "dup.csv", "t4.csv"), "a r b"),
    "case_rel.csv": "a GENRE d; a Genre b; a genre c",
    "crlf.nt": "http://a/1 http://x/director http://a/2",
    **dict.fromkeys(("data.n3", "data.trig"), "http://a/a http://a/p http://a/b"),
    **dict.fromkeys(("data.jsonld", "nquads.nq", "nquads.nt"), "http://a/1 http://a/p http://a/2"),
    "float.csv": "1 r 2; 2 r 3",
    "hetionet.sif.tsv": "Gene::1 GiG Gene::2",
    "hrt_numbers.kg": "a r b; b r c",
    "kgtk.tsv": "Q1 P31 Q2",
    "list_tail.csv": "a genre Action; a genre Comedy; b genre Action|Comedy",
    "loops.csv": "a r a; a r b; b r a",
    "multi_ns.nt": "http://a/1 http://x/director http://a/2; http://a/1 http://y/director http://a/3",
    "openke.txt": "0 1 5; 1 1 5; 2 1 6",
    "primekg.csv": "1 r 2",
    "space.csv": "a r b; b r c",
    "bad_iri.nt": "error: line 1: no statement of N-Triples",
    "data.rdf": "error: holds no triples",
    "dump.owl": "error: holds no triples",
    "names_dup.csv": "error: line 1: no column for 'head' .header: entity_id, name",
    "nl_in_name.csv": "error: line 1: no column for 'head'",
    "null_tail.csv": "error: line 3: the tail is empty",
    "prov.csv": "error: line 1: source and from_id may each be the head; .*--columns head=source",
    "rdf_in_tsv.tsv": "error: line 2: the tail is a literal of RDF",
    "tab_in_name.tsv": "error: line 1: no column for 'head'",
}
#: Files that are read, and what ``load-kg`` or ``data check`` says of them.
WARNINGS = [
    ("load-kg", "kg_faults/case_rel.csv", "differ only in case .*Genre / genre / GENRE"),
    ("load-kg", "kg_faults/list_tail.csv", r"1 entity with '\|' in the id, e.g. Action\|Comedy; .*--split"),
    ("load-kg", "kg_faults/t4.csv", "not read: timestamp"),
    ("data check", "csv_faults/cap_ids.csv", "user ids that differ only in case .*U1 / u1"),
    ("data check", "csv_faults/second_ties.csv", "users whose last two events share their time"),
    ("data check", "csv_faults/one_event.csv", "users with fewer than 3 events"),
    ("data check", "isbn_zeros", "links of items that are not in the catalogue.*--item-ids 'zeros' makes 4 match"),
]


def same(expected: str, path: Path, found: set[str]) -> None:
    assert found == set(expected.split("; ")), path.name


def events_of(path: Path, reading: Reading | None = None) -> set[str]:
    found = read_interactions(path, reading)[0]
    return {
        " ".join([str(user), *(str(found.item_ids[item]) for item in found.history_of(str(user)))])
        for user in found.user_ids
    }


def triples_of(path: Path, **options: str | bool) -> set[str]:
    found = survey(open_source([path], **options))  # type: ignore[arg-type]
    names = found.entities
    rows = zip(found.head, found.relation, found.tail, strict=True)
    return {f"{names[head]} {found.relations[relation]} {names[tail]}" for head, relation, tail in rows}


def test_every_file_is_here() -> None:
    assert {path.name for path in EVENTS.iterdir()} == HISTORIES.keys()
    assert {path.name for path in TRIPLES.iterdir()} == GRAPHS.keys()


@pytest.mark.parametrize("name", HISTORIES)
def test_events(name: str) -> None:
    expected, path = HISTORIES[name], EVENTS / name
    if expected.startswith("error: "):
        with pytest.raises(DataError, match=f"{name}(?:, |: ){expected.removeprefix('error: ')}"):
            read_interactions(path)
    else:
        same(expected, path, events_of(path))


@pytest.mark.parametrize(("name", "reading", "expected"), WITH_OPTION, ids=[one[0] for one in WITH_OPTION])
def test_events_with_the_option_of_the_error(name: str, reading: Reading, expected: str) -> None:
    same(expected, EVENTS / name, events_of(EVENTS / name, reading))


@pytest.mark.parametrize("name", GRAPHS)
def test_triples(name: str) -> None:
    expected, path = GRAPHS[name], TRIPLES / name
    if expected.startswith("error: "):
        with pytest.raises(DataError, match=f"{name}(?:, |: ){expected.removeprefix('error: ')}"):
            triples_of(path)
    else:
        same(expected, path, triples_of(path))


def test_triples_with_the_option_of_the_error() -> None:
    same("a r b", TRIPLES / "null_tail.csv", triples_of(TRIPLES / "null_tail.csv", skip_bad_rows=True))
    same("http://a/1 http://a/q http://a/2", TRIPLES, triples_of(TRIPLES / "rdf_in_tsv.tsv", skip_bad_rows=True))
    expected = {"m1 genre Action", "m2 genre Comedy"}
    assert triples_of(TRIPLES / "prov.csv", columns="head=from_id") == expected


@pytest.mark.parametrize(("name", "first"), [("names_dup.csv", "First"), ("nl_in_name.csv", "Two\nlines")])
def test_names(tmp_path: Path, name: str, first: str) -> None:
    (tmp_path / "kg.csv").write_text("head,relation,tail\na,r,b\n")
    assert survey(open_source([tmp_path / "kg.csv"], names=TRIPLES / name)).names == [first, "B"]


def test_a_tab_in_a_name_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "kg.csv").write_text("head,relation,tail\na,r,b\n")
    with pytest.raises(DataError, match=r"tab_in_name.tsv, line 2: 3 columns instead of 2"):
        survey(open_source([tmp_path / "kg.csv"], names=TRIPLES / "tab_in_name.tsv"))


@pytest.mark.parametrize(("command", "path", "said"), WARNINGS, ids=[one[1] for one in WARNINGS])
def test_warnings(command: str, path: str, said: str) -> None:
    dry = ["--dry-run"] if command == "load-kg" else []
    done = CliRunner().invoke(app, [*command.split(), str(LAYOUTS / path), *dry, "--json"])
    shown = " ".join([*done.stderr.split(), *json.dumps(json.loads(done.stdout), ensure_ascii=False).split()])
    assert re.search(said, shown)
    assert done.exit_code == (2 if path.endswith("one_event.csv") else 0)


def test_events_of_a_graph_have_the_times_of_files(tmp_path: Path) -> None:
    (tmp_path / "x.kg").write_text("head\trelation\ttail\na\tr\tb\n")
    (tmp_path / "x.inter").write_text("user_id\titem_id\ttimestamp\nu\ta\t31.12.2019\nu\tb\t01.02.2020\n")
    from kptoolkit.graph.loading.load_interactions import read_events

    source = open_source([tmp_path], interactions=True, date_format="%d.%m.%Y")
    found = read_interactions(tmp_path / "x.inter", Reading(date_format="%d.%m.%Y"))[0]
    assert [event[2] for event in read_events(source)[0]] == found.time.tolist()
    with pytest.raises(DataError, match=r"line 2: time '31.12.2019' .*--date-format '%d.%m.%Y'"):
        read_events(open_source([tmp_path], interactions=True))
