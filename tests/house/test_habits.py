"""The files that a project is expected to have are there, are valid, and agree with the package."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from source_tree import CHECKOUT

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
