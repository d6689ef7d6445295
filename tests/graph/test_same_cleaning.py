"""The same dirty rows in every format give the same triples, and the same counts of what was cleaned and left out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import quoteattr

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kptoolkit.data.checking.checks import check
from kptoolkit.data.checking.value_checks import check_source
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.graph import Graph, MemorySource, TripleSource, open_source
from kptoolkit.graph.loading.survey import survey
from kptoolkit.storage.text_tables import BadRows

Row = tuple[str, str, str]
IDS = [f"e{number}" for number in range(4)] + ["12", "7", "http://example.org/1"]
MISSING = ["NULL", "nan", "None", "<NA>"]
SPACES, QUOTES, ANGLES, NUMBER, NOTHING = "spaces", "quotes", "angles", "number", "nothing"


def dirty(one: str, how: str) -> str:
    """An id as it is written badly; itself where this cannot be done."""
    if how == NUMBER:
        return f"{one}.0" if one.isdecimal() else one
    if how == ANGLES:
        return f"<{one}>" if ":" in one else one
    return {SPACES: f" {one} ", QUOTES: f'"{one}"', "": one}[how]


def table(rows: Sequence[Sequence[str]], mark: str, header: Sequence[str]) -> str:
    if mark == "\t":
        return "".join(mark.join(row) + "\n" for row in [header, *rows])
    out = io.StringIO()
    csv.writer(out, delimiter=mark, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def as_csv(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "kg.csv").write_text(table(rows, ",", ["head", "relation", "tail"]))
    return folder / "kg.csv"


def as_tsv(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "kg.tsv").write_text(table(rows, "\t", ["subject", "predicate", "object"]))
    return folder / "kg.tsv"


def as_recbole(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "x.kg").write_text(table(rows, "\t", ["head_id:token", "relation_id:token", "tail_id:token"]))
    return folder


def as_parquet(folder: Path, rows: Sequence[Row]) -> Path:
    columns = zip(("head", "relation", "tail"), map(list, zip(*rows, strict=True)), strict=True)
    pq.write_table(pa.table(dict(columns)), folder / "kg.parquet")
    return folder / "kg.parquet"


def as_hetionet(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "edges.tsv").write_text(table(rows, "\t", ["source", "metaedge", "target"]))
    return folder / "edges.tsv"


def as_neo4j(folder: Path, rows: Sequence[Row]) -> Path:
    header = [":START_ID", ":TYPE", ":END_ID"]
    (folder / "edges.csv").write_text(table(rows, ",", header))
    return folder / "edges.csv"


def as_apoc(folder: Path, rows: Sequence[Row]) -> Path:
    edges = [
        {"type": "relationship", "id": str(n), "label": relation, "start": {"id": head}, "end": {"id": tail}}
        for n, (head, relation, tail) in enumerate(rows)
    ]
    (folder / "all.json").write_text("".join(json.dumps(edge) + "\n" for edge in edges))
    return folder / "all.json"


def as_json_triples(folder: Path, rows: Sequence[Row]) -> Path:
    lines = (json.dumps(dict(zip(("subject", "predicate", "object"), row, strict=True))) + "\n" for row in rows)
    (folder / "kg.jsonl").write_text("".join(lines))
    return folder / "kg.jsonl"


def as_json(folder: Path, rows: Sequence[Row]) -> Path:
    """Items whose one value is the id of another item, by a mapping."""
    lines = (json.dumps({"key": head, "to": [tail]}) + "\n" for head, _, tail in rows)
    (folder / "items.jsonl").write_text("".join(lines))
    (folder / "mapping.toml").write_text('id = "key"\n[items]\nlikes = "to"\n')
    return folder / "items.jsonl"


def as_json_values(folder: Path, rows: Sequence[Row]) -> Path:
    """Items with one value each, which becomes ``likes:VALUE``."""
    as_json(folder, rows)
    (folder / "mapping.toml").write_text('id = "key"\n[relations]\nlikes = "to"\n')
    return folder / "items.jsonl"


def as_kp4sr(folder: Path, rows: Sequence[Row]) -> Path:
    heads: dict[str, list[list[str]]] = {}
    for head, relation, tail in rows:
        heads.setdefault(head, []).append([relation, tail])
    (folder / "triple2dict.json").write_text(json.dumps(heads))
    (folder / "item2entity.json").write_text("{}")
    return folder


def distinct(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Entities and relations, each once."""
    entities = dict.fromkeys(end for head, _, tail in rows for end in (head, tail))
    return list(entities), list(dict.fromkeys(relation for _, relation, _ in rows))


