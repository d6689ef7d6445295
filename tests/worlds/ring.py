"""A world small enough to train on in seconds, as files: readers who go round a ring of books, and facts about them.

The same ring as ``kptoolkit.testing.small_worlds``. Two books share a title, one title holds commas, and the last book
is not linked to the graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kptoolkit.config import Config, GraphConfig, load_config
from kptoolkit.graph import Graph, open_source
from kptoolkit.testing.small_worlds import ITEMS, chain_interactions

SAME_NAME = ("i08", "i09")
COMMAS = "Here, There,and Back"
NOTICE = "made-up readers: no evidence for anything"
PASSWORD = "s3cret-pw"
SMALL: dict[str, Any] = {
    "training.epochs": 3,
    "training.eval_every": 1,
    "training.batch_size": 16,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 5,
    "evaluation.resamples": 200,
    "evaluation.beams": 5,
    "evaluation.explained": 10,
    "tree.degree": 2,
    "model.backend": "kp4sr",
    "model.d_model": 16,
    "model.layers": 1,
    "model.heads": 2,
}


def title(item: int) -> str:
    """What the item file calls a book."""
    if f"i{item:02d}" in SAME_NAME:
        return "Twin Book"
    return COMMAS if item == 3 else f"Book {item}"


def write_world(folder: Path) -> Path:
    """Write ``.inter``, ``.item``, ``.link``, ``.kg`` and ``.ent``, and a notice."""
    folder.mkdir(parents=True)
    found = chain_interactions()
    events = zip(found.user_ids[found.user], found.item_ids[found.item], found.time, strict=True)
    linked = range(ITEMS - 1)
    triples, names = [], [f"e{item}\tThe {title(item)}" for item in linked]
    for item in linked:
        triples.append(f"e{item}\tbook.written_work.author\ta{item % 4}")
        triples.append(f"e{item}\tbook.written_work.next_in_series\te{(item + 1) % (ITEMS - 1)}")
    for author in range(4):
        triples.append(f"a{author}\tpeople.person.place_of_birth\tp{author % 2}")
        names += [f"a{author}\tAuthor {author}", f"p{author}\tPlace {author}"]
    tables = {
        "inter": ["user_id:token\titem_id:token\ttimestamp:float", *("\t".join(map(str, event)) for event in events)],
        "item": ["item_id:token\ttitle:token_seq", *(f"i{item:02d}\t{title(item)}" for item in range(ITEMS))],
        "link": ["item_id:token\tentity_id:token", *(f"i{item:02d}\te{item}" for item in linked)],
        "kg": ["head_id:token\trelation_id:token\ttail_id:token", *triples],
        "ent": ["entity_id:token\tname:token_seq", *names],
    }
    for suffix, rows in tables.items():
        (folder / f"ring.{suffix}").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "NOTICE").write_text(NOTICE + "\nand more\n", encoding="utf-8")
    return folder


def load_graph(world: Path, folder: Path, *, interactions: bool = False) -> str:
    """Load a world into an embedded graph, with its readers if ``interactions``, and give its URI."""
    uri = f"embedded:{folder}"
    with Graph.open(uri, config=GraphConfig()) as graph:
        graph.load(open_source([world], interactions=interactions), interactions=interactions)
    return uri


def settings(world: Path, uri: str, cache: Path, **changes: Any) -> Config:
    """Settings of a short training; ``changes`` such as ``tree__hops=1``."""
    given = {"data.dir": world, "graph.uri": uri, "graph.cache": cache, "prompts.cache": cache / "prompts", **SMALL}
    return load_config(overrides=given | {key.replace("__", "."): value for key, value in changes.items()}, environ={})
