"""A backend and a ranking of another package, by ``module:attribute`` and by entry point, in every command of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.errors import ConfigError
from kptoolkit.knowledge.cache import prompts_key
from kptoolkit.models import backend_class, backend_names
from kptoolkit.prompts import TemplatePack
from kptoolkit.testing.small_worlds import chain_task
from kptoolkit.tree.ranked_rows import ranking_named

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_backend" / "markov.py"
RANKING = """
import numpy as np


def last_ids_first(neighbourhoods, rows):
    ids = np.asarray(neighbourhoods.ids)[np.asarray(neighbourhoods.far)[rows]]
    return -np.unique(ids, return_inverse=True)[1]
"""
ENTRY_POINTS = """
[kptoolkit.backends]
chain = own_markov:MarkovBackend
[kptoolkit.rankings]
last-first = own_ranking:last_ids_first
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a backend, a ranking and their entry points, in the path of imports."""
    folder = tmp_path / "package"
    (folder / "own-1.0.dist-info").mkdir(parents=True)
    (folder / "own-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "own-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    source = EXAMPLE.read_text(encoding="utf-8").replace("@register\n", "").replace(", register", "")
    (folder / "own_markov.py").write_text(source, encoding="utf-8")
    (folder / "own_ranking.py").write_text(RANKING)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("own_markov", "own_ranking"):
        sys.modules.pop(name, None)


def answer(*words: object) -> Any:
    said = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert said.exit_code == 0, said.stderr
    return json.loads(said.stdout)


@pytest.mark.embedded
def test_own_code_serves_every_command(package: Path, world: Path, graph: str, tmp_path: Path) -> None:
    ranking = "own_ranking:last_ids_first"
    settings = {
        "model.backend": "own_markov:MarkovBackend",
        "tree.ranking": ranking,
        "tree.degree": 1,
        "tree.hops": 1,
        "graph.cache": tmp_path / "cache",
        "prompts.cache": tmp_path / "prompts",
        "evaluation.resamples": 100,
    }
    given = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    chosen = ["--data", world, "--graph", graph, *given]
    run = tmp_path / "run"
    answer("fit", *chosen, "--run", run)
    (table,) = answer("evaluate", run, "--control", "no-knowledge")
    assert [row["name"] for row in table["rows"]][:2] == ["markov", "markov alone"]
    assert [row["item_id"] for row in answer("recommend", run, "--items", "i05", "-k", 1)] == ["i06"]
    shown = answer("render-prompts", "--item", "i05", *chosen)
    assert "Book 6" in json.dumps(shown), "of its author a1 and the books e4 and e6, the one with the last id"
    assert "Author" not in json.dumps(shown)
    assert f'ranking = "{ranking}"' in (run / "config.toml").read_text()
    (package / "own-1.0.dist-info" / "entry_points.txt").write_text("")
    recommend = ["recommend", run, "--items", "i05", "-k", 1]
    refused = CliRunner().invoke(app, list(map(str, recommend)))
    assert refused.exit_code == 2
    assert "model.backend is the backend own_markov:MarkovBackend, Python code that no" in refused.output
    assert [row["item_id"] for row in answer(*recommend, "--trust-code")] == ["i06"]
    Path("kptool.toml").write_text(f'[model]\nbackend = "own_markov:MarkovBackend"\n[tree]\nranking = "{ranking}"\n')
    assert [row["item_id"] for row in answer(*recommend)] == ["i06"]


@pytest.mark.usefixtures("package")
def test_a_name_is_known_or_refused() -> None:
    assert backend_class("chain") is backend_class("own_markov:MarkovBackend")
    assert "chain" in backend_names()
    for name in ("balanced", "inverse-degree", "random", "last-first", "any.module:function"):
        assert TreeConfig(ranking=name).ranking == name
    assert ranking_named("last-first") is ranking_named("own_ranking:last_ids_first")
    with pytest.raises(ConfigError, match="unknown ranking"):
        ranking_named("best")


def test_a_changed_ranking_function_is_not_served_from_the_cache(package: Path, tmp_path: Path) -> None:
    around = chain_task(tmp_path).knowledge.neighbourhoods
    given = (around, TemplatePack.load("generic"), TreeConfig(ranking="last-first"), PromptsConfig(), 10)
    first = prompts_key(*given)
    assert first == prompts_key(*given)
    (package / "own_ranking.py").write_text(RANKING + "# changed")
    second = prompts_key(*given)
    assert None not in (first, second)
    assert first != second
