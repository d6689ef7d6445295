"""``init`` writes files that load; ``doctor`` says what is wrong and how to fix it."""

from __future__ import annotations

import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from worlds.command import Done, kptool, refused

from kptoolkit.config import Config, describe, load_config
from kptoolkit.graph.queries import QuerySet
from kptoolkit.prompts import TemplatePack

_LINE = re.compile(r"# (\w+) =( ?)(.*)")


@pytest.mark.process
def test_init_writes_a_folder_to_start_from() -> None:
    done = kptool("init", "mine", "--pack", "books")
    assert done.returncode == 0
    assert done.stderr.count("wrote ") == 3
    assert TemplatePack.load("mine/templates/books").relations
    checked = kptool("templates", "check", "mine/templates/books")
    assert checked.returncode == 0, checked.stdout
    for embedded in (False, True):
        QuerySet(Path("mine/cypher"), embedded=embedded)
    assert load_config("mine/kptool.toml", environ={}) == Config()
    copies = {"prompts.pack": "mine/templates/books", "graph.cypher": "mine/cypher"}
    assert load_config("mine/kptool.toml", copies, {}).graph.cypher == Path("mine/cypher")


@pytest.mark.process
def test_copied_cypher_files_serve_the_embedded_graph() -> None:
    assert kptool("init", "mine", "-q").returncode == 0
    Path("facts.csv").write_text("head,relation,tail\na,knows,b\n")
    loaded = kptool("load-kg", "facts.csv", "--graph", "embedded:kg", "--set", "graph.cypher='mine/cypher'", "--json")
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["graph"]["relationships"] == 1


@pytest.mark.process
def test_every_line_of_the_settings_can_be_uncommented() -> None:
    assert kptool("init", "mine", "-q").stderr == ""
    lines = Path("mine/kptool.toml").read_text().splitlines()
    names: list[str] = []
    section = ""
    for number, line in enumerate(lines):
        section = line.strip("[]") if line.startswith("[") else section
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        names.append(f"{section}.{found[1]}")
        assert lines[number - 1].startswith("# "), "each setting is described"
        if found[3]:
            lines[number] = line.removeprefix("# ")
    assert names == [key for key, _, _ in describe()]
    text = "\n".join(lines)
    assert len(tomllib.loads(text)) == len(Config.model_fields)
    Path("all.toml").write_text(text)
    assert load_config("all.toml", environ={}) == Config()


@pytest.mark.process
def test_init_overwrites_nothing() -> None:
    Path("kptool.toml").write_text("mine")
    refused(kptool("init"), "kptool.toml is there already; nothing was written")
    assert [path.name for path in Path().iterdir()] == ["kptool.toml"]
    assert Path("kptool.toml").read_text() == "mine"


@pytest.mark.process
def test_init_with_an_unknown_pack() -> None:
    refused(kptool("init", "mine", "--pack", "bocks"), "no template pack 'bocks'; nearest: books", "Shipped packs:")
    assert not Path("mine").exists()


def lines(done: Done) -> dict[str, dict[str, Any]]:
    found = {line["what"]: line for line in json.loads(done.stdout)}
    assert done.returncode == (0 if all(line["ok"] for line in found.values()) else 1)
    return found


@pytest.mark.process
def test_doctor_without_a_graph() -> None:
    found = lines(kptool("doctor", "--json"))
    assert found["graph embedded:./kg"]["ok"]
    assert found["graph embedded:./kg"]["advice"] == "kptool load-kg SOURCE makes it"
    assert {"Python", "torch", "GPU", "disk", "pack movies", "pack books", "pack generic"} <= found.keys()
    assert all(found[name]["ok"] for name in ("Python", "torch", "GPU", "pack movies", "pack books", "pack generic"))
    assert not Path("kg").exists()


@pytest.mark.embedded
def test_doctor_on_a_graph(graph: str) -> None:
    found = lines(kptool("doctor", "--graph", graph, "--json"))
    assert found[f"graph {graph}"]["ok"]
    assert "24 items" in found[f"graph {graph}"]["seen"]


@pytest.mark.process
def test_doctor_on_a_dead_server_says_no_password() -> None:
    secret = {"KPTOOL_GRAPH__PASSWORD": "s3cret-pw", "KPTOOL_GRAPH__URI": "bolt://127.0.0.1:9"}
    start = time.monotonic()
    done = kptool("doctor", "--json", environment=secret)
    assert time.monotonic() - start < 120, "ten seconds for the server, the rest for imports"
    assert done.returncode == 1
    line = lines(done)["graph bolt://127.0.0.1:9"]
    assert not line["ok"]
    assert "bolt://127.0.0.1:9" in line["seen"]
    assert "s3cret" not in done.stdout + done.stderr
    for words in (["templates", "coverage"], ["doctor", "--debug"], ["render-prompts", "--item", "x", "--debug"]):
        start = time.monotonic()
        done = kptool(*words, environment=secret)
        assert time.monotonic() - start < 120
        assert done.returncode == 1
        assert "bolt://127.0.0.1:9" in done.stdout + done.stderr
        assert "s3cret" not in done.stdout + done.stderr
