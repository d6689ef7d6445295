"""Ray Data gives the bytes that this process gives; a local cluster of two workers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cache import caching, contents, phrases, same
from typer.testing import CliRunner
from worlds.command import python, refused, sets
from worlds.ring import load_graph, write_world

from kptoolkit.cli.app import app
from kptoolkit.config import PromptsConfig
from kptoolkit.errors import DataError, KptoolError, MissingExtraError
from kptoolkit.knowledge.engines import ray_engine
from kptoolkit.knowledge.prompt_jobs import SavedRenderJob
from kptoolkit.limits import current
from kptoolkit.progress import ProgressEvent


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few prompts are many."""
    values = {"engines.worker_pool.MIN_PROMPTS": 2, "prompt_jobs.MIN_SECONDS": 0, "prompt_jobs._PART_SIZE": 2}
    for name, value in values.items():
        monkeypatch.setattr(f"kptoolkit.knowledge.{name}", value)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
@pytest.mark.usefixtures("eager")
def test_two_workers_of_ray_give_the_same_bytes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ray = pytest.importorskip("ray")
    before = dict(os.environ)
    alone = caching(tmp_path / "alone", variants="hash")
    tokenizer = (alone.trees(0), phrases(alone))[1]
    alone.tokens(tokenizer)
    capfd.readouterr()
    other = caching(tmp_path / "ray", variants="hash", engine="ray", workers=2)
    with ray_engine._cluster(2):
        trees = other.trees(0)
        other.render()
        assert ray.cluster_resources()["CPU"] == 2
        other.tokens(tokenizer)
        alone.pack.save(tmp_path / "pack")
        with pytest.raises(DataError, match=r"^\S*index\.json: is missing or damaged[^\n]*$"):
            ray_engine.run_parts(
                SavedRenderJob, (str(tmp_path), "first", 48, (), current()), [np.zeros((2, 2), np.int64)], 2
            )
    assert same(trees, alone.trees(0))
    assert contents(tmp_path / "ray") == contents(tmp_path / "alone")
    assert not ray.is_initialized(), "what was started is ended"
    assert dict(os.environ) == before
    assert capfd.readouterr().out == ""


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
@pytest.mark.usefixtures("eager")
def test_the_command_line_caches_the_same_bytes_with_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    world = write_world(tmp_path / "data")
    graph, jobs, run_parts = load_graph(world, tmp_path / "kg"), list[str](), ray_engine.run_parts

    def noted(*arguments: Any) -> Any:
        jobs.append(arguments[0].__name__)
        return run_parts(*arguments)

    monkeypatch.setattr(ray_engine, "run_parts", noted)
    monkeypatch.setattr("kptoolkit.knowledge.prompt_jobs._PART_SIZE", 64)
    said = {}
    for engine in ("local", "ray"):
        options = sets(**{"graph.cache": tmp_path / "around", "prompts.cache": tmp_path / engine, "prompts.workers": 2})
        words = ["--data", str(world), "--graph", graph, *(options if engine == "ray" else options[:-2])]
        done = CliRunner().invoke(app, ["compile", *words, "--engine", engine, "--json"])
        assert done.exit_code == 0, done.output
        said[engine] = json.loads(done.stdout)
        assert jobs == ([] if engine == "local" else ["SavedRenderJob"])
    assert said["ray"] == said["local"]
    assert said["ray"]["distinct_prompts"] > 50
    assert contents(tmp_path / "ray") == contents(tmp_path / "local") != {}


@pytest.mark.process
def test_without_ray_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['ray'] = None\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    (tmp_path / "one.inter").write_text("user_id\titem_id\n")
    done = python("-m", "kptoolkit", "compile", "--data", str(tmp_path), "--engine", "ray", PYTHONPATH=path)
    assert "pip install 'kptoolkit[ray]'" in refused(done, "prompts.engine = 'ray'", code=1)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError):
        ray_engine.check_ray()


def test_few_prompts_are_rendered_without_ray_and_a_line_says_so(tmp_path: Path) -> None:
    said: list[ProgressEvent] = []
    knowledge = caching(tmp_path, engine="ray", variants="epoch")
    knowledge.progress = said.append
    for epoch in (0, 1):
        knowledge.trees(epoch)
        knowledge.render()
    count = len(caching(tmp_path / "alone").trees(0).prompt)
    assert [event.stage for event in said] == [f"render {count} prompts without Ray, which is used for 50,000 or more"]
    again = caching(tmp_path, engine="ray", variants="epoch")
    again.progress = said.append
    again.trees(0)
    again.render()
    assert sum(event.stage.startswith("render") for event in said) == 1, "cached sentences are not rendered again"


@pytest.mark.parametrize("form", ["{}:{}", "ray://{}:{}"])
def test_a_cluster_that_does_not_answer_is_named_at_once(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = ("127.0.0.1", taken.getsockname()[1])
        monkeypatch.setenv("RAY_ADDRESS", form.format(*place))
        line = r"^no Ray cluster answers at 127\.0\.0\.1:{} \(RAY_ADDRESS\): Connection refused; start [^\n]*$"
        with pytest.raises(KptoolError, match=line.format(place[1])):
            ray_engine.run_parts(
                SavedRenderJob, ("nowhere", "first", 48, (), current()), [np.zeros((2, 2), np.int64)], 2
            )


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kptoolkit.knowledge.engines.ray_engine._TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = "{}:{}".format(*silent.getsockname())
        with pytest.raises(KptoolError, match=rf"^no Ray cluster answers at {place} \(RAY_ADDRESS\): timed out; "):
            ray_engine.check_address(place)


@pytest.mark.parametrize("address", ["[::1", "host:99999", "host:six"])
def test_an_address_that_cannot_be_is_an_error_of_one_line(address: str) -> None:
    with pytest.raises(KptoolError, match=r"^RAY_ADDRESS '[^\n]*$"):
        ray_engine.check_address(address)


@pytest.mark.parametrize("word", ["auto", "local"])
def test_words_for_an_address_are_left_to_ray(word: str) -> None:
    ray_engine.check_address(word)


@pytest.mark.process
def test_ray_is_imported_only_where_it_is_asked_for() -> None:
    code = "import sys, kptoolkit.knowledge.knowledge_source; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_engine_needs_a_known_name() -> None:
    with pytest.raises(ValueError, match="engine"):
        PromptsConfig(engine="spark")
