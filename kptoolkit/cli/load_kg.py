"""``kptool load-kg``: loads a knowledge graph from files into the graph database, and verifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.cli.sources import SHOWN, SourceOptions, say_recognized, warn_of_bad_rows
from kptoolkit.config import Config
from kptoolkit.errors import ConfigError
from kptoolkit.names import quantity

if TYPE_CHECKING:
    from kptoolkit.graph import FileSource, LoadReport


@command(
    app,
    "load-kg",
    example="kptool load-kg data/movies --graph embedded:./kg",
    graph=True,
    results=True,
    resumes=True,
)
def load_kg(
    session: Session,
    options: SourceOptions,
    interactions: Annotated[
        bool, typer.Option("--interactions", help="Also load the interactions of the folder.")
    ] = False,
    upsert: Annotated[bool, typer.Option("--upsert", help="Add what is missing; the default.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="First delete what kptool loaded earlier.")] = False,
    into_existing: Annotated[
        bool, typer.Option("--into-existing", help="Write into a database that contains other nodes.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report; write nothing.")] = False,
) -> None:
    """Load a knowledge graph, and compare the counts in the graph with what was sent.

    After an interruption, the same command resumes at the first batch that the database did not acknowledge. Files may
    be gzipped.
    """
    if upsert and replace:
        raise ConfigError("--upsert and --replace exclude each other; give one of them")
    config = session.config()
    source = options.open(pack=config.prompts.pack, interactions=interactions, min_rating=config.data.min_rating)
    say_recognized(session, source.recognized)
    report = _load(session, config, source, replace=replace, into_existing=into_existing, dry=dry_run)
    warn_of_bad_rows(session, source.bad_rows)
    for warning in report.warnings:
        session.warn(warning)
    if session.json:
        session.emit(report.to_json())
    else:
        _show(session, config, report)


def _load(
    session: Session, config: Config, source: FileSource, *, replace: bool, into_existing: bool, dry: bool
) -> LoadReport:
    from kptoolkit.graph import Graph
    from kptoolkit.graph.loading.load import dry_run
    from kptoolkit.graph.loading.survey import survey
    from kptoolkit.graph.store import checked_uri

    mode: Literal["upsert", "replace"] = "replace" if replace else "upsert"
    if dry:
        with session.progress() as progress:
            return dry_run(source, mode, progress)
    checked_uri(config.graph.uri)
    settings = session.graph()
    session.say(f"loading {source.label}")
    with session.progress() as progress:
        surveyed = survey(source, progress)  # before the graph is opened: a bad file leaves no empty graph behind
        with Graph.open(config=settings) as graph:
            return graph.load(
                source,
                mode=mode,
                into_existing=into_existing,
                interactions=source.with_interactions,
                surveyed=surveyed,
                progress=progress,
            )


def _show(session: Session, config: Config, report: LoadReport) -> None:
    where = "dry run, nothing written" if report.dry_run else f"in {config.graph.uri}, verified"
    written, figures = report.written, report.graph
    rows = [
        ["triples read", report.triples_read, _those(_triple_notes(report))],
        ["entities", report.entities, _those({"nameless": report.nameless_entities, "new": report.entities_created})],
        ["relationships", report.relationships, _those({"new": written.relationships_created})],
        ["relations", len(report.relations), _first(list(report.relations))],
        ["self loops", report.self_loops, "left out of prompts" * bool(report.self_loops)],
        ["items", report.items, _those({**_item_notes(report), "new": report.items_created})],
    ]
    if report.literals_left_out:
        rows.append(["literals left out", report.literals_left_out, "--literals entities keeps them"])
    if report.interactions is not None:
        rows.append(["interactions", report.interactions, ""])
    if not report.dry_run:
        now = ", ".join(quantity(figures[name], name) for name in ("entities", "relationships", "items"))
        caption = f"now in the graph: {now}; {report.seconds:.1f} s"
    else:
        caption = f"{report.seconds:.1f} s"
    session.table(f"{report.source} ({where})", ["", "count", "of these"], rows, caption=caption)
    if report.named_by_id:
        session.say("entities without a name are called by their ids, which are readable; --names FILE names them")
    if report.by_relation:
        _show_relations(session, report)
    if report.resumed:
        known = f": {report.acknowledged_before:,} of the triples were known to be there" * bool(
            report.acknowledged_before
        )
        session.say(f"an earlier load was interrupted; this one resumed it{known}")
    for pair in report.mirrored[:SHOWN]:
        share = f"{pair.share:.0%} of the triples"
        same = pair.relation == pair.inverse
        said = (
            f"{pair.relation} is symmetric"
            if same
            else f"{pair.relation} and {pair.inverse} state each other's inverse"
        )
        session.say(f"{said} in {share}")


def _show_relations(session: Session, report: LoadReport) -> None:
    counts = report.by_relation
    rows = [[name, one.sent, one.created, one.matched] for name, one in list(counts.items())[:SHOWN]]
    more = list(counts.values())[SHOWN:]
    if more:
        sums = [sum(getattr(one, column) for one in more) for column in ("sent", "created", "matched")]
        rows.append([f"{len(more):,} more (--json lists all)", *sums])
    session.table("triples by relation", ["relation", "sent", "created", "matched"], rows)


def _triple_notes(report: LoadReport) -> dict[str, int]:
    return {"repeated": report.duplicates, "skipped": report.bad_rows, "cells cleaned": report.cleaned}


def _item_notes(report: LoadReport) -> dict[str, int]:
    return {
        "unlinked": report.unlinked_items,
        "linked to an entity without triples": report.items_without_triples,
        "on an entity that has an earlier item": report.shared_entity_items,
        "links beyond an item's first": report.repeated_links,
    }


def _first(names: list[str], count: int = 3) -> str:
    return ", ".join([*names[:count], *(["…"] if len(names) > count else [])])


def _those(notes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in notes.items() if count)
