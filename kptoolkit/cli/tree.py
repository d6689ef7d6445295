"""``kptool tree``: a knowledge tree and its visibility matrix, as text, PNG, SVG, HTML, DOT or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.config import PROMPT_HISTORY, Config
from kptoolkit.errors import InputError
from kptoolkit.names import quantity

if TYPE_CHECKING:
    from kptoolkit.graph.database import Graph, ItemRef
    from kptoolkit.prompts import TemplatePack
    from kptoolkit.tree import KnowledgeTree

Items = Annotated[
    list[str] | None,
    typer.Option("--item", help="Item of the history: item id, entity id or exact name. Repeat it, oldest first."),
]
User = Annotated[str | None, typer.Option("--user", help="The user; without --item, the history is this user's.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Interactions for --user: a folder, a file, or the word `graph:`.")
]
Hops = Annotated[int | None, typer.Option("--hops", help="Maximum number of relationships between an item and a fact.")]
Degree = Annotated[int | None, typer.Option("--degree", help="Maximum number of triples per expanded node.")]
Pack = Annotated[str | None, typer.Option("--pack", help="Template pack: name, folder, or auto.")]
Mpp = Annotated[str | None, typer.Option("--mpp", help="Id of an MPP template.")]


@command(
    app,
    "tree",
    example="kptool tree --item 'Oliver Twist' --output tree.png --hops 2",
    graph=True,
    packs=True,
    results=True,
)
def tree(
    session: Session,
    items: Items = None,
    user: User = None,
    data: Data = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .png, .svg, .html, .dot or .json.")
    ] = None,
    hops: Hops = None,
    degree: Degree = None,
    pack: Pack = None,
    mpp: Mpp = None,
) -> None:
    """Show the knowledge tree of a history; with --output, draw it with its visibility matrix."""
    from kptoolkit.tree.draw.output import check_name, draw

    if output is not None:
        check_name(output)
    config = settings(session, data=data, hops=hops, degree=degree, pack=pack, mpp=mpp)
    _, shown = make_tree(session, config, items or [], user)
    if output is not None:
        draw(shown, output)
        session.say(f"written to {output}")
    if session.json:
        session.emit(shown.to_json())
    elif output is None:
        session.lines(f"{'  ' * depth}{text}" for depth, text in outline(shown))
    if not session.json:
        session.lines([counted(shown)])


def settings(
    session: Session, *, data: Path | None, hops: int | None, degree: int | None, pack: str | None, mpp: str | None
) -> Config:
    """The settings of a command that builds a tree."""
    return session.config(data__dir=data, tree__hops=hops, tree__degree=degree, prompts__pack=pack, prompts__mpp=mpp)


def make_tree(
    session: Session, config: Config, items: Sequence[str], user: str | None
) -> tuple[TemplatePack, KnowledgeTree]:
    """Build the tree that the options name.

    Args:
        session: The command.
        config: The settings.
        items: The history; empty for the history of the user.
        user: The user's id.

    Returns:
        The template pack and the tree.

    Raises:
        InputError: Neither items nor a user with data are given, or one of them is unknown.
        PromptTooLongError: The latest item alone exceeds ``tree.max_tokens``.
    """
    if not items and user is None:
        raise InputError("give a history: --item X (repeat it for several), or --user U --data DIR")
    if not items and config.data.dir is None:
        raise InputError(f"--user {user} without --item needs --data DIR, the folder with the interactions")
    from kptoolkit.graph.database import Graph
    from kptoolkit.prompts import choose_pack
    from kptoolkit.tree import KnowledgeTree

    with Graph.open(config=session.graph(), create=False) as graph:
        pack = choose_pack(config.prompts.pack, graph.relation_counts, trust_code=session.trust_code)
        pack = pack.with_labels(graph.relation_labels())
        history = [graph.resolve(item) for item in items] or _history(session, graph, config, str(user))
        tree = KnowledgeTree.of_items(graph, history, pack, config.tree, config.prompts, user=user)
    unlinked = dict.fromkeys(ref.name or str(ref.item_id) for ref in history if ref.entity_id is None)
    if unlinked:
        session.warn(f"no knowledge, because not linked to an entity: {', '.join(unlinked)}")
    return pack, tree


def counted(tree: KnowledgeTree) -> str:
    """Describe in one line how long a prompt is and what was left out."""
    left = tree.left_out
    used = f"{len(tree)} of {quantity(tree.max_tokens, 'tokens')}, counted by {tree.tokenizer_name}"
    dropped = f"{quantity(left.triplets, 'triplets')} and {quantity(left.items, 'items')} did not fit"
    return f"{used}; {dropped}; {quantity(left.nameless, 'facts')} left out because an end has no name"


def outline(tree: KnowledgeTree) -> list[tuple[int, str]]:
    """List depth and text of every node, in the order of the token sequence."""
    depths: dict[int, int] = {}
    lines: dict[int, list[tuple[int, str]]] = {}
    for node in tree.linear.nodes:
        depths[node.number] = depths.get(node.parent, -1) + 1
        lines.setdefault(node.item or 0, []).append((depths[node.number], node.text))
    return [line for item in sorted(lines) for line in lines[item]]


def _history(session: Session, graph: Graph, config: Config, user: str) -> list[ItemRef]:
    """The latest ``data.history`` items of a user, oldest first."""
    from kptoolkit.data.event_files import reading_of
    from kptoolkit.graph.database import ItemRef
    from kptoolkit.knowledge.prepare import data_dir, read_catalogue, read_events

    data = data_dir(config)
    reading = reading_of(config.data)
    interactions = read_events(data, graph, reading)
    session.say_notice(data)
    catalogue = read_catalogue(interactions, data, graph.items(), reading)
    rows = interactions.history_of(user)[-(config.data.history or PROMPT_HISTORY) :]
    return [ItemRef(catalogue.item_ids[row], catalogue.entity_ids[row], catalogue.names[row]) for row in rows]