def as_openke(folder: Path, rows: Sequence[Row]) -> Path:
    entities, relations = distinct(rows)
    for name, ids in (("entity", entities), ("relation", relations)):
        lines = "".join(f"{one}\t{number}\n" for number, one in enumerate(ids))
        (folder / f"{name}2id.txt").write_text(f"{len(ids)}\n{lines}")
    lines = "".join(f"{entities.index(h)} {entities.index(t)} {relations.index(r)}\n" for h, r, t in rows)
    (folder / "train2id.txt").write_text(f"{len(rows)}\n{lines}")
    return folder


def as_kgat(folder: Path, rows: Sequence[Row]) -> Path:
    entities, relations = distinct(rows)
    for name, ids in (("entity", entities), ("relation", relations)):
        lines = "".join(f"{one} {number}\n" for number, one in enumerate(ids))
        (folder / f"{name}_list.txt").write_text(f"org_id remap_id\n{lines}")
    lines = "".join(f"{entities.index(h)} {relations.index(r)} {entities.index(t)}\n" for h, r, t in rows)
    (folder / "kg_final.txt").write_text(lines)
    (folder / "train.txt").write_text("0 98 99\n")
    return folder


def as_kgtk(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "edges.tsv").write_text(table(rows, "\t", ["node1", "label", "node2"]))
    return folder / "edges.tsv"


def as_graphml(folder: Path, rows: Sequence[Row]) -> Path:
    ids = dict.fromkeys(end for head, _, tail in rows for end in (head, tail))
    nodes = "".join(f"<node id={quoteattr(one)}/>" for one in ids)
    edges = "".join(
        f'<edge source={quoteattr(head)} target={quoteattr(tail)}><data key="r">{relation}</data></edge>\n'
        for head, relation, tail in rows
    )
    key = '<key id="r" for="edge" attr.name="relation" attr.type="string"/>'
    text = f'<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{key}<graph edgedefault="directed">{nodes}{edges}'
    (folder / "kg.graphml").write_text(f"{text}</graph></graphml>")
    return folder / "kg.graphml"


#: Writers of a format, and what it cannot express.
FORMATS: dict[str, tuple[Callable[[Path, Sequence[Row]], Path], set[str]]] = {
    "csv": (as_csv, set()),
    "tsv": (as_tsv, set()),
    "RecBole": (as_recbole, set()),
    "Parquet": (as_parquet, set()),
    "Hetionet": (as_hetionet, set()),
    "Neo4j": (as_neo4j, set()),
    "APOC": (as_apoc, set()),
    "JSON": (as_json, set()),
    "JSON triples": (as_json_triples, set()),
    "JSON values": (as_json_values, set()),
    "KP4SR": (as_kp4sr, set()),
    "OpenKE": (as_openke, set()),
    "KGAT": (as_kgat, {SPACES}),
    "GraphML": (as_graphml, set()),
    "KGTK": (as_kgtk, {QUOTES, NUMBER}),  # there "12" is a text, and 12.0 a number
}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(IDS),
        st.sampled_from(["", SPACES, QUOTES, ANGLES, NUMBER]),
        st.sampled_from(IDS),
        st.sampled_from(["", SPACES, QUOTES, ANGLES, NUMBER, NOTHING]),
        st.sampled_from(MISSING),
    ),
    min_size=2,
    max_size=8,
)


def found_in(source: TripleSource, prefix: str = "") -> tuple[set[Row], int, int]:
    """Distinct triples, ids that were cleaned, rows left out."""
    rows: set[Row] = set()
    cleaned = 0
    for read in source.triples():
        rows |= set(zip(read["head"], read["relation"], (t.removeprefix(prefix) for t in read["tail"]), strict=True))
        cleaned += read.cleaned
    return rows, cleaned, source.bad_rows.count


