"""``kptool recommend``: items with names and scores, their reasons, and recommendations written into the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.explanation_output import show_explanations
from kptoolkit.cli.run_arguments import load_run, load_runs, open_graph_if_there
from kptoolkit.cli.session import Session, command
from kptoolkit.cli.sources import EventOptions
from kptoolkit.config import GRAPH_DATA
from kptoolkit.errors import InputError
from kptoolkit.names import quantity

if TYPE_CHECKING:
    from kptoolkit.data.interactions import Interactions
    from kptoolkit.runs.run import Run


_READ = ("evaluation.batch_size", "evaluation.beams", "graph")
"""Settings of ``--set`` that the command reads."""
_AS_THE_RUN = EventOptions()


@command(
    app,
    "recommend",
    example="kptool recommend runs/first --user 'Ada Finch' -k 5",
    graph=True,
    packs=True,
    results=True,
)
def recommend(
    session: Session,
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN…", help="Folder of a finished run; several with --ensemble.")
    ],
    user: Annotated[str | None, typer.Option("--user", help="Id of a user of the data.")] = None,
    items: Annotated[
        str | None,
        typer.Option("--items", help="A history: item ids or exact names, separated by commas, oldest first."),
    ] = None,
    all_users: Annotated[bool, typer.Option("--all-users", help="All users; needs --output or --write-back.")] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Other histories than those of the run: a folder, a file, or the word `graph:`."),
    ] = None,
    reading: EventOptions = _AS_THE_RUN,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="File to write, with --all-users: .csv, .tsv, .jsonl or .parquet."),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of items.")] = 10,
    with_seen: Annotated[
        bool, typer.Option("--with-seen", help="Items of the history may be recommended again.")
    ] = False,
    beam: Annotated[bool, typer.Option("--beam", help="Search by beams, with the backend alone.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show parts of the score, triplets that mattered, and paths.")
    ] = False,
    write_back: Annotated[
        bool,
        typer.Option("--write-back", help="Write into the graph; earlier ones of this run are replaced."),
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Recommend by the mean of the scores of several runs.")
    ] = False,
) -> None:
    """Recommend the next items for a user, a history or all users; explain them, or write them into the graph."""
    _check_who(user, items, all_users, output, write_back)
    _check_together(items, all_users, with_seen, beam, explain, write_back)
    _check_ensemble(runs, ensemble, beam, explain, write_back)
    _check_reading(data, reading)
    loaded = _load(session, runs, ensemble=ensemble)
    if loaded.notice and (session.json or all_users):
        session.say(loaded.notice)
    if data is not None:
        loaded = _with_data(session, loaded, data, reading)
    answer: dict[str, Any] = {}
    if output is not None:
        with session.progress() as progress:
            users = loaded.recommend_all(output, k, with_seen=with_seen, progress=progress)
        answer = {"users": users, "k": k, "output": str(output)}
        if not session.json:
            session.say(f"{quantity(users, 'users')} written to {output}")
    if write_back:
        answer["written"] = _write_back(session, loaded, user, k, with_seen=with_seen)
    if all_users:
        if session.json:
            session.emit(answer)
    else:
        _one(session, loaded, user, items, k, with_seen, beam, explain, answer)


def _load(session: Session, folders: Sequence[Path], *, ensemble: bool) -> Run:
    """Open the run, or all runs as an ensemble."""
    from kptoolkit.runs.ensemble import Ensemble

    return Ensemble(load_runs(session, folders, *_READ)) if ensemble else load_run(session, folders[0], *_READ)


def _one(
    session: Session,
    loaded: Run,
    user: str | None,
    items: str | None,
    k: int,
    with_seen: bool,
    beam: bool,
    explain: bool,
    written: Mapping[str, Any],
) -> None:
    """Print the items for one user or history; as JSON with what was written into the graph."""
    history = None if items is None else split_names(items, loaded.catalogue.holds)
    title = f"Next for {user}" if user is not None else "Next after " + ", ".join(history or [])
    if explain:
        _explain(session, loaded, title, user, history, k, written, with_seen=with_seen)
        return
    frame = loaded.recommend(user, history, k, with_seen=with_seen, beam=beam)
    if session.json:
        _emit(session, frame.to_dict(orient="records"), written)
        return
    session.table(title, ["rank", "item", "title", "score"], frame.values.tolist(), caption=loaded.notice)


def _explain(
    session: Session,
    run: Run,
    title: str,
    user: str | None,
    history: Sequence[str] | None,
    k: int,
    written: Mapping[str, Any],
    *,
    with_seen: bool,
) -> None:
    """Print the items for one history with their reasons; without paths if the graph is missing and was not named."""
    from kptoolkit.explain.explanations import explain

    if fetched := run.manifest.reports.get("fetched"):
        session.say(f"facts about items: fetched {fetched}{f'; {run.refresh_advice}' if run.refresh_advice else ''}")
    graph = open_graph_if_there(session, run)
    try:
        found = explain(run, user, history, k, graph=graph, with_seen=with_seen)
    finally:
        if graph is not None:
            graph.close()
    if session.json:
        _emit(session, [entry.to_json() for entry in found], written)
    else:
        show_explanations(session, title, found, run.notice)


def _emit(session: Session, found: list[Any], written: Mapping[str, Any]) -> None:
    """Print items as a JSON list; with ``--write-back`` as an object that says what was written too."""
    session.emit({"recommendations": found, **written} if written else found)


def _write_back(session: Session, run: Run, user: str | None, k: int, *, with_seen: bool) -> dict[str, Any]:
    """Write recommendations into the graph, and return the counts."""
    from kptoolkit.graph import Graph
    from kptoolkit.runs.write_recommendations import write_back

    with Graph.open(config=session.graph(run.config.graph), create=False) as graph, session.progress() as progress:
        written = write_back(run, graph, user, k, with_seen=with_seen, progress=progress)
        where = graph.uri
    session.say(
        f"{quantity(written.recommendations, 'recommendations')} for {quantity(written.users, 'users')} written to "
        f"{where} as run {written.run}"
    )
    if written.left_out:
        session.warn(f"{quantity(written.left_out, 'recommendations')} left out: the graph does not have these items")
    return {**asdict(written), "graph": where}


def _check_who(user: str | None, items: str | None, all_users: bool, output: Path | None, write_back: bool) -> None:
    """Refuse a command that names no user and no history, or several, or that has no output for all users."""
    if sum((user is not None, items is not None, all_users)) != 1:
        raise InputError("give one of --user, --items and --all-users")
    if (output is not None and not all_users) or (all_users and output is None and not write_back):
        raise InputError("--all-users and --output FILE belong together, or --all-users and --write-back")
    if output is not None:
        from kptoolkit.storage.table_files import check_table_file

        check_table_file(output)


def _check_together(items: str | None, all_users: bool, with_seen: bool, beam: bool, explain: bool, back: bool) -> None:
    """Refuse options that exclude each other."""
    others = {"--all-users": all_users, "--with-seen": with_seen, "--explain": explain, "--write-back": back}
    clash = [name for name, given in others.items() if given]
    if beam and clash:
        raise InputError(f"--beam needs --user or --items, and excludes {' and '.join(clash)}")
    if explain and all_users:
        raise InputError("--explain needs --user or --items: it explains one history at a time")
    if back and items is not None:
        raise InputError("--write-back needs --user or --all-users: a history has no user to write for")


def _check_ensemble(runs: Sequence[Path], ensemble: bool, beam: bool, explain: bool, back: bool) -> None:
    """Refuse several runs without ``--ensemble``, and what an ensemble cannot do."""
    if len(runs) > 1 and not ensemble:
        raise InputError(f"{len(runs)} runs given; give one, or --ensemble to recommend by the mean of their scores")
    clash = [name for name, given in {"--beam": beam, "--explain": explain, "--write-back": back}.items() if given]
    if ensemble and clash:
        raise InputError(f"--ensemble excludes {' and '.join(clash)}: they need a single run")


def _check_reading(data: Path | None, reading: EventOptions) -> None:
    """Refuse options that say how a file is read where no file is read."""
    if (given := reading.given) and (data is None or data == GRAPH_DATA):
        raise InputError(f"--{next(iter(given)).replace('_', '-')} says how the file of --data is read; give that")


def _with_data(session: Session, run: Run, data: Path, reading: EventOptions) -> Run:
    """The run with the histories of ``--data``, whose notice is printed, and what is left out of them."""
    session.say_notice(data)
    other = run.with_interactions(_read(session, run, data, reading))
    if skipped := other.skipped.message:
        session.warn(skipped)
    return other


def _read(session: Session, run: Run, data: Path, reading: EventOptions) -> Interactions:
    """Read events as the run's own were read, unless options say otherwise."""
    from kptoolkit.data.event_files import reading_of
    from kptoolkit.data.interactions import read_interactions
    from kptoolkit.graph import Graph
    from kptoolkit.knowledge.prepare import read_events

    if data != GRAPH_DATA:
        return read_interactions(data, reading_of(run.config.data.model_copy(update=reading.given)))[0]
    with Graph.open(config=session.graph(run.config.graph), create=False) as graph:
        return read_events(data, graph)


def split_names(text: str, known: Callable[[str], bool]) -> list[str]:
    """Split at commas, longest known names first, so that a name that contains a comma stays whole.

    Args:
        text: Names, separated by commas.
        known: Whether a text is a name or an id.
    """
    parts = text.split(",")
    names: list[str] = []
    first = 0
    while first < len(parts):
        for last in range(len(parts), first, -1):
            name = ",".join(parts[first:last]).strip()
            if last == first + 1 or known(name):
                names += [name] if name else []
                first = last
                break
    return names
