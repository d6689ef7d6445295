"""Escape sequences in every kind of name, and every command: none of them reaches the terminal."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kptool_lines import commands
from rich.progress import Progress
from rich.table import Table
from typer.testing import CliRunner
from worlds.marks import needs

from kptoolkit.cli.app import app
from kptoolkit.cli.console import SafeConsole, json_text
from kptoolkit.cli.session import Session
from kptoolkit.errors import escaped
from kptoolkit.graph.embedded import EmbeddedServer
from kptoolkit.prompts import TemplatePack
from kptoolkit.testing.small_worlds import ITEMS, chain_interactions

ATTACKS = (
    "\x1b]52;c;Y2xpcGJvYXJk\x07",
    "\x1b]8;;http://example.org\x1b\\\\link\x1b]8;;\x1b\\\\",
    "\x1b[2J\x1b[H",
    "\x9b2J\x9d0;title\x9c",
    "\u202eright to left\u2066",
    "\x08\x08\x7f\x0e\x0f",
    "\x1bc\x1b(0",
)
LONG_OR_BLOCKING = {"demo", "graph serve"}
"""Commands that are not run here: the first knows the bundled names alone, the second waits for Ctrl-C."""
LINEAR = [
    *("model.backend=linear", "parts.transitions=false", "parts.co_occurrence=false", "parts.graph_similarity=false"),
    *("parts.titles=false", "parts.prompts=false", "evaluation.resamples=100", "evaluation.explained=5"),
]


def planted(kind: str, number: int = 0) -> str:
    """A name of a kind with an attack in it."""
    return f"PWN{kind}{number}{ATTACKS[number % len(ATTACKS)]}"


def write_world(folder: Path) -> Path:
    """Files in which every id, name and title has an attack."""
    folder.mkdir(parents=True)
    found = chain_interactions()
    events = zip(found.user, found.item, found.time, strict=True)
    linked = range(ITEMS - 1)
    triples = []
    for item in linked:
        triples.append((planted("entity", item), planted("relation", 0), planted("author", item % 4)))
        triples.append((planted("entity", item), planted("relation", 1), planted("entity", (item + 1) % (ITEMS - 1))))
        triples.append((planted("entity", item), f"{planted('relation', 2)}.likes", planted("author", item % 3)))
    ends = sorted({end for head, _, tail in triples for end in (head, tail)})
    tables: dict[str, list[tuple[object, ...]]] = {
        "inter": [("user_id", "item_id", "timestamp")]
        + [(planted("user", user), planted("item", item), time) for user, item, time in events],
        "item": [("item_id", "title"), *((planted("item", n), planted("title", n)) for n in range(ITEMS))],
        "link": [("item_id", "entity_id"), *((planted("item", n), planted("entity", n)) for n in linked)],
        "kg": [("head", "relation", "tail"), *triples],
        "ent": [("entity_id", "name"), *((end, f"{planted('name', n)} of {end}") for n, end in enumerate(ends))],
    }
    for suffix, rows in tables.items():
        text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        (folder / f"ring.{suffix}").write_text(text, encoding="utf-8")
    (folder / "NOTICE").write_text(planted("notice", 1) + "\n", encoding="utf-8")
    return folder


def write_pack(folder: Path) -> Path:
    """A pack with an attack in its name, its description, an alias, a sentence and the id of an MPP template."""
    pack = TemplatePack.load("books").with_relation(planted("relation", 0), "{{ head }} \x1b[2J has {{ tail }}")
    pack = pack.with_mpp(planted("mpp"), "{{ history }} \x1b[2J and {{ mask }}")
    alias = {planted("alias"): planted("relation", 0)}
    texts = {"name": planted("name"), "domain": planted("domain"), "description": planted("description")}
    changed: TemplatePack = replace(pack, aliases=alias, **texts)  # type: ignore[arg-type]
    return changed.save(folder)


@pytest.fixture(scope="module")
@needs("embedded", "process")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A graph that several commands use one after another, without a start for each."""
    running = EmbeddedServer(tmp_path_factory.mktemp("terminal") / "kg")
    yield running
    running.close()


