"""RDF as a source: IRIs, blank nodes and literals, and the errors for bad files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import rdflib
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.errors import DataError
from kptoolkit.graph.loading.survey import survey
from kptoolkit.graph.sources import rdf
from kptoolkit.graph.sources.file_source import FileSource
from kptoolkit.graph.sources.open_source import open_source

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TURTLE = """\
@prefix ex: <http://e/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix schema: <https://schema.org/> .
ex:emma a ex:Novel ;
    rdfs:label "Emma (deutsch)"@de , "Emma"@en-GB , "Emme"@fr ;
    schema:name "Emma, a novel"@en ;
    ex:author ex:austen ;
    ex:pages 474 .
ex:austen schema:name "Jane Austen" ; ex:born [ ex:year "1775" ; ex:place ex:steventon ] .
"""
EMMA = "http://e/emma"
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"


def write(folder: Path, text: str | bytes, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def triples(source: FileSource) -> list[tuple[str, str, str]]:
    return [
        row for table in source.triples() for row in zip(table["head"], table["relation"], table["tail"], strict=True)
    ]


def names(source: FileSource) -> dict[str, str]:
    return {
        entity: name for table in source.names() for entity, name in zip(table["entity_id"], table["name"], strict=True)
    }


def as_ntriples(turtle: str) -> str:
    """The same statements in N-Triples, by rdflib."""
    return rdflib.Graph().parse(data=turtle, format="turtle").serialize(format="nt")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", ["ttl", "nt"])
def test_iris_are_ids_and_naming_literals_are_names(tmp_path: Path, suffix: str, packed: bool) -> None:
    text = (TURTLE if suffix == "ttl" else as_ntriples(TURTLE)).encode()
    path = write(tmp_path, gzip.compress(text) if packed else text, f"x.{suffix}{'.gz' if packed else ''}")
    source = open_source([path])
    found = triples(source)
    assert {row for row in found if row[0] == EMMA} == {
        (EMMA, TYPE, "http://e/Novel"),
        (EMMA, "http://e/author", "http://e/austen"),
    }
    blank = next(row[2] for row in found if row[1] == "http://e/born")
    assert blank.startswith(f"_:{path.name}#")
    assert (blank, "http://e/place", "http://e/steventon") in found
    assert len(found) == 4
    assert names(source) == {EMMA: "Emma", "http://e/austen": "Jane Austen"}
    assert source.literals_left_out == 2
    assert names(open_source([path], language="de"))[EMMA] == "Emma (deutsch)"


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ('"A"@fr, "B"@en, "C"@mul, "D"', "B"),
        ('"A"@fr, "C"@mul, "D"', "C"),
        ('"A"@fr, "D"', "D"),
        ('"A"@fr', "A"),
        ('"A"@en-GB, "D"', "A"),
    ],
)
def test_names_in_the_language_come_first_then_those_for_many(tmp_path: Path, labels: str, name: str) -> None:
    label = "<http://www.w3.org/2000/01/rdf-schema#label>"
    path = write(tmp_path, f"<http://e/x> <http://e/r> <http://e/y> ; {label} {labels} .", "x.ttl")
    assert names(open_source([path]))["http://e/x"] == name


def test_literals_may_be_entities(tmp_path: Path) -> None:
    text = '<a> <p> "5"^^<http://t/int> .\n<a> <p> "oui"@fr .\n<a> <p> "x \\"y\\"" .\n<b> <q> "x \\"y\\"" .\n'
    source = open_source([write(tmp_path, text, "x.nt")], literals="entities")
    five, oui, quoted = '"5"^^<http://t/int>', '"oui"@fr', '"x "y""'
    assert triples(source) == [("a", "p", five), ("a", "p", oui), ("a", "p", quoted), ("b", "q", quoted)]
    assert names(source) == {five: "5", oui: "oui", quoted: 'x "y"'}
    assert source.literals_left_out == 0


def test_blank_nodes_of_two_files_are_two_and_are_the_same_at_each_reading(tmp_path: Path) -> None:
    one, two = (write(tmp_path, "_:a <p> _:b .\n", name) for name in ("1.nt", "2.nt"))
    turtle = write(tmp_path, "[ <p> [] ] <q> [] .", "3.ttl")
    source = open_source([one, two, turtle])
    found = triples(source)
    assert found == triples(source)
    assert found[:2] == [("_:1.nt#a", "p", "_:1.nt#b"), ("_:2.nt#a", "p", "_:2.nt#b")]
    assert len({end for head, _, tail in found for end in (head, tail)}) == 7
    assert survey(source).digest() == survey(open_source([one, two, turtle])).digest()


@pytest.mark.parametrize("folders", [("a", "b"), ("a/x", "b/x"), ("", "b")])
@pytest.mark.parametrize(("file", "text"), [("data.nt", "_:n <p> <e> .\n"), ("data.ttl", "[] <p> <e> .")])
def test_blank_nodes_of_two_files_of_one_name_are_two(
    tmp_path: Path, folders: tuple[str, str], file: str, text: str
) -> None:
    files = [write(tmp_path / folder, text, file) for folder in folders]
    found = triples(open_source(files))
    assert len({head for head, _, _ in found}) == 2
    assert found == triples(open_source(files))


def test_lines_of_ntriples(tmp_path: Path) -> None:
    lines = [
        "\ufeff# a comment",
        "",
        "<a><p><b>.",
        "  <a>\t<p> <b-\\u00e9\\U0001F600> . # more",
        "_:x.y <p> _:z .\r",
        "<`]-\\u003E()DETACH> <$r> <{{x}}'> .",
    ]
    assert triples(open_source([write(tmp_path, "\n".join(lines), "x.nt")])) == [
        ("a", "p", "b"),
        ("a", "p", "b-é😀"),
        ("_:x.nt#x.y", "p", "_:x.nt#z"),
        ("`]->()DETACH", "$r", "{{x}}'"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<a> <p> .", "no statement of N-Triples"),
        ("<a> <p> <b>", "no statement of N-Triples"),
        ('"a" <p> <b> .', "no statement of N-Triples"),
        ("<a> _:p <b> .", "no statement of N-Triples"),
        ("<a> <p> 'b' .", "no statement of N-Triples"),
        ("head\trelation\ttail", "no statement of N-Triples"),
        ('<a> <p> "\\x" .', "unknown escape"),
        ("<a> <p> <\\uD800> .", "no character"),
        ("<a> <p> <\\u0000> .", "NUL"),
        (b"<a> <p> <M\xfcller> .", "not UTF-8"),
        ('<a> <p> "\\u0000" .', "NUL"),
        ('<a> <p> "\x00" .', "NUL"),
        ("<a> <p> <> .", "no statement of N-Triples"),
        ("<a> <p> <b c> .", "no statement of N-Triples"),
        ("<a> <p> <b<c> .", "no statement of N-Triples"),
        ("<a> <p> <b> . <a> <p> <c> .", "no statement of N-Triples"),
        ("<a> <p> <b> .\r<a> <p> <c> .", "no statement of N-Triples"),
        ("<a> <p> <<( <a> <p> <b> )>> .", "no statement of N-Triples"),
        ('<a> <p> "not closed .', "no statement of N-Triples"),
    ],
)
def test_bad_lines_are_reported_or_skipped(tmp_path: Path, line: str | bytes, said: str) -> None:
    bad = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path, b"<a> <p> <b> .\n" + bad + b"\n<c> <p> <d> .\n", "x.nt")
    with pytest.raises(DataError, match=said) as caught:
        triples(open_source([path]))
    assert f"{path}, line 2" in str(caught.value)
    source = open_source([path], skip_bad_rows=True)
    assert len(triples(source)) == 2
    names(source)
    assert [(row.line, said in row.reason) for row in source.bad_rows.rows] == [(2, True)]
    assert source.bad_rows.count == 1


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"@prefix ex: <http://e/> .\nex:a ex:p ex:b ;\n", 3, "no Turtle"),
        (b"<a> <p>\n  foo:b .\n", 2, "no Turtle"),
        (b"<a> <p> <b> .\n<a> <p> '\xff' .\n", 2, "not UTF-8"),
        (b"<a> <p> <b> .\n\x00", 2, "NUL"),
        (b"<a> <p> '\\u0000' .", None, "NUL"),
        (b"<a> <p> <<( <a> <p> <b> )>> .", None, "no Turtle"),
        (b"{ <a> <p> <b> } => { <b> <p> <a> } .", 1, "no Turtle"),
        (gzip.compress(TURTLE.encode(), mtime=0)[:-20], None, "ends early"),
        (TURTLE.encode("utf-16"), 1, "not UTF-8"),
    ],
)
def test_bad_turtle_is_an_error_with_its_line(tmp_path: Path, data: bytes, line: int | None, said: str) -> None:
    path = write(tmp_path, data, "x.ttl")
    with pytest.raises(DataError, match=said) as caught:
        triples(open_source([path]))
    assert str(path) in str(caught.value)
    assert line is None or f"line {line}:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_turtle_with_deep_brackets_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    text = "\ufeff<a> <p> " + "(" * 5000 + ")" * 5000 + " ."
    found = triples(open_source([write(tmp_path, text, "x.ttl")]))
    assert len(found) == 2 * 4999 + 1
    assert found[0] == ("a", "p", "_:x.ttl#1")


def test_two_lines_with_an_open_literal_are_two_bad_rows(tmp_path: Path) -> None:
    """Together they would be one literal with a line break in it."""
    source = open_source([write(tmp_path, '<a> <p> "b .\n<c> <p> " .\n<d> <p> <e> .\n', "x.nt")], skip_bad_rows=True)
    assert triples(source) == [("d", "p", "e")]
    assert [row.line for row in source.bad_rows.rows] == [1, 2]


def test_a_truncated_gzip_names_the_line(tmp_path: Path) -> None:
    lines = "".join(f"<a> <p> <{number}> .\n" for number in range(5000))
    path = write(tmp_path, gzip.compress(lines.encode(), mtime=0)[:-2000], "x.nt.gz")
    with pytest.raises(DataError, match=r"x\.nt\.gz, line \d+: the packed data ends early"):
        triples(open_source([path], skip_bad_rows=True))


def test_bad_lines_keep_their_numbers_in_every_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdf, "_BLOCK", 4)
    lines = [f"<a> <p> <{number}> ." for number in range(1, 12)]
    lines[2] = lines[8] = "bad"
    lines[5], lines[6] = "# a comment", ""
    path = write(tmp_path, "\n".join(lines), "x.nt")
    source = open_source([path], skip_bad_rows=True)
    tables = list(source.triples())
    assert [line for table in tables for line in table.lines] == [1, 2, 4, 5, 8, 10, 11]
    assert [tail for table in tables for tail in table["tail"]] == ["1", "2", "4", "5", "8", "10", "11"]
    assert [row.line for row in source.bad_rows.rows] == [3, 9]


def test_a_format_can_be_given_and_folders_keep_theirs(tmp_path: Path) -> None:
    path = write(tmp_path, "<a> <p> <b> .\n", "dump")
    with pytest.raises(DataError, match=r"1: a p b; give --format .*ntriples"):
        open_source([write(tmp_path, "a p b", "unknown")])
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder, "head\trelation\ttail\nx\tr\ty\n", "set.kg")
    assert triples(open_source([folder, path], format="ntriples")) == [("x", "r", "y"), ("a", "p", "b")]


def test_a_file_of_names_goes_before_labels(tmp_path: Path) -> None:
    path = write(tmp_path, f'<a> <p> <b> .\n<a> {LABEL} "from RDF" .\n<b> {LABEL} "kept" .\n', "x.nt")
    other = write(tmp_path, "entity_id\tname\na\tfrom a file\n", "names.tsv")
    found = survey(open_source([path], names=other))
    assert dict(zip(found.entities, found.names, strict=True)) == {"a": "from a file", "b": "kept"}


def test_the_command_counts_literals(tmp_path: Path) -> None:
    path = write(tmp_path, TURTLE, "x.ttl")
    done = CliRunner().invoke(app, ["load-kg", str(path), "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["triples_read"], report["literals_left_out"], report["nameless_entities"]) == (4, 2, 3)
    table = CliRunner().invoke(app, ["load-kg", str(path), "--dry-run"])
    assert "literals left out" in table.output
    kept = CliRunner().invoke(app, ["load-kg", str(path), "--dry-run", "--json", "--literals", "entities"])
    assert json.loads(kept.stdout)["triples_read"] == 6


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
iris = st.text(st.sampled_from("abé#/:%'&*~=1"), min_size=1, max_size=6).map(
    lambda end: rdflib.URIRef(f"http://e/{end}")
)
blanks = st.sampled_from("abc").map(rdflib.BNode)
literals = st.one_of(
    st.builds(rdflib.Literal, texts),
    st.builds(rdflib.Literal, texts, lang=st.sampled_from(["en", "de-AT"])),
    st.builds(rdflib.Literal, texts, datatype=st.just(rdflib.URIRef("http://t/x"))),
)


@given(st.lists(st.tuples(st.one_of(iris, blanks), iris, st.one_of(iris, blanks, literals)), min_size=1, max_size=8))
def test_both_formats_read_what_rdflib_wrote(
    tmp_path_factory: pytest.TempPathFactory,
    statements: list[tuple[rdflib.term.Node, rdflib.term.Node, rdflib.term.Node]],
) -> None:
    """Equal except for the labels of blank nodes."""
    graph = rdflib.Graph()
    for statement in statements:
        graph.add(statement)
    expected = {tuple(map(plain, statement)) for statement in graph}
    folder = tmp_path_factory.mktemp("any")
    for suffix, format_ in (("nt", "nt"), ("ttl", "turtle")):
        path = folder / f"x.{suffix}"
        graph.serialize(path, format=format_, encoding="utf-8")
        found = triples(open_source([path], literals="entities"))
        assert {tuple("_:" if part.startswith("_:") else part for part in row) for row in found} == expected
        assert len(found) == len(set(found)) == len(graph)


def plain(term: rdflib.term.Node) -> str:
    if isinstance(term, rdflib.BNode):
        return "_:"
    if isinstance(term, rdflib.Literal):
        tail = f"@{term.language.lower()}" if term.language else f"^^<{term.datatype}>" if term.datatype else ""
        return f'"{term}"{tail}'
    return str(term)
