"""What the package exports: it exists, it is documented, and importing it costs nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from importlib import metadata

import pytest
from source_tree import CHECKOUT

import kptoolkit

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(kptoolkit.__path__, "kptoolkit.")
    if not module.name.endswith("__main__")
)
#: What the documentation promises; a name may be added, none may go without a word in the changelog.
PROMISED = {"Graph", "KnowledgeTree", "TemplatePack", "fit", "load"}


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_and_export_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), f"{name}.__all__ names {exported}, which is not there"


def test_public_api() -> None:
    assert set(kptoolkit.__all__) >= PROMISED
    assert set(kptoolkit.__all__) <= set(dir(kptoolkit))
    for name in kptoolkit.__all__:
        value = getattr(kptoolkit, name)
        if inspect.isclass(value) or callable(value):
            assert inspect.getdoc(value), f"kptoolkit.{name} has no docstring"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = kptoolkit.no_such_name  # type: ignore[attr-defined]


@pytest.mark.process
def test_importing_the_package_is_cheap() -> None:
    script = "import sys, kptoolkit; print(sorted({'torch', 'pandas', 'neo4j', 'typer', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_one() -> None:
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    stated = re.search(r'^version = "(.+)"', project, re.MULTILINE)
    assert stated is not None
    assert kptoolkit.__version__ == stated[1] == metadata.version("kptoolkit")
    assert f"## [{stated[1]}]" in (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
