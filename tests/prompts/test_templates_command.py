"""``kptool templates``: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kptoolkit.cli.app import app
from kptoolkit.prompts import TemplatePack

SHIPPED = ["books", "freebase", "generic", "generic-de", "generic-fr", "movies", "movies-de", "music"]


def kptool(*words: str) -> Result:
    return CliRunner().invoke(app, ["templates", *words])


@pytest.fixture
def broken() -> Path:
    folder = TemplatePack.load("generic").save("broken")
    text = "bad: {forward: '{{ head }} [red]likes[/red] {{ tial }}', inverse: '{{ ''''.__class__ }}'}\n"
    (folder / "relations.yaml").write_text(text, encoding="utf-8")
    return folder


def test_list() -> None:
    said = kptool("list")
    assert said.exit_code == 0
    assert all(name in said.stdout for name in SHIPPED)
    rows = json.loads(kptool("list", "--json").stdout)
    assert [row["name"] for row in rows] == SHIPPED
    assert all(row["relations"] > 5 and row["mpp"] >= 11 for row in rows)


def test_show() -> None:
    said = kptool("show", "movies")
    assert said.exit_code == 0
    assert "  film.film.directed_by   also: directed_by, director, P57\n" in said.stdout
    assert "    forward  {{ head }} was directed by {{ tail }}.\n" in said.stdout
    assert "  movies-13 (held_out)  Having seen {{ history }}" in said.stdout
    shown = json.loads(kptool("show", "movies", "--json").stdout)
    assert shown["relations"]["film.film.directed_by"]["forward"][0] == "{{ head }} was directed by {{ tail }}."
    assert shown["aliases"]["P57"] == "film.film.directed_by"


def test_show_of_an_unknown_pack() -> None:
    said = kptool("show", "moveis")
    assert said.exit_code == 2
    assert "no template pack 'moveis'; nearest: movies" in said.stderr
    assert said.stdout == ""


def test_check_of_sound_packs() -> None:
    said = kptool("check")
    assert (said.exit_code, said.stdout) == (0, "".join(f"{name}: no mistakes\n" for name in SHIPPED))


def test_check_lists_every_mistake_with_its_place(broken: Path) -> None:
    said = kptool("check", "movies", str(broken))
    assert said.exit_code == 2
    lines = said.stdout.splitlines()
    assert lines[0] == "movies: no mistakes"
    place = "  pack generic, relations.yaml, 'bad', column"
    fix = "did you mean {{ tail }}? There are {{ head }} and {{ tail }}"
    assert lines[2] == f"{place} 32: forward sentence 1: undeclared variable 'tial'; {fix}"
    assert lines[3] == "      {{ head }} [red]likes[/red] {{ tial }}"
    assert lines[4].index("^") == lines[3].index("tial")
    assert lines[5].startswith(f"{place} 6: inverse sentence 1: unsafe expression '__class__'; ")
    assert lines[6:8] == ["      {{ ''.__class__ }}", "           ^"]
    assert lines[8].startswith("  pack generic, pack.yaml, ")
    reported = json.loads(kptool("check", str(broken), "--json").stdout)
    assert lines[1] == f"broken: {len(reported[0]['findings'])} to fix"
    assert reported[0]["findings"][0]["text"] == "{{ head }} [red]likes[/red] {{ tial }}"
    assert reported[0]["findings"][0]["column"] == 32
    assert kptool("check", str(broken), "--json").exit_code == 2


def test_a_broken_pack_ends_other_commands_with_one_line(broken: Path) -> None:
    said = kptool("show", str(broken))
    assert said.exit_code == 2
    assert said.stderr.startswith("error: pack generic, relations.yaml, 'bad', column 32: ")
    assert len(said.stderr.splitlines()) == 1
