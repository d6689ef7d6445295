"""``kptool init``: settings, a template pack and Cypher files to start from, also for an existing graph."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.config import GRAPH_DATA, Config, GraphConfig, commented_toml
from kptoolkit.errors import InputError, shorten
from kptoolkit.names import quantity
from kptoolkit.resources import cypher_dir, pack_dir
from kptoolkit.storage.atomic import path_in_errors, write_text
from kptoolkit.storage.replacement import atomic_parts, finish_replacement, folder_lock, part_name

if TYPE_CHECKING:
    from kptoolkit.graph import Graph
    from kptoolkit.graph.foreign.inspection import Check
    from kptoolkit.graph.foreign.roles import NodeKey, Roles
    from kptoolkit.graph.foreign.schema import GraphSchema
    from kptoolkit.prompts import Draft, Examples

DRAFTED = "own"
_EMBEDDED = "embedded:"


@command(
    app,
    "init",
    example="kptool init my-recommender --from-graph --graph neo4j://localhost:7687",
    graph=True,
    packs=True,
)
def init(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to write into.")] = Path("."),
    pack: Annotated[
        str | None,
        typer.Option("--pack", help="Pack to start from; default: generic, or with --from-graph the best one."),
    ] = None,
    from_graph: Annotated[
        bool, typer.Option("--from-graph", help="Draft Cypher files and a pack for a graph that kptool did not load.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option("--language", help="Language of the draft, e.g. fr; default: that of the names in the graph."),
    ] = None,
    item_label: Annotated[
        str | None, typer.Option("--item-label", help="Label of the items; by default guessed.")
    ] = None,
    event_label: Annotated[
        str | None,
        typer.Option("--event-label", help="Type of the interactions, or label of the nodes that they pass through."),
    ] = None,
) -> None:
    """Write a commented kptool.toml, a template pack and Cypher files, for you to edit.

    With --from-graph they are drafted from the labels, relationships and properties of an existing graph, which is only
    read.
    """
    source = None if pack is None and from_graph else pack_dir(pack or "generic")
    name = DRAFTED if from_graph else source.name if source is not None else ""
    finish_replacement(folder)
    targets = [folder / "kptool.toml", folder / "templates" / name, folder / "cypher"]
    for target in targets:
        if target.exists():
            raise InputError(f"{target} is there already; nothing was written. Give another folder")
    if from_graph:
        _init_from_graph(session, folder, source, targets, _Said(language, item_label, event_label))
        return
    if item_label is not None or event_label is not None:
        raise InputError("--item-label and --event-label belong to --from-graph")
    assert source is not None
    with _new_project(folder) as new:
        _copy(source, new / part_name(f"templates/{name}"))
        _copy(cypher_dir(), new / "cypher")
        write_text(new / "kptool.toml", commented_toml())
    _say_written(session, targets)
    session.say(
        f"next: edit {targets[0]}; to use the copies set prompts.pack and graph.cypher there; then "
        "kptool load-kg SOURCE and kptool fit --data DIR"
    )


@contextmanager
def _new_project(folder: Path) -> Iterator[Path]:
    """Yield a folder for the parts of a project, which get into ``folder`` together."""
    with path_in_errors(folder), folder_lock(folder), atomic_parts(folder) as new:
        yield new


def _copy(source: Path, target: Path) -> None:
    for file in (path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())


@dataclass(frozen=True)
class _Said:
    """What the user decides about a draft; ``None`` where it is to be guessed."""

    language: str | None
    item_label: str | None
    event_label: str | None


@dataclass(frozen=True)
class _Found:
    """A graph that kptool did not load, read through the drafted files."""

    schema: GraphSchema
    roles: Roles
    checks: list[Check]
    counts: dict[str, int]
    examples: Examples
    names: list[str]


def _init_from_graph(session: Session, folder: Path, source: Path | None, targets: list[Path], given: _Said) -> None:
    from kptoolkit.prompts import TemplatePack, draft_pack, load_auto
    from kptoolkit.prompts.drafting.language import language_of

    config, language = session.config(), given.language
    trusted = session.trust_code
    with _new_project(folder) as new:
        found = _read_graph(session, session.graph().model_copy(update={"cypher": None}), new / "cypher", given)
        spoken = language or language_of(found.names)
        like = load_auto(found.counts, spoken) if source is None else TemplatePack.load(source, trust_code=trusted)
        draft = draft_pack(DRAFTED, found.counts, like, examples=found.examples, language=language or like.language)
        draft.write(new / part_name(f"templates/{DRAFTED}"))
        write_text(new / "kptool.toml", commented_toml(_values(config, folder, targets[1], found.roles)))
    _say_written(session, targets)
    for line in (
        *_decisions(found.schema, found.roles),
        f"pack: {_said_of_pack(draft)}; language: {language or like.language}",
    ):
        session.say(line)
    events = found.roles.events is not None
    for check in found.checks:
        if check.advice and (events or not check.ok):
            advice = check.advice.replace(str(new), str(folder))  # the files have their final places now
            session.warn(f"{check.what}: {check.seen}; {advice}")
    item = next(iter(found.names), "NAME")
    into = "" if folder == Path(".") else f"cd {shlex.quote(str(folder))}; "
    session.say(
        f"next: {into}read the files in cypher and templates/{DRAFTED}; kptool doctor; kptool templates coverage; "
        f"kptool render-prompts --item {shlex.quote(item)}; kptool fit" + ("" if events else " --data DIR")
    )


def _read_graph(session: Session, settings: GraphConfig, cypher: Path, given: _Said) -> _Found:
    """Draft Cypher files into a folder, and read the graph with them."""
    from kptoolkit.graph import Graph
    from kptoolkit.graph.foreign.cypher_draft import draft_cypher
    from kptoolkit.graph.foreign.inspection import inspect
    from kptoolkit.graph.foreign.roles import find_roles
    from kptoolkit.graph.foreign.schema import read_schema
    from kptoolkit.graph.queries import QuerySet
    from kptoolkit.prompts import find_examples

    with Graph.open(config=settings, create=False) as graph:
        schema = read_schema(graph.store, graph.queries)
        roles = find_roles(
            schema,
            lambda label, key: _distinct(graph, label, key),
            item_label=given.item_label,
            event_label=given.event_label,
        ).in_language(given.language or "en")
        cypher.mkdir(parents=True)
        for name, text in draft_cypher(schema, roles).items():
            write_text(cypher / f"{name}.cypher", text)
        adapted = Graph(graph.store, QuerySet(cypher, embedded=graph.store.dialect == "embedded"), settings)
        counts = adapted.relation_counts()
        with session.progress() as progress:
            seen = find_examples(adapted, counts, progress=progress)
        names = [name for name in adapted.items().name if name]
        names += [name for pairs in seen.triples.values() for pair in pairs for name in pair]
        return _Found(schema, roles, inspect(adapted), counts, seen, names)


def _distinct(graph: Graph, label: str, key: str) -> tuple[int, int, int]:
    row = graph.queries["survey_values"].read(graph.store, label=label, key=key).dicts()[0]
    return row["nodes"], row["filled"], row["distinct_values"]


def _values(config: Config, folder: Path, pack: Path, roles: Roles) -> dict[str, str]:
    """The settings in the drafted file; paths are relative to its folder."""
    uri = config.graph.uri
    path = Path(uri.removeprefix(_EMBEDDED))
    if uri.startswith(_EMBEDDED) and not path.is_absolute():
        uri = _EMBEDDED + Path(os.path.relpath(path, folder)).as_posix()
    values = {"graph.uri": uri, "graph.cypher": "cypher", "prompts.pack": pack.relative_to(folder).as_posix()}
    given = {"graph.username": config.graph.username, "graph.database": config.graph.database}
    values |= {key: value for key, value in given.items() if value is not None}
    return values | ({"data.dir": str(GRAPH_DATA)} if roles.events is not None else {})


def _decisions(schema: GraphSchema, roles: Roles) -> Iterator[str]:
    """Yield the decisions, one line each, for the user to check."""

    def described(known: NodeKey) -> str:
        named = f", called by {shorten(known.name)}" if known.name else ""
        key = "element id" if known.key is None else shorten(known.key)
        return f"{shorten(known.label)} ({quantity(schema.labels[known.label], 'nodes')}, known by {key}{named})"

    yield f"items: {described(roles.item)}"
    yield f"entities: {'; '.join(map(described, roles.entities))}"
    yield f"relations: {', '.join(map(shorten, roles.relations))}"
    if roles.events is None:
        yield (
            "interactions: none found; name them with --event-label, write their path into cypher/interactions.cypher, "
            "or keep them in files"
        )
    else:
        when = f"time: {shorten(roles.events.time)}" if roles.events.time else "without a time, which must be added"
        kinds = " and ".join(map(shorten, sorted(roles.events.types)))
        kinds += "" if roles.events.label is None else f" through {shorten(roles.events.label)}"
        yield f"interactions: {kinds}, users: {described(roles.events.user)}, {when}"
    chosen = {entity.label for entity in roles.entities} | {roles.item.label}
    left = [label for label in schema.labels if label not in chosen]
    if left:
        yield f"other labels: {', '.join(map(shorten, left))}"
    yield from roles.notes


def _said_of_pack(draft: Draft) -> str:
    relations = len(draft.relations)
    guesses = [shorten(drafted.relation) for drafted in draft.relations if drafted.source != "pack"]
    if not guesses:
        return f"sentences for {quantity(relations, 'relations')}, taken from shipped ones"
    return f"sentences for {quantity(relations, 'relations')}; guesses, so read them first: {', '.join(guesses)}"


def _say_written(session: Session, targets: list[Path]) -> None:
    for target in targets:
        session.say(f"wrote {target}")
