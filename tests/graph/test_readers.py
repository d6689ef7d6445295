"""Files of triples: their formats, and the errors for bad files."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data.interactions import read_interactions
from kptoolkit.errors import DataError
from kptoolkit.graph.loading.load import dry_run
from kptoolkit.graph.loading.survey import survey
from kptoolkit.graph.sources.foreign_formats import FOREIGN
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.graph.sources.open_source import open_source
from kptoolkit.storage.columns import TRIPLE_COLUMNS
from kptoolkit.storage.text_tables import BadRows, read_table
from kptoolkit.storage.values.cells import clean_id, fault_of

GOOD = "head_id:token\trelation_id:token\ttail_id:token\na\tr\tb\nb\tr\tc\n"


def triples(path: Path, **options: object) -> list[tuple[str, str, str]]:
    source = open_source([path], **options)  # type: ignore[arg-type]
    return [
        row for table in source.triples() for row in zip(table["head"], table["relation"], table["tail"], strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.kg", GOOD),
        ("x.tsv", "Subject\tPredicate\tObject\na\tr\tb\n\nb\tr\tc\n"),
        ("x.csv", 'tail,head,other,relation\r\nb,a,"x, y",r\r\nc,b,,r\r\n'),
        ("x.csv", '\ufeffhead,relation,tail\n"a","r","b"\nb,r,c\n'),
        ("x.txt", "h\tr\tt\na\tr\tb\nb\tr\tc"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_spellings_formats_and_gzip(tmp_path: Path, name: str, text: str, packed: bool) -> None:
    path = tmp_path / (f"{name}.gz" if packed else name)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert triples(path) == [("a", "r", "b"), ("b", "r", "c")]


def test_a_format_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "triples.data"
    path.write_text("some words\nand some more of them\n")
    with pytest.raises(DataError, match="--format"):
        triples(path)
    path.write_text("head,relation,tail\na,r,b\n")
    assert triples(path) == [("a", "r", "b")]
    assert triples(path, format="csv") == [("a", "r", "b")]


def test_quotes_in_tab_separated_files_are_characters(tmp_path: Path) -> None:
    path = tmp_path / "x.kg"
    path.write_text('head\trelation\ttail\n"a\tr\tb "q"\nx\tr\ty\n')
    assert triples(path) == [('"a', "r", 'b "q"'), ("x", "r", "y")]


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"", None, "is empty"),
        (b"head\trel\tobject_of_desire\na\tr\tb\n", 1, "no column for 'tail'"),
        (b"head\trelation\ttail\na\tr\n", 2, "2 columns instead of 3"),
        (b"head\trelation\ttail\na\tr\tb\n\na\t\tb\n", 4, "the relation is empty"),
        (b"head\trelation\ttail\na\tr\tb\nM\xfcller\tr\tb\n", 3, "not UTF-8"),
        (GOOD.encode("utf-16-le"), 1, "not UTF-8"),
        (gzip.compress(GOOD.encode() * 50, mtime=0)[:-20], None, "ends early"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, data: bytes, line: int | None, said: str) -> None:
    path = tmp_path / "x.kg"
    path.write_bytes(data)
    with pytest.raises(DataError, match=said) as caught:
        triples(path)
    assert str(path) in str(caught.value)
    assert line is None or f"line {line}:" in str(caught.value)


@pytest.mark.parametrize("name", ["x.kg.gz", "x.nt.gz", "x.ttl.gz"])
def test_a_file_named_gzip_that_is_not_gzip_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x1f\x00no gzip")
    with pytest.raises(DataError, match=r"is not gzip, though its name ends in \.gz"):
        triples(path)


def test_text_that_is_named_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.kg.gz"
    text = "\ufeff" + GOOD + "é" * 999  # the first thousand bytes end within a character
    path.write_text(text + "\tr\tb\n", encoding="utf-8")
    assert len(triples(path)) == GOOD.count("\n")


@pytest.mark.parametrize("what", ["missing.kg", "folder"])
def test_no_such_path_and_a_folder_without_triples(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=what):
        triples(tmp_path / what)


def test_a_file_without_rows_holds_no_triples(tmp_path: Path) -> None:
    path = tmp_path / "x.kg"
    path.write_text(GOOD.splitlines()[0] + "\n")
    with pytest.raises(DataError, match="no triples"):
        survey(open_source([path]))


def test_bad_rows_are_skipped_counted_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "x.kg"
    path.write_bytes(b"head\trelation\ttail\na\tr\tb\nshort\n\xff\tr\tb\n\tr\tb\nb\tr\tc\n")
    source = open_source([path], skip_bad_rows=True)
    assert [row for table in source.triples() for row in table["head"]] == ["a", "b"]
    assert source.bad_rows.count == 3
    assert [row.line for row in source.bad_rows.rows] == [3, 4, 5]


def test_batches_join_to_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("head\trelation\ttail\n" + "".join(f"{n}\tr\t{n + 1}\n" for n in range(10)))
    tables = list(read_table(path, TRIPLE_COLUMNS, batch_rows=3))
    assert [len(table) for table in tables] == [3, 3, 3, 1]
    assert [line for table in tables for line in table.lines] == list(range(2, 12))


cells = st.text(st.characters(exclude_characters="\t\n\r\x00", exclude_categories=["Cs"]), min_size=1)
cells = cells.filter(lambda one: fault_of("tail", one) is None and not clean_id(one).startswith("["))


@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=20))
def test_any_text_survives_tab_separation(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.kg"
    text = "head\trelation\ttail\n" + "".join("\t".join(row) + "\n" for row in rows)
    path.write_bytes(text.encode())
    assert triples(path) == [tuple(clean_id(one, number=at != 1) for at, one in enumerate(row)) for row in rows]


def test_a_recbole_folder(tmp_path: Path) -> None:
    (tmp_path / "set.kg").write_text(GOOD)
    (tmp_path / "set.ent.gz").write_bytes(gzip.compress(b"entity_id:token\tname:token_seq\na\tAlpha\nz\tNobody\nb\t\n"))
    (tmp_path / "set.link").write_text("item_id:token\tentity_id:token\n1\ta\n2\ta\n3\tunheard\n1\tb\n")
    (tmp_path / "set.item").write_text("item_id:token\tmovie_title:token_seq\n1\tOne\n4\tFour\n")
    found = survey(open_source([tmp_path]))
    assert dict(zip(found.entities, found.names, strict=True)) == {"a": "One", "b": "", "c": "", "unheard": ""}
    items = {i.item_id: (i.title, found.entities[i.entity] if i.entity >= 0 else None, i.first) for i in found.items}
    assert items == {
        "1": ("One", "a", True),
        "4": ("Four", None, False),
        "2": ("", "a", False),
        "3": ("", "unheard", True),
    }
    assert found.repeated_links == 1
    with pytest.raises(DataError, match=r"\.inter"):
        open_source([tmp_path], interactions=True)


def test_given_files_replace_those_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "set.kg").write_text(GOOD)
    (tmp_path / "set.ent").write_text("entity_id\tname\na\tOld\n")
    other = tmp_path / "names.csv"
    other.write_text("id,label\na,New\n")
    assert survey(open_source([tmp_path], names=other)).names[0] == "New"


names = st.sampled_from("abcd")


@given(st.lists(st.tuples(names, st.sampled_from(["r", "s", "t"]), names), min_size=1, max_size=30))
def test_the_survey_counts_as_sets_do(rows: list[tuple[str, str, str]]) -> None:
    found = survey(MemorySource(rows))
    distinct = set(rows)
    read = {
        (found.entities[h], found.relations[r], found.entities[t])
        for h, r, t in zip(found.head, found.relation, found.tail, strict=True)
    }
    assert read == distinct
    assert len(found) == len(distinct)
    degrees = {e: sum(e in (h, t) for h, _, t in distinct) for e in found.entities}
    assert dict(zip(found.entities, found.degrees.tolist(), strict=True)) == degrees
    mirrored = {(pair.relation, pair.inverse): pair.share for pair in found.mirrored()}
    for one in "rst":
        for other in "rst":
            ones, others = ({(h, t) for h, r, t in distinct if r == x} for x in (one, other))
            turned = {(t, h) for h, t in others if h != t}
            share = len(ones & turned) / max(len(ones), len(others), 1)
            known = mirrored.get((one, other), mirrored.get((other, one)))
            assert (known or 0) == pytest.approx(share if share > 0.5 else 0)


def test_bad_rows_raise_unless_skipped() -> None:
    with pytest.raises(DataError, match="--skip-bad-rows"):
        BadRows().add("x", 3, "why")


@pytest.mark.parametrize("events", ["x.inter", "ratings.csv"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_graph_without_links_next_to_events_is_said(tmp_path: Path, events: str, alone: bool) -> None:
    mark, kind = ("\t", ":token") if events == "x.inter" else (",", "")
    (tmp_path / events).write_text(f"user_id{kind}{mark}item_id{kind}\nu1{mark}i1\nu2{mark}i1\n")
    (tmp_path / "x.kg").write_text("head_id\trelation_id\ttail_id\ni1\tr\tb\n")
    path = tmp_path / "x.kg" if alone else tmp_path
    (said,) = dry_run(open_source([path])).warnings
    assert f"no item of {tmp_path / events} gets triples" in said
    assert said.endswith("--columns entity=item_id if its items are entities with the same ids")
    linked = dry_run(open_source([path], link=tmp_path / events, columns="entity=item_id"))
    assert (linked.items, [line for line in linked.warnings if "no links" in line]) == (1, [])


def test_a_graph_without_links_and_events_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "x.kg").write_text("head_id\trelation_id\ttail_id\na\tr\tb\n")
    assert dry_run(open_source([tmp_path])).warnings == []


FOREIGN_FILES = {
    "GEXF": '<?xml version="1.0"?>\n<gexf xmlns="http://gexf.net/1.2draft"><graph/></gexf>\n',
    "Pajek": '*Vertices 2\n1 "Heat"\n2 "Al Pacino"\n*Arcs\n2 1 1\n',
    "GML": 'Creator "x"\ngraph [\n  node [ id 0 label "Heat" ]\n]\n',
    "Graphviz DOT": "digraph films {\n  a -> b;\n}\n",
    "OWL in functional syntax": "Prefix(:=<http://ex.org/>)\nOntology(<http://ex.org/>\n)\n",
    "OWL in Manchester syntax": "Prefix: : <http://ex.org/>\nOntology: <http://ex.org/>\n",
    "OBO": "format-version: 1.2\n\n[Term]\nid: GO:0000001\n",
    "HDT": "$HDT\x01<http://purl.org/HDT/hdt#HDTv1>\x00\x00\n",
    "SQLite": "SQLite format 3\x00\n",
    "DuckDB": "\x01\x02\x03\x04\x05\x06\x07\x08DUCK@\x00\n",
    "Arrow or Feather": "ARROW1\x00\x00",
    "ORC": "ORC\n\x06\x12",
    "HDF5": "\udc89HDF\r\n\x1a\n",
    "Avro": "Obj\x01\x04\x16avro.schema",
    "pickle": "\udc80\x04\udc95\x00",
    "Matrix Market": "%%MatrixMarket matrix coordinate real general\n3 3 1\n1 2 5.0\n",
    "NumPy": "\udc93NUMPY\x01\x00",
    "XML of SPARQL results": '<?xml version="1.0"?>\n<sparql xmlns="http://www.w3.org/2005/sparql-results#"/>\n',
    "SQL": "-- MySQL dump\n\nDROP TABLE IF EXISTS `page`;\n",
    "Cypher": "CREATE (a:Film {title: 'Heat'});\n",
}


@pytest.mark.parametrize("name", FOREIGN_FILES)
@pytest.mark.parametrize("ending", ["", ".graph", ".txt", ".owl"])
def test_a_format_that_is_not_read_is_called_by_its_name(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    path.write_bytes(FOREIGN_FILES[name].encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=f"{name} is not read; (?:write|convert|export|run) "):
        survey(open_source([path]))
    if ending not in (".txt", ".owl"):
        for given in (path, tmp_path):
            with pytest.raises(DataError, match=f"{name} is not read; (?:write|convert|export|run) "):
                read_interactions(given)
        with pytest.raises(DataError, match=f"{name} is not read; (?:write|convert|export|run) "):
            open_source([tmp_path])


def test_the_advice_for_formats_of_pandas_works(tmp_path: Path) -> None:
    frame = pa.table({"head": ["a"], "relation": ["r"], "tail": ["b"]})
    pyarrow.feather.write_feather(frame, tmp_path / "x.feather")
    pyarrow.orc.write_table(frame, tmp_path / "x.orc")
    for file in ("x.feather", "x.orc"):
        with pytest.raises(DataError) as caught:
            open_source([tmp_path / file])
        found = re.search(r"pandas\.(\w+)\('FILE'\)", str(caught.value))
        assert found is not None
        getattr(pd, found[1])(tmp_path / file).to_parquet(tmp_path / "x.parquet")
        assert len(survey(open_source([tmp_path / "x.parquet"]))) == 1


def test_every_format_that_is_not_read_has_its_test() -> None:
    assert {name for _, name, _ in FOREIGN} - FOREIGN_FILES.keys() == {"a spreadsheet or an archive"}


@pytest.mark.parametrize("name", ["MRREL.RRF", "triples", "kb.facts", "x.tab"])
@pytest.mark.parametrize("mark", ["\t", "|", ","])
def test_a_table_is_read_whatever_its_name(tmp_path: Path, name: str, mark: str) -> None:
    path = tmp_path / name
    path.write_text("".join(f"{mark.join(row)}\n" for row in (("a", "x", "r", "b"), ("b", "y", "r", "c"))))
    assert len(survey(open_source([path], columns="head=1,relation=3,tail=4"))) == 2
    with pytest.raises(DataError, match=r"its first lines are .*--columns head=1,relation=2,tail=3"):
        survey(open_source([path]))