def calls(data: Path, pack: Path, run: Path) -> list[list[str]]:
    """A call of every command, those that write first; with names that are wrong too."""
    sets = [word for setting in (*LINEAR, f"data.dir={data}") for word in ("--set", setting)]
    history = ",".join(planted("item", n) for n in (1, 2))
    return [
        ["load-kg", str(data), "--interactions"],
        ["load-kg", str(data / "ring.kg"), "--link", str(data / "ring.ent"), "--dry-run"],
        ["load-kg", planted("file")],
        ["export-csv", str(data), "-o", planted("out")],
        ["data", "check", str(data)],
        ["data", "stats", str(data)],
        ["templates", "list"],
        ["templates", "show", str(pack)],
        ["templates", "show", planted("pack")],
        ["templates", "check", str(pack), planted("pack")],
        ["templates", "coverage"],
        ["templates", "coverage", "--pack", str(pack)],
        ["templates", "new", planted("drafted")],
        ["init", planted("made")],
        ["init", planted("made"), "--pack", planted("pack")],
        ["tree", "--item", planted("item", 1), "--item", planted("entity", 2), "--pack", str(pack)],
        ["tree", "--user", planted("user", 3), "--data", str(data), "-o", planted("picture") + ".dot"],
        ["tree", "--item", planted("nobody"), "--pack", str(pack)],
        ["render-prompts", "--item", planted("item", 1), "--pack", str(pack), "--mpp", planted("mpp")],
        ["render-prompts", "--item", planted("item", 1), "--mpp", planted("nothing")],
        ["compile", *sets],
        ["fit", *sets, "--run", str(run)],
        ["fit", *sets, "--run", str(run)],
        ["compile", str(run), "--refresh"],
        ["evaluate", str(run), "--groups"],
        ["evaluate", planted("run")],
        ["recommend", str(run), "--user", planted("user", 4), "-k", "3"],
        ["recommend", str(run), "--items", history, "--explain", "-k", "3"],
        ["recommend", str(run), "--user", planted("nobody")],
        ["recommend", str(run), "--all-users", "--output", planted("all") + ".parquet"],
        ["report", str(run), "--output", planted("report") + ".html"],
        ["study", planted("study")],
        ["study", "worlds.tiny_study:STUDY", *sets, "--quick", "--output", planted("studied"), "--drop-runs"],
        ["doctor", "--set", f"prompts.pack={pack}"],
        ["doctor", "--set", f"tree.{planted('setting')}={planted('value')}"],
        ["doctor", "--set", f"tree.hops={planted('value')}"],
        [planted("command")],
        ["fit", f"--{planted('option')}"],
        ["tree", "--hops", planted("value")],
    ]


@pytest.mark.slow
def test_no_escape_sequence_reaches_the_terminal(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = {"URI": server.uri, "USERNAME": server.username, "PASSWORD": server.password, "DATABASE": server.database}
    for name, value in access.items():
        monkeypatch.setenv(f"NEO4J_{name}", value)
    asked = dict(commands())
    names = {path for path in asked if asked[path].params}
    given = calls(
        write_world(tmp_path / planted("data")), write_pack(tmp_path / planted("folder")), tmp_path / planted("run")
    )
    run = {path for path in names for words in given if words[: path.count(" ") + 1] == path.split()}
    assert run == names - LONG_OR_BLOCKING
    whole = ""
    for words in given:
        done = CliRunner().invoke(app, words)
        assert done.exit_code in (0, 2) or words[0] == "doctor", f"{words}: {done.output}"
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        said = done.stdout + done.stderr
        assert said == escaped(said, lines=True), words
        whole += said
    kinds = "title item relation user name notice pack mpp alias description data run setting value command option"
    assert not [kind for kind in kinds.split() if f"PWN{kind}" not in whole]
    assert "\\x1b]52" in whole


def test_json_has_no_command_and_the_same_values() -> None:
    value = {"name": [planted("x", n) for n in range(len(ATTACKS))], "é": "\u200d ü\n"}
    text = json_text(value, str)
    assert text == escaped(text, lines=True)
    assert json.loads(text) == value


def test_a_terminal_gets_colours_of_its_own_alone() -> None:
    """Also in tables and progress bars, whose own cursor movements stay."""
    session = Session()
    session.out = SafeConsole(file=io.StringIO(), force_terminal=True, width=120, color_system="standard")
    names = [planted("name", n) for n in range(len(ATTACKS))]
    session.table(names[0], names, [names, names], caption=names[1])
    session.lines([*names, "two\nlines"])
    session.out.print(Table(names[2], title=names[3]), f"[bold]{names[2]}", *names)
    with Progress(console=session.out) as bars:
        bars.add_task(names[0], total=1)
    assert isinstance(session.out.file, io.StringIO)
    shown = session.out.file.getvalue()
    own = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert own.replace("\r", "") == escaped(own.replace("\r", ""), lines=True)
    assert "\x1b[1m" in shown
    assert "\x1b[2J" not in shown
    assert "two lines" in shown
