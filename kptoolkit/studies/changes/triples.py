"""Changes of the triples of a training: a part of them, more of them, wrong ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbour_rows import objects
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.studies.changes.wrong_tails import wrong_tails
from kptoolkit.studies.engine.stored_triples import Triples
from kptoolkit.studies.engine.study_definition import Change


def thinned(share: float) -> Change:
    """Keep a random share of the triples, drawn by the seed of the training."""

    def change(prepared: Prepared, seed: int) -> Prepared:
        found = prepared.knowledge.neighbourhoods
        triples = Triples.of(found)
        return with_neighbourhoods(prepared, triples.take(triples.drawn(share, seed)).rows_of(found))

    return change


def corrupted(share: float) -> Change:
    """Make a random share of the triples wrong: each gets the tail of another triple of the same relation.

    A wrong triple is not among the true ones, no self loop and no other wrong triple. So relations keep their number of
    triples, heads their number of facts, and tails are of the right kind; most tails stay as frequent as they were. A
    triple whose relation has no tail that makes it wrong stays true, such as one of a relation with a single tail: the
    share can be smaller then. Triples and tails are drawn by the seed of the training.
    """

    def change(prepared: Prepared, seed: int) -> Prepared:
        found = prepared.knowledge.neighbourhoods
        wrong, _ = corrupted_triples(Triples.of(found), share, seed, found.lengths > 0)
        return with_neighbourhoods(prepared, wrong.rows_of(found))

    return change


def corrupted_triples(
    triples: Triples, share: float, seed: int, expanded: NDArray[np.bool_]
) -> tuple[Triples, NDArray[np.bool_]]:
    """Make a share of triples wrong, see :func:`corrupted`; also returns which triples are wrong.

    Args:
        triples: The triples.
        share: Share of them.
        seed: Seed of the triples and their tails.
        expanded: ``(N,)`` whether each node has rows; others are seen from the other end of their triples alone.
    """
    tail, wrong = wrong_tails(triples, triples.drawn(share, seed), expanded, seed)
    return Triples(triples.head, triples.relation, tail), wrong


def most_frequent_relations(count: int) -> Change:
    """Keep the triples of the relations that have most of them."""

    def change(prepared: Prepared, _: int) -> Prepared:
        return with_neighbourhoods(prepared, of_frequent_relations(prepared.knowledge.neighbourhoods, count))

    return change


def of_frequent_relations(found: Neighbourhoods, count: int) -> Neighbourhoods:
    """Keep the triples of the most frequent relations, see :func:`most_frequent_relations`."""
    triples = Triples.of(found)
    sizes = np.bincount(triples.relation, minlength=len(found.relations))
    kept = np.argsort(-sizes, kind="stable")[:count]
    return triples.take(np.isin(triples.relation, kept)).rows_of(found)


def grown(factor: float) -> Change:
    """Add random triples until there are ``factor`` times as many.

    A new triple has the head and the relation of a random one, and a new entity as its tail. The new entities of a
    relation are as many as its tails would be after that growth, so that they are shared as often as true ones.
    """

    def change(prepared: Prepared, seed: int) -> Prepared:
        return with_neighbourhoods(prepared, grown_neighbourhoods(prepared.knowledge.neighbourhoods, factor, seed))

    return change


def grown_neighbourhoods(found: Neighbourhoods, factor: float, seed: int) -> Neighbourhoods:
    """Add random triples with new entities, see :func:`grown`."""
    triples, generator = Triples.of(found), np.random.default_rng(seed)
    count = round((factor - 1) * len(triples))
    model = generator.integers(0, len(triples), count)
    relation = triples.relation[model]
    tail, names = np.zeros(count, np.int64), list[str]()
    for number in np.unique(relation):
        own = relation == number
        entities = max(1, round((factor - 1) * len(np.unique(triples.tail[triples.relation == number]))))
        tail[own] = len(found.ids) + len(names) + generator.integers(0, entities, own.sum())
        names += [f"entity {len(names) + each}" for each in range(entities)]
    # Ids are ascending, so that new ones have to come after all others.
    last = max(map(str, found.ids), default="")
    extended = replace(
        found,
        ids=objects([*found.ids, *(f"{last}~{place:09d}" for place in range(len(names)))]),
        names=objects([*found.names, *names]),
        degrees=np.concatenate([found.degrees, np.bincount(tail - len(found.ids), minlength=len(names))]),
        indptr=np.concatenate([found.indptr, np.full(len(names), found.indptr[-1])]),
        dropped=np.concatenate([found.dropped, np.zeros(len(names), np.int64)]),
    )
    columns = zip((triples.head, triples.relation, triples.tail), (triples.head[model], relation, tail), strict=True)
    return Triples(*(np.concatenate(both) for both in columns)).rows_of(extended)


def with_neighbourhoods(prepared: Prepared, neighbourhoods: Neighbourhoods) -> Prepared:
    """Return the inputs with other triples."""
    return replace(prepared, knowledge=replace(prepared.knowledge, neighbourhoods=neighbourhoods))
