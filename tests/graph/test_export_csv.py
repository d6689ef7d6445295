"""``kptool export-csv``: the real import tool reads its files, and the imported graph equals a loaded one."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from servers.neo4j_server import Installation
from typer.testing import CliRunner
from worlds.command import line, refused

from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig
from kptoolkit.graph.database import Graph
from kptoolkit.graph.loading.export import Export, export_csv
from kptoolkit.graph.loading.survey import survey
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.prompts import TemplatePack
from kptoolkit.testing.graph_store_suite import expected_rows, rows_of, small_world

LONG_NAME = "long " * 500_000


def awkward() -> MemorySource:
    """The small world, and texts that are difficult in CSV."""
    source = small_world()
    odd = [
        'quote " and ""',
        "line\nbreak",
        "carriage\rreturn\r\n",
        "a, b; c",
        " spaces ",
        "\\",
        "'",
        "Ünïcode 名前 😀",
        '"',
    ]
    source.triples_ = [*source.triples_, *((f"odd {text}", f"odd {text}", text) for text in odd)]
    source.names_ = {**source.names_, **{f"odd {text}": f"The {text}." for text in odd}, '"': LONG_NAME}
    source.items_ = [*source.items_, *((f"item {text}", f"Title {text}!") for text in odd)]
    source.links_ = [*source.links_, *((f"item {text}", f"odd {text}") for text in odd[:3])]
    return source


def imported(exported: Export, installation: Installation) -> None:
    """Run the printed command with the real tool."""
    go_to, command = (shlex.split(part) for part in exported.command.split(" && "))
    assert (go_to[0], command[0]) == ("cd", "neo4j-admin")
    installation.admin(*command[1:], cwd=Path(go_to[1]))


@pytest.mark.graph
@pytest.mark.slow
def test_the_real_import_gives_what_was_exported(tmp_path: Path, installation: Installation) -> None:
    source = awkward()
    found = survey(source)
    exported = export_csv(found, tmp_path / "it's a, folder")
    imported(exported, installation)
    schema = (tmp_path / "it's a, folder" / "schema.cypher").read_text()
    with installation.running() as server, server.driver() as driver:
        for statement in filter(str.strip, schema.split(";\n")):
            driver.execute_query(statement, database_="neo4j")
        with Graph.open(
            server.uri, username=server.username, password=server.password, database="neo4j", config=GraphConfig()
        ) as graph:
            assert graph.counts() == {
                "entities": exported.entities,
                "relationships": len(found),
                "items": exported.items,
            }
            assert graph.relation_counts() == exported.relations
            by_type = graph.store.read("MATCH ()-[r]->() RETURN type(r) AS type, count(*) AS count", {})
            assert dict(by_type.rows) == exported.relations
            assert nodes(graph) == dict(zip(found.entities, found.names, strict=True))
            items = graph.items()
            links = {item.item_id: found.entities[item.entity] if item.entity >= 0 else None for item in found.items}
            assert dict(zip(items.item_id, items.entity_id, strict=True)) == links
            assert dict(zip(items.item_id, items.name, strict=True))["item \\"] == "Title \\!"
            around = graph.neighbourhoods(["film:1", "odd line\nbreak"], 2)
            assert rows_of(around) == expected_rows(source, ["film:1", "odd line\nbreak"], 2, graph.config.max_degree)
            assert around.degrees.tolist() == [
                dict(zip(found.entities, found.degrees, strict=True))[i] for i in around.ids
            ]
            assert graph.resolve(LONG_NAME.upper()).entity_id == '"'
            again = graph.load(source)
            assert not again.written
            assert again.graph == graph.counts()


def nodes(graph: Graph) -> dict[str, str]:
    found = graph.store.read("MATCH (n:Entity) RETURN n.id AS id, coalesce(n.name, '') AS name", {})
    return dict(zip(found.column("id"), found.column("name"), strict=True))


def test_the_files_the_command_and_their_repetition(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("head\trelation\ttail\na\tr\tb\na\tr\tb\nb\ts\tb\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "items.csv").write_text("of an earlier export")
    done = CliRunner().invoke(app, ["export-csv", str(path), "-o", "out", "--database", "kg", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["files"] == {"entities.csv": 2, "kptool.csv": 1, "relationships.csv": 2}
    assert said["relations"] == {"r": 1, "s": 1}
    assert said["command"] == (
        f"cd {tmp_path / 'out'} && neo4j-admin database import full kg --nodes=entities.csv --nodes=kptool.csv "
        "--relationships=relationships.csv --bad-tolerance=0"
    )
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [*sorted(said["files"]), "schema.cypher"]
    with (tmp_path / "out" / "entities.csv").open(newline="") as file:
        assert [row["degree:long"] for row in csv.DictReader(file)] == ["1", "2"]
    shown = CliRunner().invoke(app, ["export-csv", str(path), "-o", "out"])
    assert "neo4j-admin database import full neo4j" in shown.output
    assert "cypher-shell -d neo4j -f schema.cypher" in shown.output


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("head\trelation\ttail\n" + "".join(f"a{number}\tr\tb\n" for number in range(500)))
    words = line("export-csv", path, "-o", tmp_path / "out")
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *words]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=120)
    refused(done, "cannot be written: File too large")
    assert not (tmp_path / "out").exists()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("head\trelation\ttail\na\tr\tb\n")
    done = CliRunner().invoke(app, ["export-csv", str(path), "-o", str(path / "below")])
    assert done.exit_code == 2
    assert "cannot be written" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("pack", "words", "name"),
    [
        ("auto", [], "The House"),
        ("generic-de", [], "Das Haus"),
        ("own", [], "La Maison"),
        ("own", ["--language", "de"], "Das Haus"),
    ],
)
def test_names_are_in_the_language_of_the_pack(tmp_path: Path, pack: str, words: list[str], name: str) -> None:
    """The pack may be one with filters: they are not run for its language."""
    own = TemplatePack.load("generic-fr").save(tmp_path / "own") / "pack.yaml"
    own.write_text(own.read_text(encoding="utf-8").replace("filters:", "filters:\n  sh: 'os:system'"), encoding="utf-8")
    assert "os:system" in own.read_text(encoding="utf-8")
    labels = {"en": "The House", "de": "Das Haus", "fr": "La Maison"}
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    lines = [f'<http://x/h> <{label}> "{text}"@{language} .' for language, text in labels.items()]
    Path("houses.nt").write_text("\n".join([*lines, "<http://x/h> <http://x/in> <http://x/t> ."]), encoding="utf-8")
    given = ["--set", f"prompts.pack={own.parent if pack == 'own' else pack}", *words]
    done = CliRunner().invoke(app, ["export-csv", "houses.nt", "--output", "out", *given])
    assert done.exit_code == 0, done.output
    assert name in Path("out/entities.csv").read_text(encoding="utf-8")
    dry = CliRunner().invoke(app, ["load-kg", "houses.nt", "--dry-run", *given])
    assert dry.exit_code == 0, dry.output
