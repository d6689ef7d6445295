"""``kptool doctor``: checks of the installation, with one line of advice per problem."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.config import DEFAULT_FILE, Config
from kptoolkit.errors import KptoolError, shorten
from kptoolkit.names import quantity
from kptoolkit.resources import shipped_packs

if TYPE_CHECKING:
    from kptoolkit.graph import Graph

_PACKAGES = ("kptoolkit", "neo4j", "arcadedb-embedded", "networkx", "jinja2", "torch", "transformers", "pandas")
_FREE_GB = 5
_COVERED = 0.9


@dataclass(frozen=True)
class Line:
    """One finding: what was checked, whether it is well, what was seen, what to do."""

    what: str
    ok: bool
    seen: str
    advice: str = ""


@command(app, "doctor", example="kptool doctor --graph embedded:./kg", graph=True, packs=True, results=True)
def doctor(session: Session) -> None:
    """Check versions, graph, GPU, disk and template packs; give one line of advice per problem."""
    config = session.config()
    session.graph()
    lines = [
        _python(),
        *map(_package, _PACKAGES),
        _settings(session.config_file),
        _gpu(),
        _disk(),
        *_packs(),
        *_graph(session, config),
    ]
    if session.json:
        session.emit([asdict(line) for line in lines])
    else:
        rows = [["ok" if line.ok else "look", line.what, line.seen] for line in lines]
        session.table("kptool doctor", ["", "what", "seen"], rows)
        session.lines(f"{line.what}: {line.advice}" for line in lines if line.advice)
    if not all(line.ok for line in lines):
        raise typer.Exit(1)


def _python() -> Line:
    ok = sys.version_info >= (3, 11)
    return Line("Python", ok, platform.python_version(), "" if ok else "use Python 3.11 or newer")


def _package(name: str) -> Line:
    try:
        return Line(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if name == "arcadedb-embedded":
            return Line(name, True, "no wheel for this platform", "use a Neo4j server: --graph neo4j://HOST:7687")
        return Line(name, False, "missing", f"pip install {name}")


def _settings(file: Path | None) -> Line:
    found = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if found is None:
        return Line("settings", True, f"defaults; no {DEFAULT_FILE} in {Path.cwd()}", "kptool init writes one")
    return Line("settings", True, str(found.resolve()))


def _gpu() -> Line:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return Line("GPU", False, f"torch cannot be imported: {error}", "install kptoolkit again")
    if torch.cuda.is_available():
        return Line("GPU", True, torch.cuda.get_device_name(0))
    return Line("GPU", True, f"none; {quantity(torch.get_num_threads(), 'CPU threads')}", "training works, more slowly")


def _disk() -> Line:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    ok = free >= _FREE_GB
    return Line("disk", ok, f"{free:.0f} GB free", "" if ok else f"runs need {_FREE_GB} GB; set run.dir elsewhere")


def _packs() -> list[Line]:
    from kptoolkit.prompts import TemplatePack

    lines = []
    for folder in shipped_packs():
        try:
            pack = TemplatePack.load(folder)
        except KptoolError as error:
            lines.append(Line(f"pack {folder.name}", False, str(error), "kptool templates check"))
        else:
            seen = f"{quantity(len(pack.relations), 'relations')}, {quantity(len(pack.mpp), 'MPP templates')}"
            lines.append(Line(f"pack {pack.name}", True, seen))
    return lines


def _graph(session: Session, config: Config) -> list[Line]:
    """Check the graph through the Cypher files in use, and whether the pack in use covers it."""
    from kptoolkit.graph import Graph
    from kptoolkit.graph.foreign.inspection import inspect

    what = f"graph {config.graph.uri}"
    if config.graph.uri.startswith("embedded:") and not Path(config.graph.uri.removeprefix("embedded:")).exists():
        return [Line(what, True, "not there yet", "kptool load-kg SOURCE makes it")]
    try:
        with Graph.open(config=config.graph, create=False) as graph:
            checks = inspect(graph)
            lines = [Line(check.what, check.ok, check.seen, check.advice) for check in checks]
            lines[0] = replace(lines[0], what=what)
            return lines + ([_coverage(session, config, graph)] if checks[-1].what != "graph" else [])
    except KptoolError as error:
        return [Line(what, False, str(error), "see the message")]


def _coverage(session: Session, config: Config, graph: Graph) -> Line:
    from kptoolkit.prompts import choose_pack

    counts = graph.relation_counts()
    try:
        pack = choose_pack(config.prompts.pack, lambda: counts, trust_code=session.trust_code)
    except KptoolError as error:
        return Line("pack for this graph", False, str(error), f"kptool templates check {config.prompts.pack}")
    covered = pack.coverage(counts)
    seen = f"{pack.name} has sentences for {covered.share_of_triples:.0%} of the triples"
    missing = ", ".join(map(shorten, covered.fallbacks[:3]))
    advice = f"add sentences, first for {missing}; see kptool templates coverage" if missing else ""
    return Line("pack for this graph", covered.share_of_triples >= _COVERED, seen, advice)