@pytest.mark.parametrize("name", [*FORMATS, "memory"])
@given(drawn=ROWS)
@settings(max_examples=8)
def test_every_format_gives_the_same(name: str, drawn: list[tuple[str, str, str, str, str]]) -> None:
    write, without = FORMATS.get(name, (None, set[str]()))
    hows = [
        (first if first not in without else "", then if then not in without else "") for _, first, _, then, _ in drawn
    ]
    rows, expected, cleaned, left_out = [], set(), 0, 0
    for (head, _, tail, _, nothing), (first, then) in zip(drawn, hows, strict=True):
        if name == "KGTK" and tail.isdecimal():
            tail = "e0"
        row = dirty(head, first), "likes", nothing if then == NOTHING else dirty(tail, then)
        rows.append(row)
        if then == NOTHING:
            left_out += 1
        else:
            expected.add((head, "likes", tail))
            cleaned += (row[0] != head) + (row[2] != tail)
    rows.append(("e0", "likes", "e1"))
    expected.add(("e0", "likes", "e1"))
    if write is None:
        memory = MemorySource(rows, bad_rows=BadRows(skip=True))
        assert found_in(memory) == (expected, cleaned, left_out)
        return
    with TemporaryDirectory() as place:
        path = write(Path(place), rows)
        mapping = Path(place) / "mapping.toml" if name in ("JSON", "JSON values") else None
        source = open_source([path], skip_bad_rows=True, mapping=mapping)
        prefix = "likes:" if name == "JSON values" else ""
        assert found_in(source, prefix) == (expected, cleaned, left_out)
        survey(source)
        assert source.bad_rows.count == left_out  # however often the file is read
        found = check_source(DataFolder.read(path, mapping=mapping))
        findings = {finding.what.split(" with ")[0]: finding.count for finding in found}
        assert findings["ids in triples"] == cleaned
        assert findings["rows of the graph that cannot be read"] == left_out


@pytest.mark.parametrize("name", FORMATS)
def test_data_check_finds_in_every_format_what_it_finds_in_others(tmp_path: Path, name: str) -> None:
    rows = [
        ("e0", "likes", "e0"),
        ("e1", "likes", "E1"),
        ("e1", "likes", "a|b"),
        ("e1", "likes", "e2"),
        ("e1", "likes", "e2"),
    ]
    path = FORMATS[name][0](tmp_path, rows)
    mapping = tmp_path / "mapping.toml" if name in ("JSON", "JSON values") else None
    found = {finding.what: finding.count for finding in check(DataFolder.read(path, mapping=mapping), "generic")}
    values = name == "JSON values"
    assert found.get("triples from an entity to itself", 0) == (0 if values else 1)
    assert found.get("entity ids that differ only in case or in their form", 0) == (0 if values else 1)
    assert found["entity ids that look like several values"] == 1
    assert found["triples given more than once"] == 1
    assert ("entities of triples without a name" in found) == (name != "KGAT")


@pytest.mark.embedded
def test_data_check_finds_the_same_in_a_graph(tmp_path: Path) -> None:
    triples = [("e0", "likes", "e0"), ("e1", "likes", "E1"), ("e1", "likes", "a|b"), ("e1", "Likes", "e2")]
    triples += [(f"e{n}", "by", f"p{n}") for n in range(12)] + [(f"e{n}", "made by", f"p{n}") for n in range(12)]
    events = [(f"u{user}", f"i{item}", str(10 * user + item), None) for user in range(3) for item in range(4)]
    links = [(f"i{item}", f"e{item}") for item in range(4)]
    source = MemorySource(triples, {"e1": "One"}, links, [(f"i{n}", f"Item {n}") for n in range(4)], events)
    as_recbole(tmp_path, triples)
    (tmp_path / "x.link").write_text(table(links, "\t", ["item_id", "entity_id"]))
    (tmp_path / "x.ent").write_text("entity_id\tname\ne1\tOne\n")
    (tmp_path / "x.item").write_text(table([(f"i{n}", f"Item {n}") for n in range(4)], "\t", ["item_id", "title"]))
    rows = [(user, item, time) for user, item, time, _ in events]
    (tmp_path / "x.inter").write_text(table(rows, "\t", ["user_id", "item_id", "timestamp"]))
    with Graph.open(f"embedded:{tmp_path / 'kg'}") as graph:
        graph.load(source, interactions=True)
        in_graph = {one.what: one.count for one in check(DataFolder.of_graph(graph, with_triples=True), "generic")}
    in_files = {one.what: one.count for one in check(DataFolder.read(tmp_path), "generic")}
    assert in_graph == in_files
    assert in_files["entities of triples without a name"] == 22, "titles of items are names of their entities"
    assert in_files["relations that repeat the pairs of another"] == 1
    assert in_files["relation ids that differ only in case or in their form"] == 1
