"""The files that a project is expected to have are there, are valid, and agree with the package."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import pairwise

import pytest
import yaml
from source_tree import CHECKOUT, sources

import kptoolkit

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEMPLATES = sorted((CHECKOUT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_the_citation_is_valid_and_of_this_version() -> None:
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == kptoolkit.__version__
    assert citation["license"] == PROJECT["license"]
    for work in (citation, citation["preferred-citation"]):
        assert work["authors"]
        for author in work["authors"]:
            assert author.keys() <= {"name"} or author.keys() == {"family-names", "given-names"}
    assert citation["preferred-citation"].keys() >= {"type", "title", "authors"}


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_issue_templates_are_forms(file: object) -> None:
    form = yaml.safe_load(file.read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    if "body" in form:
        assert {"name", "description"} <= form.keys()
        ids = [field["id"] for field in form["body"]]
        assert len(ids) == len(set(ids))


def test_the_workflow_runs_what_ci_runs_on_every_python_that_is_promised() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    promised = {found[1] for name in PROJECT["classifiers"] if (found := re.search(r"Python :: (3\.\d+)", name))}
    assert set(job["strategy"]["matrix"]["python"]) == promised
    assert PROJECT["requires-python"] == f">={min(promised, key=lambda version: int(version[2:]))}"


def test_no_address_is_invented() -> None:
    for name in ("pyproject.toml", "CITATION.cff", "SECURITY.md", "README.md"):
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        assert not re.search(r"example\.(?:com|org)|github\.com/(?:kptoolkit|OWNER)", text), name


UNITS = (
    *("cases", "columns", "entities", "epochs", "events", "files", "histories", "hops", "ids", "interactions"),
    *("items", "labels", "lines", "links", "nodes", "packs", "prompts", "recommendations", "relations"),
    *("relationships", "rows", "runs", "seeds", "sentences", "settings", "steps", "targets", "templates"),
    *("titles", "tokens", "trainings", "triples", "triplets", "users", "values"),
)
SEVERAL = {"len(runs)", "len(summaries)", "most"}
"""What is never 1 where a message counts it."""


def counts(text: str) -> list[str]:
    """Numbers of formatted texts that stand before a noun in the plural, whatever the number is."""
    found = []
    for node in ast.walk(ast.parse(text)):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for number, noun in pairwise(parts):
            if isinstance(number, ast.FormattedValue) and isinstance(noun, ast.Constant):
                counted = ast.unparse(number.value)
                of_data = counted.startswith("len(") or (number.format_spec and "," in ast.unparse(number.format_spec))
                if of_data and re.match(rf" (?:\w+ )?(?:{'|'.join(UNITS)})\b", str(noun.value)):
                    found.append(counted)
    return found


def test_a_number_has_its_noun_in_the_singular_or_the_plural() -> None:
    """Messages count by ``kptoolkit.names.quantity``: "1 item", "2 items"."""
    assert counts("f\"{len(x)} items, {n:,} more rows, {quantity(n, 'users')}, {n} users\"") == ["len(x)", "n"]
    wrong = {file.name: found for file in sources() if (found := set(counts(file.read_text())) - SEVERAL)}
    assert not wrong
