"""Mistakes in settings, as the command line reports them."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds.command import kptool, refused


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ["data.dir", "--data DIR"]),
        (["--set", "tree.hop=2"], ["unknown setting tree.hop", "did you mean hops?", "known: hops, degree, ranking"]),
        (["--set", "tree.hops=9"], ["tree.hops", "less than or equal to 6", "9"]),
        (["--set", "tree.ranking=best"], ["tree.ranking", "'balanced', 'inverse-degree' or 'random'", "'best'"]),
        (["--set", "tre.hops=2"], ["unknown setting tre", "did you mean tree?"]),
        (["--set", "tree.hops"], ["--set tree.hops", "section.key=value"]),
        (["--set", "hops=2"], ["--set hops: write", "section.key=value"]),
        (["--config", "mine.toml"], ["settings file mine.toml", "No such file"]),
        (["--set", "model.backend=kp4", "--data", "."], ["no backend 'kp4'", "nearest: kp4sr"]),
        (["--set", "model.backend=os:system", "--data", "."], ["'os:system' is no backend, and not a class"]),
        (["--set", "model.backend=os:nothing", "--data", "."], ["backend 'os:nothing'", "cannot be imported"]),
        (["--set", "model.backend=nowhere:It", "--data", "."], ["No module named 'nowhere'", "PYTHONPATH"]),
        (["--set", "model.backend=os:PathLike", "--data", "."], ["is no backend, without name"]),
        (["--set", "tree.ranking=os:sep", "--data", "."], ["ranking 'os:sep' is no function"]),
        (["--set", "prompts.pack=nope", "--data", "."], ["no template pack 'nope'"]),
        (["--set", "prompts.pack=books", "--set", "prompts.mpp=nope", "--data", "."], ["no MPP template 'nope'"]),
        (["--data", "nowhere"], ["nowhere: no such file or folder"]),
        (["--run", "taken"], ["taken is not empty and not a run"]),
        (["--resume"], ["runs/latest holds no unfinished run to resume"]),
    ],
)
def test_fit_with_wrong_settings(words: list[str], says: list[str]) -> None:
    Path("taken").mkdir()
    Path("taken/letter").touch()
    refused(kptool("fit", *words), *says)
    assert not Path("runs").exists(), "nothing is written"


@pytest.mark.process
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tree]\nhops = \ndegree = 1\n", ["kptool.toml is not valid TOML", "line 2"]),
        ("[tree]\nhop = 2\n", ["unknown setting tree.hop", "did you mean hops?"]),
        ("[evaluation]\nks = 'ten'\n", ["evaluation.ks", "'ten'"]),
        ("hops = 2\n", ["kptool.toml: setting hops is outside a section"]),
        ("[graph]\nport = 7687\npassword = 's3cret-pw'\n", ["unknown setting graph.port", "known: uri"]),
        ("[graph]\npassword = ['s3cret-pw']\n", ["graph.password"]),
    ],
)
def test_mistakes_in_the_file(text: str, says: list[str]) -> None:
    Path("kptool.toml").write_text(text)
    assert "s3cret" not in refused(kptool("fit", "--data", "."), *says)


@pytest.mark.process
def test_mistakes_in_the_environment() -> None:
    refused(kptool("fit", KPTOOL_TREE__HOP="2"), "unknown setting tree.hop", "did you mean hops?")
    refused(kptool("fit", KPTOOL_TREE__DEGREE="many"), "tree.degree", "'many'")
    refused(kptool("fit", KPTOOL_TREES__DEGREE="1"), "unknown setting trees", "did you mean tree?")


@pytest.mark.process
def test_debug_shows_the_traceback_and_keeps_the_exit_code() -> None:
    done = kptool("fit", "--debug")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert "error: no interactions given" in done.stderr
    assert "ConfigError" in done.stderr
