"""Why an item is recommended: the triplet prompts that its score depends on, and paths of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.arguments import checked
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.explain.connections import Connection, connections
from kptoolkit.explain.reader_counts import ReaderCount, ReaderCounts
from kptoolkit.explain.triplet_drops import NAMED, RunScore, drops
from kptoolkit.graph import Graph
from kptoolkit.models import Triplets
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.runs.run import Run

PATHS = 2
"""Maximum number of paths shown per recommendation."""
SOURCES = 2
"""Maximum number of items of the history named per part."""


@dataclass(frozen=True)
class Reason:
    """A triplet prompt that mattered.

    Attributes:
        text: The sentence.
        item_id: The item that it is about: one of the history, or the recommended one.
        title: Title of that item, or its id if it has none.
        hop: Hops from that item.
        drop: How far the score falls when the model does not read the sentence and the sentences below it.
    """

    text: str
    item_id: str
    title: str
    hop: int
    drop: float


@dataclass(frozen=True)
class Contribution:
    """What one part adds to a score.

    Attributes:
        part: Name of the part: ``"backend"``, ``"transitions"``, …
        value: What it adds; the values of all parts add up to the score.
        items: Ids of the items of the history that contributed most to it, best first; none for the backend and for
            popularity.
        titles: Their titles; the id of one that has none.
        shares: Share of each of them in the part, between 0 and 1.
        counts: How many readers of each of them went on to the recommended item (transitions), or have both
            (co-occurrence); none for parts that are not counted in histories.
    """

    part: str
    value: float
    items: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    counts: tuple[ReaderCount, ...] = ()

    def sources(self, least: float = 0.0) -> str:
        """The items with their shares and counts as text: ``"Emma (61%, 14 of 60)"``.

        Args:
            least: Smallest share that is named.
        """
        counts = [f", {count.of_them:,} of {count.readers:,}" for count in self.counts] or [""] * len(self.items)
        named = zip(self.titles, self.shares, counts, strict=True)
        return ", ".join(f"{title} ({share:.0%}{count})" for title, share, count in named if share >= least)


@dataclass(frozen=True)
class Explanation:
    """A recommendation and its reasons.

    Attributes:
        rank: From 1.
        item_id: The item.
        title: Its title, or its id if it has none.
        score: As in :meth:`Run.recommend`.
        parts: What each part adds to the score, the largest first.
        triplets: The triplet prompts that raised the score, the one with the largest drop first.
        paths: Shortest paths of the graph; ``None`` if no graph was given.
    """

    rank: int
    item_id: str
    title: str
    score: float
    parts: tuple[Contribution, ...]
    triplets: tuple[Reason, ...]
    paths: tuple[Connection, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        return asdict(self)


@checked
def explain(
    run: Run,
    user: str | None = None,
    items: Sequence[str] | None = None,
    k: int = 10,
    *,
    graph: Graph | None = None,
    with_seen: bool = False,
    triplets: int = NAMED,
    paths: int = PATHS,
) -> list[Explanation]:
    """Recommend items and explain them.

    Args:
        run: A finished run.
        user: User id; the history is all events of the user.
        items: A history by item id, entity id or exact name, oldest first; instead of ``user``.
        k: Number of items.
        graph: The graph to search for paths; ``None`` leaves paths out.
        with_seen: Whether items of the history may be recommended again.
        triplets: Maximum number of triplet prompts named per item; only those that raised its score are named.
        paths: Maximum number of paths per item.

    Returns:
        The items of :meth:`Run.recommend`, best first.

    Raises:
        InputError: As :meth:`Run.recommend`, or the backend cannot say which triplets mattered.
        GraphError: The graph fails.
    """
    scorer = RunScore.of(run)
    ranked = run.recommend(user, items, k, with_seen=with_seen)
    case = run.case_of(user, items)
    rows = np.array([run.catalogue.resolve(item) for item in ranked["item_id"]], dtype=np.int64)
    found, fall = drops(scorer, case, rows)
    parts = contributions(run.recommender, case, rows, run.catalogue, run.training_histories)
    found_paths = None if graph is None else connections(run, graph, case, rows, paths)
    return [
        Explanation(
            rank=number + 1,
            item_id=str(run.catalogue.item_ids[row]),
            title=str(run.catalogue.names[row]),
            score=float(score),
            parts=parts[number],
            triplets=_reasons(run, found, fall[:, number], scorer.named(found, fall[:, number], triplets)),
            paths=None if found_paths is None else found_paths[number],
        )
        for number, (row, score) in enumerate(zip(rows, ranked["score"], strict=True))
    ]


def contributions(
    recommender: Recommender, case: Cases, rows: NDArray[np.int64], catalogue: Catalogue, train: Histories
) -> list[tuple[Contribution, ...]]:
    """Divide the scores of some items into what each part adds.

    Args:
        recommender: Backend and parts.
        case: One case.
        rows: ``(C,)`` catalogue rows.
        catalogue: The items.
        train: Training histories, in which readers are counted.

    Returns:
        For each of the C items its parts, the largest first.
    """
    added = {name: scores[0, rows] for name, scores in recommender.by_part(case).items()}
    found, readers = [], ReaderCounts(train)
    for number, row in enumerate(rows.tolist()):
        parts = []
        for name, values in added.items():
            part = recommender.parts.pairs.get(name)
            shares = np.zeros(0, dtype=np.float32) if part is None else part.sources(case, row)
            best = np.argsort(-shares, kind="stable")[:SOURCES]
            best = best[shares[best] > 0]
            ids, titles = (tuple(map(str, of[best])) for of in (catalogue.item_ids, catalogue.names))
            counts = (readers.of(name, item, row) for item in best.tolist())
            counted = tuple(count for count in counts if count is not None)
            parts.append(Contribution(name, float(values[number]), ids, titles, tuple(shares[best].tolist()), counted))
        found.append(tuple(sorted(parts, key=lambda part: -part.value)))
    return found


def _reasons(run: Run, found: Triplets, fall: NDArray[np.float32], named: Mapping[int, str]) -> tuple[Reason, ...]:
    """The named triplets, with the items that they are about."""
    reasons = []
    for triplet, text in named.items():
        item, hop, drop = found.item[triplet], int(found.hop[triplet]), float(fall[triplet])
        reasons.append(Reason(text, str(run.catalogue.item_ids[item]), str(run.catalogue.names[item]), hop, drop))
    return tuple(reasons)


Run.explainer = staticmethod(explain)
