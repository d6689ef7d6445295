"""Finds the files that are not code, and the code of other packages.

Template packs, Cypher files and the data of the demo are searched in the user's folder, then in the installed package,
then in the checkout of the package. Backends and rankings of other packages are named by ``module:attribute`` or by an
entry point. Code that data name, such as a run of somebody else, is run only if :func:`may_run` says so; and
:func:`which_graph` decides which graph is read, and whether it gets the password.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kptoolkit.config import GraphConfig
from kptoolkit.errors import ConfigError, QueryFileError, UnknownNameError, shorten
from kptoolkit.names import BACKENDS, RANKED_BY, nearest

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent

Trust = bool | Collection[str]
"""Which code that data name may run in addition to that of installed packages: all, none, or what is listed, as
``module:name``."""
TRUST_FIX = "to run such code, because you trust who wrote it, give --trust-code (in Python trust_code=True)"
CODE = {"model.backend": ("backend", BACKENDS), "tree.ranking": ("ranking", RANKED_BY)}
"""Settings that name code: what it is, and the group of entry points with the installed ones."""
PROGRAM, QUERIES = "evaluation.rectools", "graph.cypher"
"""Settings that name a program to start, and a folder with Cypher queries."""

_MODULE_ATTRIBUTE = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def _shipped(in_package: str, in_checkout: str) -> Path:
    installed = _PACKAGE / in_package
    return installed if installed.is_dir() else _CHECKOUT / in_checkout


def templates_dir() -> Path:
    """Folder of the shipped template packs."""
    return _shipped("templates", "templates")


def cypher_dir() -> Path:
    """Folder of the shipped Cypher files."""
    return _shipped("cypher", "cypher")


def demo_data_dir() -> Path:
    """Folder of the bundled demo set (RecBole atomic files ``demo.*``)."""
    return _shipped("demo_data", "examples/demo")


def query_file(name: str, user_dir: Path | None = None, *, embedded: bool = False) -> Path:
    """Find ``NAME.cypher`` in the user's folder, then in ``cypher/embedded/`` if embedded, then in ``cypher/``.

    In the user's folder too, files under ``embedded/`` come first for an embedded graph.

    Raises:
        QueryFileError: There is no such file.
    """
    folders = [user_dir] if user_dir is not None else []
    folders = [user_dir / "embedded", user_dir] if user_dir is not None and embedded else folders
    folders += [cypher_dir() / "embedded"] if embedded else []
    folders.append(cypher_dir())
    for folder in folders:
        path = folder / f"{name}.cypher"
        if os.path.lexists(path):
            return path
    raise QueryFileError(f"no Cypher file {name}.cypher in {', '.join(str(folder) for folder in folders)}")


def shipped_packs() -> Iterator[Path]:
    """Yield the folders of the shipped template packs, sorted by name."""
    yield from sorted(path.parent for path in templates_dir().glob("*/pack.yaml"))


def pack_dir(name_or_path: str | Path) -> Path:
    """Find the folder of a template pack by its path or by the name of a shipped pack.

    Raises:
        UnknownNameError: Neither a folder with a ``pack.yaml`` nor a shipped pack.
    """
    path = Path(name_or_path)
    if (path / "pack.yaml").is_file():
        return path
    shipped = templates_dir() / str(name_or_path)
    if path.name == str(name_or_path) and (shipped / "pack.yaml").is_file():
        return shipped
    known = [folder.name for folder in shipped_packs()]
    hint = f"Shipped packs: {', '.join(known)}; or give a folder that contains a pack.yaml"
    raise UnknownNameError("template pack", str(name_or_path), nearest(str(name_or_path), known), hint)


def installed_object(kind: str, name: str, group: str) -> Any | None:
    """Import what a name stands for in the code of another package.

    Args:
        kind: What it is, for messages, e.g. ``"backend"``.
        name: ``module:attribute``, or the name of an entry point.
        group: Group of the entry points.

    Returns:
        ``None`` if the name is no ``module:attribute`` and no entry point of the group has it.

    Raises:
        ConfigError: The module or the attribute cannot be imported.
    """
    reference = name if _MODULE_ATTRIBUTE.fullmatch(name) else _reference(name, group)
    if reference is None:
        return None
    module, _, attribute = reference.partition(":")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        hint = "install its package, or put its folder on PYTHONPATH" if isinstance(error, ModuleNotFoundError) else ""
        said = f"{kind} '{shorten(name)}' ({shorten(reference)}) cannot be imported: {shorten(str(error))}"
        raise ConfigError(f"{said}; {hint}" if hint else said) from error
    return found


def _reference(name: str, group: str) -> str | None:
    return next((point.value for point in entry_points(group=group) if point.name == name), None)


# -- trust ------------------------------------------------------------------------------------------------------------


def may_run(code: str, trust: Trust, installed: Callable[[], Collection[str]]) -> bool:
    """Return whether code that data name may be imported or started.

    Args:
        code: ``module:name``, or the path of a program.
        trust: What the user agreed to.
        installed: Returns what installed packages name in their entry points; they may run without being asked for.
    """
    if trust is True or (not isinstance(trust, bool) and code in trust):
        return True
    return code in installed()


def check_settings(settings: Mapping[str, Any], trust: Trust, where: str) -> None:
    """Check that the settings of a run name no code that nobody agreed to; nothing is imported.

    A name of an entry point is code of an installed package.

    Args:
        settings: Settings by section.
        trust: What the user agreed to.
        where: What has the settings, for the message.

    Raises:
        ConfigError: They name such code; the message names the setting.
    """
    for setting, (kind, group) in CODE.items():
        code = _value(settings, setting)
        if ":" in code and not may_run(code, trust, partial(installed_code, group)):
            found = f"{where}: {setting} is the {kind} {shorten(code)}, Python code that no installed package names"
            raise ConfigError(f"{found}; it was not run; {TRUST_FIX}")


def without_program(settings: Mapping[str, Any], trust: Trust) -> dict[str, Any]:
    """Return settings of a run without the program to start, unless the user agreed to it.

    Args:
        settings: Settings by section.
        trust: What the user agreed to.
    """
    section, _, key = PROGRAM.partition(".")
    if may_run(_value(settings, PROGRAM), trust, tuple):
        return dict(settings)
    entries = settings.get(section, {})
    return {**settings, section: {name: value for name, value in entries.items() if name != key}}


def check_queries(folder: Path | None, own: Path | None, trust: Trust) -> None:
    """Check that the folder of Cypher queries for the graph of a run is one that the user agreed to.

    Args:
        folder: The folder, perhaps one that the run names; ``None`` means the shipped queries.
        own: ``graph.cypher`` of the user.
        trust: What the user agreed to.

    Raises:
        ConfigError: It is not.
    """
    if folder not in (None, own) and not may_run(str(folder), trust, tuple):
        said = f"{QUERIES}: the run names Cypher queries of its own, in {shorten(str(folder), 500)}; none was run"
        raise ConfigError(f"{said}; if they are yours, set {QUERIES}; {TRUST_FIX}")


def named_code(settings: Mapping[str, Any]) -> frozenset[str]:
    """Return the code that settings of the user name, by section: the user agreed to it by writing them."""
    return frozenset(filter(None, (_value(settings, setting) for setting in (*CODE, PROGRAM, QUERIES))))


def agreed(trust: Trust, settings: Mapping[str, Any], *, pack: bool = False) -> Trust:
    """Return what the user agreed to by an answer and by settings.

    Args:
        trust: The answer.
        settings: Settings of the user by section.
        pack: Whether the user made the template pack in Python, and with it its filters.
    """
    if pack or trust is True:
        return True
    listed: Collection[str] = () if isinstance(trust, bool) else trust
    return named_code(settings).union(listed)


def installed_code(group: str) -> frozenset[str]:
    """Return what the entry points of a group name, as ``module:name``."""
    return frozenset(point.value for point in entry_points(group=group))


def _value(settings: Mapping[str, Any], setting: str) -> str:
    section, _, key = setting.partition(".")
    entries = settings.get(section)
    value = entries.get(key) if isinstance(entries, Mapping) else None
    return "" if value is None else str(value)


def sends_password(configured: GraphConfig, trained: GraphConfig) -> bool:
    """Return whether user and password of the settings may go to the graph that a run names.

    A run may be somebody else's, so they go to this machine, and to the address that the settings name themselves.

    Args:
        configured: ``[graph]`` of file, environment and flags together.
        trained: ``[graph]`` of the run.
    """
    own = trained.uri.rstrip("/") == configured.uri.rstrip("/")
    return own or urlsplit(trained.uri).hostname in {None, "localhost", "127.0.0.1", "::1"}


def which_graph(
    configured: GraphConfig,
    trained: GraphConfig | None = None,
    given: Collection[str] = (),
    *,
    trusted: bool = False,
) -> GraphConfig:
    """Decide which graph is meant: the one given by URI, else a run's own graph, else the configured one.

    A run records no password: user name and password come from ``configured``, if :func:`sends_password`. How the
    graph is read (``cap``, ``max_degree``, ``cypher``, ``cache``, …) comes from the run, except for ``given`` keys.

    Args:
        configured: ``[graph]`` of file, environment and flags together.
        trained: ``[graph]`` of a run; ``None`` if no run is used.
        given: Keys of ``[graph]`` that were given explicitly, such as ``{"uri"}`` for ``--graph``.
        trusted: Whether user and password go to whatever address the run names.
    """
    if trained is None:
        return configured
    access = ("username", "password", "database")
    changes = {key: getattr(configured, key) for key in given}
    if "uri" in given:
        changes |= {key: getattr(configured, key) for key in access}
        changes |= {"cypher": configured.cypher or trained.cypher}
        return trained.model_copy(update=changes)
    sent = access if trusted or sends_password(configured, trained) else ("database",)
    named = {key: value for key in sent if (value := getattr(configured, key)) is not None}
    if trained.database is not None:
        named.pop("database", None)  # the database is a part of where the run's own graph is
    return trained.model_copy(update=named | changes)
