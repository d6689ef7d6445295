"""Prints recommendations with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kptoolkit.cli.session import Session
from kptoolkit.errors import escaped

if TYPE_CHECKING:
    from kptoolkit.explain.connections import Connection
    from kptoolkit.explain.explanations import Explanation

_LEAST_SHOWN = 0.00005
_WIDEST = 100
"""Columns in which figures are not too far from what they belong to."""


def show_explanations(session: Session, title: str, explanations: Sequence[Explanation], notice: str) -> None:
    """Print recommendations with their reasons.

    Args:
        session: The command.
        title: First line.
        explanations: The recommendations, best first.
        notice: Last line; empty for none.
    """
    from kptoolkit.explain.reader_counts import CAPTION as READERS
    from kptoolkit.explain.triplet_drops import drop_caption

    out = session.out
    width = min(out.width, _WIDEST)
    out.print(Text(escaped(title), style="italic"))
    for entry in explanations:
        out.print()
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(justify="right", min_width=2)
        head.add_column(ratio=1, overflow="fold")
        head.add_column(justify="right")
        head.add_row(
            Text(str(entry.rank), "bold"), Text(escaped(entry.title), "bold"), Text(f"score {entry.score:.4f}", "dim")
        )
        out.print(head, width=width)
        out.print(Padding(_parts(entry), (0, 0, 0, 3)), width=width)
        out.print(Padding(_triplets(entry), (0, 0, 0, 3)), width=width)
        if entry.paths is not None:
            out.print(Padding(_paths(entry.paths), (0, 0, 0, 3)), width=width)
    out.print()
    if any(part.counts for entry in explanations for part in entry.parts):
        session.sentence(READERS, style="dim")
    session.sentence(drop_caption({part.part for entry in explanations for part in entry.parts}), style="dim")
    if notice:
        session.sentence(notice)


def _parts(entry: Explanation) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right")
    table.add_row(Text("part", "cyan"), Text("most of it from", "cyan"), Text("adds", "cyan"))
    for part in (part for part in entry.parts if abs(part.value) >= _LEAST_SHOWN):
        table.add_row(Text(part.part), Text(escaped(part.sources())), f"{part.value:.4f}")
    return table


def _triplets(entry: Explanation) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right")
    table.add_row(Text("what mattered", "cyan"), Text("drop", "cyan"))
    for reason in entry.triplets:
        said = Text(escaped(reason.text))
        if reason.title not in reason.text:
            said.append(f"  ({'about it' if reason.item_id == entry.item_id else escaped(reason.title)})", "dim")
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
        table.add_row(Text(escaped(said if path.title in path.sentences[0] else f"{path.title}: {said}")))
    if not paths:
        table.add_row(Text("by no path of at most 4 relationships", "dim"))
    return table
