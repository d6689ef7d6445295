"""Writes recommendations into the graph; they do not affect paths, neighbourhoods, degrees or the fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from kptoolkit.errors import LoadError
from kptoolkit.graph.loading.load_interactions import existing_items
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.store import GraphStore, GraphTransaction, WriteCounters
from kptoolkit.names import quantity
from kptoolkit.storage.batches import chunks


@dataclass(frozen=True)
class Recommendation:
    """One item for one user.

    Attributes:
        user: User id.
        item: Item id.
        rank: Rank from 1.
        score: Score of the model.
    """

    user: str
    item: str
    rank: int
    score: float


@dataclass(frozen=True)
class Written:
    """Counts of what was written.

    Attributes:
        run: Id of the run, in the property ``run`` of every relationship.
        users: Users whose recommendations of the run were replaced.
        recommendations: Relationships written.
        left_out: Recommendations of items that are not in the graph.
    """

    run: str
    users: int = 0
    recommendations: int = 0
    left_out: int = 0

    def __add__(self, other: Written) -> Written:
        added = (self.users + other.users, self.recommendations + other.recommendations)
        return Written(self.run, *added, self.left_out + other.left_out)


def write_recommendations(
    store: GraphStore, queries: QuerySet, run: str, rows: Sequence[Recommendation], batch_size: int
) -> Written:
    """Replace the recommendations that a run wrote for some users.

    Args:
        store: The graph database.
        queries: Its queries.
        run: Id of the run.
        rows: All recommendations of each user that occurs.
        batch_size: Rows per transaction; more if one user has more.

    Raises:
        LoadError: The graph stored fewer than were sent.
    """
    have = existing_items(store, queries, list(dict.fromkeys(row.item for row in rows)), batch_size)
    by_user: dict[str, list[Recommendation]] = {}
    for row in rows:
        by_user.setdefault(row.user, []).append(row)
    written = Written(run)
    longest = max(map(len, by_user.values()), default=1)
    for users in chunks(list(by_user), max(1, batch_size // longest)):
        whole = [row for user in users for row in by_user[user]]
        kept = [row for row in whole if row.item in have]
        store.transact(partial(_replace, queries, run=run, users=list(users), rows=kept))
        written += Written(run, len(users), len(kept), len(whole) - len(kept))
    return written


def _replace(
    queries: QuerySet,
    transaction: GraphTransaction,
    *,
    run: str,
    users: Sequence[str],
    rows: Sequence[Recommendation],
) -> WriteCounters:
    queries["merge_users"].write(transaction, ids=users)
    queries["delete_recommendations"].write(transaction, run=run, users=users)
    sent = [vars(row) for row in rows]
    counters = queries["create_recommendations"].write(transaction, run=run, rows=sent)
    if (created := counters.relationships_created) != len(rows):
        raise LoadError(
            f"of {quantity(len(rows), 'recommendations')} sent {created} were written; nothing of this batch was kept; "
            + (_advice(queries) if created < len(rows) else "ids are not unique, or somebody else wrote: run it again")
        )
    return counters


def _advice(queries: QuerySet) -> str:
    """Return the advice for users or items that were not found."""
    files = ("merge_users", "delete_recommendations", "create_recommendations")
    return (
        f"{queries['create_recommendations'].path} finds no users or items of these ids under its labels; put "
        f"{', '.join(f'{name}.cypher' for name in files)} for the labels of your graph into the folder graph.cypher "
        "(kptool init --from-graph drafts them)"
    )
