"""Imports inside the package go one way, and outside packages stay where they belong."""

from __future__ import annotations

import ast
import functools
import tokenize

import pytest
from source_tree import CHECKOUT, LAYERS, PACKAGE, Import, imports, part, sources

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
#: Above all layers: the public API, and the shipped conformance suites.
TOP = {"__init__": len(LAYERS), "__main__": len(LAYERS), "testing": RANK["cli"] - 1}

#: Sub-packages of a package in the same order; "" is the package's own modules. Its ``__init__`` may import them all.
SUB_LAYERS: dict[str, tuple[str, ...]] = {
    "evaluation": ("", "baselines"),
    "knowledge": ("engines", "", "batches"),
    "prompts": ("templating", "reading", "", "drafting"),
    "tree": ("", "draw"),
}

#: Packages that still import a sub-package which imports them.
TWO_WAY = {("graph", "", "loading")}

GRAPH_EMBEDDED = "kptoolkit/graph/embedded"
HOMES = {
    "neo4j": ("kptoolkit/graph/bolt.py",),
    "arcadedb_embedded": (GRAPH_EMBEDDED,),
    "jpype": (GRAPH_EMBEDDED,),
    "torch": (
        "kptoolkit/distributed.py",
        "kptoolkit/models/",
        "kptoolkit/evaluation/",
        "kptoolkit/runs/",
        "kptoolkit/explain/",
        "kptoolkit/pipeline.py",
        "kptoolkit/cli/",
        "kptoolkit/testing/",
    ),
    "ray": ("kptoolkit/knowledge/engines/ray_engine.py",),
    "typer": ("kptoolkit/cli/",),
    "click": ("kptoolkit/cli/",),
    "rich": ("kptoolkit/cli/",),
}
HOMES |= dict.fromkeys(("transformers", "accelerate", "safetensors"), HOMES["torch"])
HOMES["safetensors"] = (*HOMES["safetensors"], "kptoolkit/storage/write_errors.py")
#: Read files that can run code, or write such files.
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "breakpoint"}


@functools.cache
def all_imports() -> list[Import]:
    """Every import of the package; read once, by the worker that runs these tests."""
    return [found for file in sources() for found in imports(file)]


def wrong_way(found: Import) -> bool:
    """Whether an import goes to a later layer, or to another part of the same one."""
    parts = found.module.split(".")
    if parts[0] != "kptoolkit" or found.module == "kptoolkit.__version__":
        return False
    importer = part(found.file)
    imported = parts[1] if len(parts) > 1 else "__init__"
    imported = imported if imported in RANK or imported == "testing" else "__init__"
    if imported == importer:
        return False
    ranks = RANK | TOP
    return imported == "testing" or ranks[imported] >= ranks.get(importer, 0)


def inside(module: str) -> tuple[str, str]:
    """Package and sub-package of a module of kptoolkit, e.g. ``("tree", "draw")``; the sub-package may be empty."""
    package, _, rest = module.removeprefix("kptoolkit.").partition(".")
    first = rest.partition(".")[0]
    return package, first if first and (PACKAGE / package / first).is_dir() else ""


def sub_import(found: Import) -> tuple[str, str, str] | None:
    """``(package, importing sub-package, imported sub-package)`` of an import between parts of one package."""
    if found.file.name == "__init__.py" and len(found.file.relative_to(PACKAGE).parts) == 2:
        return None
    importing = inside(found.file.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", "."))
    imported = inside(found.module)
    same = found.module.startswith("kptoolkit.") and importing[0] == imported[0]
    return (importing[0], importing[1], imported[1]) if same and importing[1] != imported[1] else None


def wrong_way_inside(found: Import) -> bool:
    """Whether an import goes from a sub-package to a later one, or to modules of the package that come later."""
    between = sub_import(found)
    if between is None or between[0] not in SUB_LAYERS:
        return False
    row = SUB_LAYERS[between[0]]
    return row.index(between[1]) < row.index(between[2])


def test_every_part_has_its_layer() -> None:
    unknown = {part(file) for file in sources()} - RANK.keys() - TOP.keys()
    assert not unknown, f"give {sorted(unknown)} a layer in source_tree.py, and in the table of docs/architecture.md"


def test_imports_go_one_way() -> None:
    assert all_imports()
    assert not [str(found) for found in all_imports() if wrong_way(found)]


@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("graph/x.py", "import kptoolkit.tree.selection", True),
        ("graph/x.py", "def f():\n    from kptoolkit.cli import run", True),
        ("graph/x.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kptoolkit import models", True),
        ("graph/x.py", "from ..prompts import pack", True),
        ("graph/x.py", "import importlib\nimportlib.import_module('kptoolkit.data')", True),
        ("graph/x.py", "from kptoolkit import TemplatePack", True),
        ("errors.py", "from kptoolkit.config import Config", True),
        ("metrics.py", "from kptoolkit.progress import silent", True),
        ("cli/x.py", "from kptoolkit.testing import backend", True),
        ("testing/x.py", "from kptoolkit.cli import app", True),
        ("testing/x.py", "from kptoolkit.pipeline import fit", False),
        ("tree/x.py", "from .select import select\nfrom kptoolkit.graph import Graph\nimport numpy", False),
        ("data/x.py", "from kptoolkit import __version__", False),
        ("cli/x.py", "from kptoolkit.pipeline import fit", False),
    ],
)
def test_the_check_sees_what_it_should(file: str, text: str, wrong: bool) -> None:
    assert any(wrong_way(found) for found in imports(PACKAGE / file, text)) is wrong


