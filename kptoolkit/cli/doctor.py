"""``kptool doctor``: what works here, and one line of advice for what does not."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.config import Config
from kptoolkit.errors import KptoolError
from kptoolkit.resources import shipped_packs

_PACKAGES = ("kptoolkit", "neo4j", "arcadedb-embedded", "networkx", "jinja2", "torch", "transformers", "pandas")
_FREE_GB = 5


@dataclass(frozen=True)
class Line:
    """One finding: what was looked at, whether it is well, what was seen, what to do."""

    what: str
    ok: bool
    seen: str
    advice: str = ""


@command(app, "doctor", example="kptool doctor --graph embedded:./kg", graph=True, results=True)
def doctor(session: Session) -> None:
    """Check versions, graph, GPU, disk and template packs."""
    config = session.config()
    lines = [_python(), *map(_package, _PACKAGES), _gpu(), _disk(), *_packs(), _graph(config)]
    if session.json:
        session.emit([asdict(line) for line in lines])
    else:
        rows = [["ok" if line.ok else "look", line.what, line.seen, line.advice] for line in lines]
        session.table("kptool doctor", ["", "what", "seen", "advice"], rows)
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


def _gpu() -> Line:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return Line("GPU", False, f"torch cannot be imported: {error}", "install kptoolkit again")
    if torch.cuda.is_available():
        return Line("GPU", True, torch.cuda.get_device_name(0))
    return Line("GPU", True, f"none; {torch.get_num_threads()} CPU threads", "training works, more slowly")


def _disk() -> Line:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    ok = free >= _FREE_GB
    return Line("disk", ok, f"{free:.0f} GB free", "" if ok else f"runs want {_FREE_GB} GB; set run.dir elsewhere")


def _packs() -> list[Line]:
    from kptoolkit.prompts import TemplatePack

    lines = []
    for folder in shipped_packs():
        try:
            pack = TemplatePack.load(folder)
        except KptoolError as error:
            lines.append(Line(f"pack {folder.name}", False, str(error), "kptool templates check"))
        else:
            seen = f"{len(pack.relations)} relations, {len(pack.mpp)} MPP templates"
            lines.append(Line(f"pack {pack.name}", True, seen))
    return lines


def _graph(config: Config) -> Line:
    from kptoolkit.graph import Graph

    what = f"graph {config.graph.uri}"
    if config.graph.uri.startswith("embedded:") and not Path(config.graph.uri.removeprefix("embedded:")).exists():
        return Line(what, True, "not there yet", "kptool load-kg SOURCE makes it")
    try:
        with Graph.open(config=config.graph, create=False) as graph:
            counts = graph.counts()
            seen = ", ".join(f"{value:,} {name}" for name, value in counts.items())
    except KptoolError as error:
        return Line(what, False, str(error), "see the message")
    return Line(what, True, seen)
