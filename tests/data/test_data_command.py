from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from worlds import command
from worlds.command import Done

from kptoolkit.data import data_folder, graph_files
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.graph_files import has_triples


def kptool(*words: object) -> Done:
    return command.kptool(*words, COLUMNS="250")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"u{user}\ti{(user + k) % 5}\t{100 * user + k // 2}" for user in range(3) for k in range(4)]
    (tmp_path / "x.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n")
    return tmp_path


@pytest.mark.process
def test_stats_and_check_as_tables_and_json(folder: Path) -> None:
    table = kptool("data", "stats", folder)
    assert table.returncode == 0
    assert "events per user, median" in table.stdout
    values = json.loads(kptool("data", "stats", folder, "--json").stdout)
    assert (values["users"], values["events"]) == (3, 12)
    shown = kptool("data", "check", folder)
    assert shown.returncode == 0
    assert "share their time" in " ".join(shown.stdout.replace("│", " ").split())
    said = kptool("data", "check", folder, "--json")
    levels = {finding["what"]: finding["level"] for finding in json.loads(said.stdout)}
    assert levels["users whose last two events share their time"] == "warning"
    assert said.stderr == ""


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("y.inter", b"user_id\titem_id\n1\t2\n3\n", "y.inter, line 3: 1 column "),
        ("y.inter", b"user_id\titem_id\n1\t\xff\n", "y.inter, line 2: not UTF-8 text; save the file as UTF-8"),
        ("y.inter", b"", "y.inter: the file is empty"),
        ("y.csv", b"user,thing\n1,2\n", "y.csv, line 1: no column for 'item_id'"),
        ("y.csv", b"user,item,timestamp\n1,2,soon\n", "y.csv, line 2: timestamp 'soon'"),
        ("y.inter.gz", gzip.compress(b"user_id\titem_id\n" + b"1\t2\n" * 9, mtime=0)[:-10], "ends early"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "stats"])
def test_bad_files_end_with_2_and_one_line(tmp_path: Path, verb: str, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    said = kptool("data", verb, path)
    assert said.returncode == 2
    assert said.stdout == ""
    assert says in said.stderr
    assert said.stderr.startswith("error: ")
    assert said.stderr.count("\n") == 1


@pytest.mark.process
def test_no_folder_and_several_files(folder: Path) -> None:
    said = kptool("data", "check", folder / "nothing")
    assert said.returncode == 2
    assert "no such file or folder" in said.stderr
    (folder / "z.inter").write_text("user_id\titem_id\n1\t2\n")
    said = kptool("data", "stats", folder)
    assert said.returncode == 2
    assert "several interactions files: x.inter, z.inter; give the path of one of them" in said.stderr


@pytest.mark.parametrize("name", ["x.kg", "ratings.csv"])
def test_whether_a_file_has_triples_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "x.kg").write_text("head_id\trelation_id\ttail_id\na\tr\tb\n")
    (tmp_path / "ratings.csv").write_text("user_id,item_id\nu1,a\n")
    asked = list[Path]()

    def counting(path: Path, *others: Any) -> bool:
        asked.append(path)
        return has_triples(path, *others)

    for module in (data_folder, graph_files):
        monkeypatch.setattr(module, "has_triples", counting)
    found = DataFolder.read(tmp_path / name)
    assert asked == [tmp_path / name]
    assert (found.triples is not None, found.interactions is not None) == (True, name == "ratings.csv")
