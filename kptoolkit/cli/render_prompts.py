"""``kptool render-prompts``: the prompts of a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.cli.tree import Data, Degree, Hops, Items, Mpp, Pack, User, counted, make_tree, settings

if TYPE_CHECKING:
    from kptoolkit.tree import KnowledgeTree


@command(
    app,
    "render-prompts",
    example="kptool render-prompts --item 'Oliver Twist' --item Emma --hops 2",
    graph=True,
    packs=True,
    results=True,
)
def render_prompts(
    session: Session,
    items: Items = None,
    user: User = None,
    data: Data = None,
    hops: Hops = None,
    degree: Degree = None,
    pack: Pack = None,
    mpp: Mpp = None,
) -> None:
    """Print the masked personalised prompt of a history, its triplet prompts by hop, and what did not fit."""
    config = settings(session, data=data, hops=hops, degree=degree, pack=pack, mpp=mpp)
    chosen, tree = make_tree(session, config, items or [], user)
    if session.json:
        session.emit(_as_json(tree, chosen.name))
    else:
        session.lines(_as_text(tree, chosen.name))


def _as_text(tree: KnowledgeTree, pack: str) -> list[str]:
    lines = [tree.mpp_text]
    for item in tree.by_hop():
        lines += ["", f"{item.node}  {item.name}"]
        for hop, sentences in item.hops.items():
            lines += [f"   hop {hop}", *(f"      {sentence}" for sentence in sentences)]
        if not item.hops:
            lines.append("   no triplets")
    return [*lines, "", f"pack {pack}, MPP {tree.mpp.id}; {counted(tree)}"]


def _as_json(tree: KnowledgeTree, pack: str) -> dict[str, Any]:
    whole = tree.to_json()
    keys = [node["item"] for node in whole["nodes"] if node["kind"] == "item"]
    return {
        "pack": pack,
        "mpp": whole["mpp"],
        "items": [
            {"item": key, "name": item.name, "hops": {str(hop): list(texts) for hop, texts in item.hops.items()}}
            for key, item in zip(keys, tree.by_hop(), strict=True)
        ],
        "tokens": whole["tokens"],
        "left_out": whole["left_out"],
    }
