"""Settings: where they come from, which wins, how mistakes are reported, and that no password leaves them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session
from kptoolkit.config import Config, commented_toml, describe, load_config, parse_assignment, to_toml
from kptoolkit.errors import ConfigError

SECRET = "s3cret-pw"


def test_each_source_beats_the_ones_below_it() -> None:
    Path("kptool.toml").write_text("[graph]\nuri = 'bolt://file'\nusername = 'file'\ndatabase = 'file'\ncap = 7\n")
    environ = {
        "NEO4J_URI": "bolt://neo4j",
        "NEO4J_USERNAME": "neo4j",
        "KPTOOL_GRAPH__URI": "bolt://kptool",
    }
    config = load_config(overrides={"graph.cap": 9}, environ=environ)
    graph = config.graph
    assert (graph.uri, graph.username, graph.database, graph.cap) == ("bolt://kptool", "neo4j", "file", 9)
    assert graph.frontier == Config().graph.frontier
    assert load_config(environ={}).graph.uri == "bolt://file"
    environ.pop("KPTOOL_GRAPH__URI")
    assert load_config(environ=environ).graph.uri == "bolt://neo4j"


def test_flags_beat_set_and_set_beats_the_environment() -> None:
    session = Session(overrides=dict([parse_assignment("tree.hops=4"), parse_assignment("tree.degree=5")]))
    session.environ = {"KPTOOL_TREE__HOPS": "3", "KPTOOL_TREE__DEGREE": "3", "KPTOOL_TREE__SEED": "3"}
    tree = session.config(tree__hops=2, tree__degree=None).tree
    assert (tree.hops, tree.degree, tree.seed) == (2, 5, 3)


def test_values_are_toml_or_text() -> None:
    given_ = {"prompts.pack": "books", "training.max_minutes": "2.5", "prompts.keep_nameless": "true"}
    config = load_config(overrides={**given_, "evaluation.ks": "[3, 10]"}, environ={})
    assert (config.prompts.pack, config.training.max_minutes) == ("books", 2.5)
    assert config.prompts.keep_nameless is True
    assert config.evaluation.ks == (3, 10)


@pytest.mark.parametrize("password", ["1234", "true", "0x10", "[a]", "'quoted'"])
def test_a_password_that_looks_like_something_else_stays_text(password: str) -> None:
    for given_ in ({"KPTOOL_GRAPH__PASSWORD": password}, {"NEO4J_PASSWORD": password}, None):
        overrides = {"graph.password": password} if given_ is None else {}
        found = load_config(overrides=overrides, environ=given_ or {}).graph.password
        assert found is not None
        assert found.get_secret_value() == password


@pytest.mark.parametrize("text", ["2024", "2024-05-01", "true", "[a]", "1.5"])
def test_a_text_that_looks_like_something_else_stays_text(text: str) -> None:
    for key in ("run.dir", "prompts.pack", "prompts.mpp", "graph.uri"):
        section, name = key.split(".")
        for config in (
            load_config(overrides={key: text}, environ={}),
            load_config(environ={f"KPTOOL_{section}__{name}".upper(): text}),
        ):
            assert str(getattr(getattr(config, section), name)) == text


def test_changed_parts_and_options_are_checked() -> None:
    assert Config().with_parts(titles=False).parts.titles is False
    for wrong in ({"title": False}, {"popularity": "no way"}):
        with pytest.raises(ConfigError, match=f"parts.{next(iter(wrong))}"):
            Config().with_parts(**wrong)
    with pytest.raises(ConfigError, match="backend"):
        Config().with_options(backend=3)


def test_other_variables_are_ignored() -> None:
    environ = {"KPTOOL_TEST_NEO4J_URI": "x", "KPTOOL_DATA": "x", "KPTOOL_TEST_A__B": "x", "TREE__HOPS": "x"}
    assert load_config(environ=environ) == Config()


def test_backend_options_pass_through() -> None:
    config = load_config(overrides={"model.layers": "3", "model.checkpoint": "t5-small"}, environ={})
    assert config.model.options == {"layers": 3, "checkpoint": "t5-small"}
    assert config.model_dump()["model"] == {"backend": "sequence", "layers": 3, "checkpoint": "t5-small"}


TEXTS = st.text(max_size=30) | st.text("\x00\x1f\x7f\x85\u2028\r\n\t\b\"'\\#=[]{}$\u202e\U0001f409", max_size=30)
PATHS = TEXTS.filter(lambda text: "\x00" not in text)


@given(TEXTS, TEXTS, PATHS, st.floats(1e-6, 1.0), st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_settings_survive_toml(pack: str, option: str, folder: str, rate: float, ks: list[int]) -> None:
    values: dict[str, Any] = {
        "prompts": {"pack": pack},
        "model": {"backend": "other", "name": option, "flag": True, "list": ["a", option]},
        "training": {"learning_rate": rate, "max_minutes": 3.0},
        "evaluation": {"ks": ks},
        "data": {"dir": Path(folder)},
    }
    config = Config.model_validate(values)
    with TemporaryDirectory() as place:
        file = Path(place, "own.toml")
        file.write_bytes(to_toml(config).encode())
        assert load_config(file, environ={}) == config


@given(TEXTS, TEXTS)
def test_the_file_to_edit_contains_any_text(pack: str, option: str) -> None:
    found = tomllib.loads(commented_toml({"prompts.pack": pack, "graph.database": option}))
    assert found["prompts"] == {"pack": pack}
    assert found["graph"] == {"database": option}
    assert found.keys() == Config.model_fields.keys()


def test_comments_of_a_settings_file_stay() -> None:
    document = tomlkit.parse(commented_toml())
    document["tree"]["hops"] = 3
    Path("own.toml").write_text(tomlkit.dumps(document))
    assert load_config("own.toml", environ={}).tree.hops == 3
    lines = Path("own.toml").read_text().splitlines()
    assert [line for line in lines if line != "hops = 3"] == commented_toml().splitlines()


def test_no_password_leaves_the_settings() -> None:
    config = load_config(overrides={"graph.password": SECRET, "graph.username": "ann"}, environ={})
    assert config.graph.password is not None
    for text in (to_toml(config), repr(config), str(config.model_dump()), config.model_dump_json()):
        assert SECRET not in text
    assert 'username = "ann"' in to_toml(config)
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={"graph.password": ["s3cret-pw", 2]}, environ={})
    assert SECRET not in str(caught.value)


def leaves(model: type[BaseModel], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        names += leaves(kind, f"{prefix}{name}.") if nested else [f"{prefix}{name}"]  # type: ignore[arg-type]
    return names


def test_every_setting_is_listed_and_described() -> None:
    rows = describe()
    assert [key for key, _, _ in rows] == leaves(Config)
    assert len(rows) > 40
    assert all(text.strip().endswith(".") for _, _, text in rows)
    defaults = {key: default for key, default, _ in rows}
    assert defaults["tree.hops"] == "2"
    assert defaults["graph.password"] == ""


@pytest.mark.parametrize(
    ("dotted", "value", "says"),
    [
        ("tree.hop", "2", "unknown setting tree.hop: did you mean hops?"),
        ("tree", "2", "'tree' is not a setting; write section.key=value"),
        ("training.epochs", "-1", "setting training.epochs: input should be greater than or equal to 0 (given: -1)"),
        ("data.split", "random", "'leave-one-out' or 'temporal'"),
        ("zzz.qqq", "1", "unknown setting zzz: known: graph, tree"),
    ],
)
def test_mistakes_are_reported_in_one_line(dotted: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={dotted: value}, environ={})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_settings_file_in_the_working_folder_is_read_by_commands() -> None:
    Path("kptool.toml").write_text("[prompts]\npack = 'books'\n[data]\ndir = 'nowhere'\n")
    done = CliRunner().invoke(app, ["fit"])
    assert done.exit_code == 2
    assert "nowhere: no such file or folder" in done.output
