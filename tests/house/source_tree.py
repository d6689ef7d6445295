"""The files of the package and their imports, for the tests of this folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "kptoolkit"
#: Packages and modules of each layer. They import from earlier layers only, and not from each other.
LAYERS = (
    ("errors", "names"),
    ("arguments", "settings_base"),
    ("limits",),
    ("config",),
    ("resources",),
    ("metrics", "progress", "distributed"),
    ("notebook", "storage"),
    ("graph",),
    ("prompts",),
    ("tree",),
    ("data",),
    ("knowledge",),
    ("models",),
    ("evaluation",),
    ("runs",),
    ("explain",),
    ("pipeline",),
    ("studies", "report", "serve"),
    ("cli",),
)


@dataclass(frozen=True)
class Import:
    """One imported module, as an absolute dotted name, wherever in the file it is imported."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(CHECKOUT)}:{self.line} imports {self.module}"


def sources() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def part(file: Path) -> str:
    """The package or module of a layer that ``file`` belongs to, e.g. ``graph`` or ``errors``."""
    first = file.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(file: Path, text: str | None = None) -> Iterator[Import]:
    """Every import of a file: at the top, in functions, under TYPE_CHECKING, by ``import_module`` of a literal.

    Args:
        file: A path inside the package.
        text: Its text; read from the file if not given.
    """
    text = file.read_text(encoding="utf-8") if text is None else text
    package = ("kptoolkit", *file.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(text)):
        for module in _imported(node, package):
            yield Import(file, getattr(node, "lineno", 0), module)


def _imported(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        stem = [*base, *([node.module] if node.module else [])]
        yield from (".".join([*stem, alias.name]) for alias in node.names)
    elif isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if name in {"import_module", "__import__"} and isinstance(first, ast.Constant):
            yield str(first.value)
