"""Relations that state the interactions themselves."""

from __future__ import annotations

import itertools
import random

import pytest

from kptoolkit.data import Interactions
from kptoolkit.graph import Neighbourhoods
from kptoolkit.graph.neighbour_rows import Row
from kptoolkit.knowledge.hidden_events import hidden_events


def histories(users: int = 60, items: int = 120, length: int = 6) -> dict[str, list[str]]:
    chosen = random.Random(2308)
    return {f"u{user}": [f"i{item}" for item in chosen.sample(range(items), length)] for user in range(users)}


def found_in(rows: list[Row], events: Interactions) -> list[str]:
    nodes = {one: (one, -1) for row in rows for one in (row[0], row[2])}
    nodes |= {str(one): (str(one), -1) for one in events.item_ids}
    return [
        found.relation
        for found in hidden_events(Neighbourhoods.of_rows(events.item_ids.tolist(), nodes, rows, hops=1), events)
    ]


def of_events(given: dict[str, list[str]]) -> Interactions:
    pairs = [(user, item) for user, items in given.items() for item in items]
    return Interactions.of(*zip(*pairs, strict=True))


@pytest.mark.parametrize("size", [2, 3, 6])
def test_orders_of_one_user_state_the_events(size: int) -> None:
    """An order is a node, or the user itself where ``size`` is the whole history."""
    given = histories()
    rows = [
        (item, "ORDERS", f"{user}/{at // size}", False)
        for user, items in given.items()
        for at, item in enumerate(items)
    ]
    assert found_in(rows, of_events(given)) == ["ORDERS"]


def test_pairs_of_one_history_state_the_events() -> None:
    given = histories()
    rows: list[Row] = []
    for items in given.values():
        for one, other in itertools.pairwise(items):
            rows += [(one, "bought_with", other, True), (other, "bought_with", one, False)]
    assert found_in(rows, of_events(given)) == ["bought_with"]


@pytest.mark.parametrize("groups", [3, 20, 60])
def test_facts_about_items_do_not(groups: int) -> None:
    given = histories()
    rows: list[Row] = [(f"i{item}", "genre", f"genre {item % groups}", True) for item in range(120)]
    assert found_in(rows, of_events(given)) == []


def test_a_set_where_everybody_has_everything_says_nothing() -> None:
    given = {f"u{user}": [f"i{item}" for item in range(20)] for user in range(10)}
    rows: list[Row] = [(f"i{item}", "genre", f"genre {item % 5}", True) for item in range(20)]
    assert found_in(rows, of_events(given)) == []
