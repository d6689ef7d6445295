"""What ``kptool recommend`` does with a graph: explains, and writes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kptoolkit.cli.session import Session
from kptoolkit.errors import GraphError, MissingExtraError

if TYPE_CHECKING:
    from kptoolkit.explain.explanations import Connection, Explanation
    from kptoolkit.graph import Graph
    from kptoolkit.runs.run import Run

CAPTION = "drop: how far the score falls when the model does not read the sentence and what hangs under it"


def explain(
    session: Session,
    run: Run,
    title: str,
    user: str | None,
    history: Sequence[str] | None,
    k: int,
    *,
    with_seen: bool,
) -> None:
    """Recommend for one history and print why; paths are left out where no graph can be had and none was named.

    Raises:
        GraphError: The graph named by an option cannot be had.
    """
    from kptoolkit.explain import explanations

    graph = _open_if_there(session, run)
    try:
        found = explanations.explain(run, user, history, k, graph=graph, with_seen=with_seen)
    finally:
        if graph is not None:
            graph.close()
    if session.json:
        session.emit([entry.to_json() for entry in found])
    else:
        _show(session, title, found, run.notice)


def write_back(session: Session, run: Run, user: str | None, k: int, *, with_seen: bool) -> dict[str, Any]:
    """Write recommendations into the graph; what was written."""
    from kptoolkit.explain import explanations
    from kptoolkit.graph import Graph

    with Graph.open(config=session.graph(run.config.graph), create=False) as graph, session.progress() as progress:
        written = explanations.write_back(run, graph, user, k, with_seen=with_seen, progress=progress)
        where = graph.uri
    session.say(
        f"{written.recommendations:,} recommendations for {written.users:,} users written to {where} as run "
        f"{written.run}"
    )
    if written.left_out:
        session.warn(f"{written.left_out:,} recommendations left out: the graph does not have these items")
    return {**asdict(written), "graph": where}


def _open_if_there(session: Session, run: Run) -> Graph | None:
    from kptoolkit.graph import Graph

    try:
        return Graph.open(config=session.graph(run.config.graph), create=False)
    except (GraphError, MissingExtraError) as error:
        if session.names_graph:
            raise
        session.say(f"paths are left out, the graph cannot be had: {error}")
        return None


def _show(session: Session, title: str, explanations: Sequence[Explanation], notice: str) -> None:
    """Print recommendations with their reasons for a person."""
    out = session.out
    out.print(Text(title, style="italic"))
    for entry in explanations:
        out.print()
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(justify="right", min_width=2)
        head.add_column(ratio=1, overflow="fold")
        head.add_column(justify="right")
        head.add_row(Text(str(entry.rank), "bold"), Text(entry.title, "bold"), Text(f"score {entry.score:.4f}", "dim"))
        out.print(head)
        out.print(Padding(_triplets(entry), (0, 0, 0, 3)))
        if entry.paths is not None:
            out.print(Padding(_paths(entry.paths), (0, 0, 0, 3)))
    out.print()
    out.print(Text(CAPTION, style="dim"), soft_wrap=True)
    if notice:
        out.print(notice, style="italic", highlight=False, markup=False, soft_wrap=True)


def _triplets(entry: Explanation) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right")
    table.add_row(Text("what mattered", "cyan"), Text("drop", "cyan"))
    for reason in entry.triplets:
        said = Text(reason.text)
        if reason.title and reason.title not in reason.text:
            said.append(f"  ({'about it' if reason.item_id == entry.item_id else reason.title})", "dim")
        table.add_row(said, f"{reason.drop:.4f}")
    if not entry.triplets:
        table.add_row(Text("no triplet raised its score", "dim"), "")
    return table


def _paths(paths: Sequence[Connection]) -> Table:
    table = Table.grid(expand=True)
    table.add_column(overflow="fold")
    table.add_row(Text("how the graph connects it", "cyan"))
    for path in paths:
        said = " ".join(path.sentences)
        table.add_row(Text(said if path.title in path.sentences[0] else f"{path.title}: {said}"))
    if not paths:
        table.add_row(Text("by no path of at most 4 relationships", "dim"))
    return table