def test_every_sub_package_has_its_place() -> None:
    for package, row in SUB_LAYERS.items():
        folders = {folder.name for folder in (PACKAGE / package).iterdir() if (folder / "__init__.py").is_file()}
        assert {*row} == {*folders, ""}, package


def test_imports_inside_a_package_go_one_way() -> None:
    assert not [str(found) for found in all_imports() if wrong_way_inside(found)]


def test_no_package_and_sub_package_import_each_other() -> None:
    pairs = {between for found in all_imports() if (between := sub_import(found))}
    both = {(package, one, other) for package, one, other in pairs if one < other and (package, other, one) in pairs}
    assert both <= TWO_WAY


@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("tree/x.py", "from kptoolkit.tree.draw.dot import to_dot", True),
        ("tree/x.py", "def f():\n    from .draw import dot", True),
        ("tree/draw/x.py", "from kptoolkit.tree.selection import select", False),
        ("tree/draw/x.py", "from kptoolkit.tree.draw.dot import to_dot\nfrom kptoolkit.graph import store", False),
        ("tree/__init__.py", "from kptoolkit.tree import draw", False),
    ],
)
def test_the_inner_check_sees_what_it_should(file: str, text: str, wrong: bool) -> None:
    assert any(wrong_way_inside(found) for found in imports(PACKAGE / file, text)) is wrong


@pytest.mark.parametrize("package", sorted(HOMES))
def test_outside_packages_stay_at_home(package: str) -> None:
    strays = [
        str(found)
        for found in all_imports()
        if found.module.split(".")[0] == package
        and not str(found.file.relative_to(CHECKOUT).as_posix()).startswith(HOMES[package])
    ]
    assert not strays, f"{package} belongs in {', '.join(HOMES[package])}"


def test_nothing_unsafe() -> None:
    found = [str(found) for found in all_imports() if found.module.split(".")[0] in UNSAFE_MODULES]
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (what := _unsafe_call(node)):
                found.append(f"{file.relative_to(CHECKOUT)}:{node.lineno} {what}")
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                found.append(f"{file.relative_to(CHECKOUT)}:{node.lineno} bare except")
    assert not found


def _unsafe_call(node: ast.Call) -> str | None:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    true = {name for name, value in keywords.items() if isinstance(value, ast.Constant) and value.value is True}
    false = {name for name, value in keywords.items() if isinstance(value, ast.Constant) and value.value is False}
    if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
        return f"calls {node.func.id}"
    called = ast.unparse(node.func)
    if called.split(".")[-1] in {"read_pickle", "to_pickle"}:
        return f"calls {called}"
    if called == "torch.load" and "weights_only" not in true:
        return "calls torch.load without weights_only=True"
    if called.split(".")[-1] in {"from_pretrained", "from_config"} and "trust_remote_code" not in false:
        return f"calls {called} without trust_remote_code=False"
    return f"passes {true & {'allow_pickle', 'shell'}} to {called}" if true & {"allow_pickle", "shell"} else None


@pytest.mark.parametrize(
    "call",
    [
        *("eval('1')", "df.to_pickle('x')", "torch.load(f)", "np.load(f, allow_pickle=True)", "run('ls', shell=True)"),
        *("AutoModel.from_pretrained(f)", "AutoModel.from_config(c, trust_remote_code=True)"),
    ],
)
def test_unsafe_calls_are_seen(call: str) -> None:
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    assert _unsafe_call(node)


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{file.relative_to(CHECKOUT)}:{node.lineno}"
        for file in sources()
        if part(file) != "cli"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not printing


def test_files_stay_readable() -> None:
    long, unfinished = [], []
    for file in sources():
        if len(file.read_text(encoding="utf-8").splitlines()) > 500:
            long.append(str(file.relative_to(CHECKOUT)))
        with tokenize.open(file) as stream:
            for token in tokenize.generate_tokens(stream.readline):
                if token.type == tokenize.COMMENT and any(word in token.string for word in ("TODO", "FIXME", "XXX")):
                    unfinished.append(f"{file.relative_to(CHECKOUT)}:{token.start[0]}")
    assert not long, "over 500 lines: divide"
    assert not unfinished
