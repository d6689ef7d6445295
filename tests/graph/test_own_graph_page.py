"""docs/own-graph.md from start to end on a real Neo4j: every command runs and prints what the page shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from servers.neo4j_server import Neo4jServer
from typer.testing import CliRunner

from kptoolkit.cli.app import app

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "own-graph.md"
EXAMPLE = CHECKOUT / "examples" / "movies_graph"
BLOCK = re.compile(r"^```(bash|text|cypher|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.graph, pytest.mark.slow]


@dataclass
class Shell:
    """Runs the commands of the page in order; ``cd`` changes the folder."""

    folder: Path
    environment: dict[str, str]
    said: dict[str, str] = field(default_factory=dict)
    stdout: str = ""

    def run(self, line: str) -> str:
        """Return what a command prints on both streams; it must succeed."""
        words = shlex.split(line)
        if words[0] == "cd":
            self.folder /= words[1]
            return ""
        os.chdir(self.folder)
        if words[0] == "kptool":
            called = CliRunner().invoke(app, words[1:], env=self.environment | {"COLUMNS": "120"})
            code, printed = called.exit_code, called.output
            self.stdout = called.stdout
        else:
            done = subprocess.run(
                [sys.executable, *words[1:]],
                env=os.environ | self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            code, printed = done.returncode, done.stdout
        assert code == 0, f"{line}: {printed}"
        self.said[line] = printed
        return printed


def everything(server: Neo4jServer) -> list[str]:
    """Return all nodes and relationships with their properties."""
    with server.driver() as driver:
        nodes = driver.execute_query("MATCH (n) RETURN elementId(n), labels(n), properties(n)", database_="neo4j")
        between = driver.execute_query(
            "MATCH ()-[r]->() RETURN elementId(r), type(r), properties(r)", database_="neo4j"
        )
        schema = driver.execute_query("SHOW INDEXES YIELD name", database_="neo4j")
    return sorted(repr(list(record.values())) for found in (nodes, between, schema) for record in found.records)


def assert_written_back(shell: Shell, server: Neo4jServer, before: list[str]) -> None:
    """Check that the command adds only recommendations, and the same number when run again."""
    line = "kptool recommend runs/first --all-users --write-back"
    assert line in PAGE.read_text(encoding="utf-8")
    for _ in range(2):
        shell.run(line)
        added = set(everything(server)) - set(before)
        assert len(added) == 900
        assert all("'RECOMMENDED'" in entry for entry in added)
    assert set(before) <= set(everything(server))


@pytest.fixture
def shell(empty_neo4j: Neo4jServer, tmp_path: Path) -> Shell:
    shutil.copytree(EXAMPLE, tmp_path / "examples" / "movies_graph")
    access = {
        "NEO4J_URI": empty_neo4j.uri,
        "NEO4J_USERNAME": empty_neo4j.username,
        "NEO4J_PASSWORD": empty_neo4j.password,
        "NEO4J_DATABASE": empty_neo4j.database,
        "OMP_NUM_THREADS": "1",
    }
    return Shell(tmp_path, access)


@pytest.mark.long
def test_the_page_runs_and_nothing_is_written(shell: Shell, empty_neo4j: Neo4jServer) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    commands = [line for kind, body in blocks if kind == "bash" for line in body.splitlines()]
    commands = [line for line in commands if not line.startswith("export ")]
    assert commands[0].startswith("python ")
    shell.run(commands[0])
    before = everything(empty_neo4j)
    assert len(before) > 1400
    for line in commands[1:]:
        shell.run(line)
    assert everything(empty_neo4j) == before, "reading wrote into the graph"
    assert_written_back(shell, empty_neo4j, before)
    printed = "".join(shell.said.values()).replace(str(shell.folder), "")
    drafted = {path.read_text() for path in (shell.folder / "cypher").iterdir()}
    relations = (shell.folder / "templates" / "own" / "relations.yaml").read_text(encoding="utf-8")
    shown = [body for kind, body in blocks if kind == "text"]
    assert len(shown) == 5
    for body in shown[:-1]:
        assert body in printed, f"the page shows what no command prints:\n{body}\n{printed}"
    shell.folder = shell.folder.parent / "examples" / "movies_graph"
    assert shown[-1] in shell.run("kptool render-prompts --item Heat --degree 2")
    whole = [body for kind, body in blocks if kind == "cypher"]
    assert whole[0] in drafted
    assert whole[1] in drafted
    assert whole[2] in (EXAMPLE / "cypher" / "neighbours.cypher").read_text().replace(
        "// The year of release is a property; these two branches make a fact of it, one for each direction.\n",
        "",
    )
    assert len(drafted) == 14
    (sentences,) = (body for kind, body in blocks if kind == "yaml")
    assert sentences in relations
    output = next(text for line, text in shell.said.items() if line.startswith("kptool recommend") and "Heat" in line)
    assert "Next after Heat, Casino" in output


def test_the_example_reads_the_graph_with_years(shell: Shell) -> None:
    assert "1,422 nodes and relationships" in shell.run("python examples/movies_graph/create.py")
    folder = shell.folder
    shell.run("kptool init drafted --from-graph")
    shell.folder = folder / "examples" / "movies_graph"
    same = {path.name for path in (shell.folder / "cypher").iterdir()}
    changed = {"neighbours.cypher", "entities_by_id.cypher", "relation_counts.cypher", "counts.cypher"}
    for name in same - changed:
        assert (shell.folder / "cypher" / name).read_text() == (folder / "drafted" / "cypher" / name).read_text()
    for name in changed - {"counts.cypher"}:
        drafted = (folder / "drafted" / "cypher" / name).read_text()
        assert (shell.folder / "cypher" / name).read_text().startswith(drafted)
    for name in ("mpp.yaml", "relations.yaml"):
        texts = [(where / "templates" / "own" / name).read_text() for where in (shell.folder, folder / "drafted")]
        assert texts[0].startswith(texts[1])
    shell.run("kptool doctor --json")
    looks = {line["what"]: line for line in json.loads(shell.stdout)}
    assert looks[f"graph {shell.environment['NEO4J_URI']}"]["seen"] == "231 entities, 365 relationships, 40 items"
    assert looks["pack for this graph"]["seen"] == "own has sentences for 100% of the triples"
    assert "One film of 1995 is Casino." in shell.run("kptool render-prompts --item Heat --degree 5")
