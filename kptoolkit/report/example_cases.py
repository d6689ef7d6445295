"""Example recommendations of a report: some users, what they are recommended, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from kptoolkit.data.histories import Cases
from kptoolkit.explain.explanations import Explanation, contributions, explain
from kptoolkit.explain.reader_counts import CAPTION
from kptoolkit.explain.triplet_drops import drop_caption
from kptoolkit.graph import Graph
from kptoolkit.models import Explains
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.report.charts import Axis, Bar
from kptoolkit.runs.run import Run

ITEMS: Final = 3
"""Items shown per user."""
_LATEST: Final = 10
_SEED: Final = 2308
_LEAST: Final = 5e-5
_SMALLEST: Final = 0.005  # share


@dataclass(frozen=True)
class PartBar:
    """What a part adds to a score.

    Attributes:
        name: Name of the part.
        figure: What it adds, as text.
        bar: The same as a bar.
        sources: Items of the history that it comes from, with their shares and counts of readers.
    """

    name: str
    figure: str
    bar: Bar
    sources: str


@dataclass(frozen=True)
class Recommended:
    """A recommended item.

    Attributes:
        entry: The item and its reasons.
        parts: The score divided by part.
    """

    entry: Explanation
    parts: tuple[PartBar, ...]


@dataclass(frozen=True)
class Example:
    """A user of the sample.

    Attributes:
        user: User id.
        history: Titles of the latest items, oldest first.
        earlier: Number of earlier items.
        items: The recommended items, best first.
    """

    user: str
    history: tuple[str, ...]
    earlier: int
    items: tuple[Recommended, ...]


@dataclass(frozen=True)
class Examples:
    """The example recommendations of a run.

    Attributes:
        users: One per user.
        with_triplets: Whether the backend can say which triplets mattered.
        with_paths: Whether a graph was searched for paths.
    """

    users: tuple[Example, ...]
    with_triplets: bool
    with_paths: bool
    counted: ClassVar[str] = CAPTION
    """What the counts of readers mean."""

    @property
    def drop(self) -> str:
        """What a drop is."""
        return drop_caption({part.part for user in self.users for item in user.items for part in item.entry.parts})


def example_cases(
    run: Run, split: str, count: int, *, graph: Graph | None = None, progress: ProgressCallback = silent
) -> Examples:
    """Recommend items to a fixed sample of users, and explain them.

    Args:
        run: A finished run.
        split: The users are those of its cases.
        count: Number of users.
        graph: The graph to search for paths; ``None`` leaves paths out.
        progress: Progress callback.

    Raises:
        GraphError: The graph fails.
    """
    explains = isinstance(run.backend, Explains)
    sample = run.split.cases(split).sample(count, _SEED) if count else None
    users = [] if sample is None else [str(run.interactions.user_ids[number]) for number in sample.user]
    found = []
    for done, user in enumerate(users, 1):
        entries = explain(run, user, k=ITEMS, graph=graph) if explains else _without_triplets(run, user)
        found.append(_example(run, user, entries))
        progress(ProgressEvent("explain", done, len(users), "users"))
    return Examples(tuple(found), explains, explains and graph is not None)


def _without_triplets(run: Run, user: str) -> list[Explanation]:
    """Recommendations with their parts alone, for a backend that cannot say which triplets mattered."""
    ranked, case = run.recommend(user, k=ITEMS), run.case_of(user)
    rows = np.array([run.catalogue.resolve(item) for item in ranked["item_id"]], dtype=np.int64)
    parts = contributions(run.recommender, case, rows, run.catalogue, run.training_histories)
    columns = ranked[["rank", "item_id", "title", "score"]].itertuples(index=False, name=None)
    return [
        Explanation(int(rank), str(item), str(title), float(score), parts[number], ())
        for number, (rank, item, title, score) in enumerate(columns)
    ]


def _example(run: Run, user: str, entries: Sequence[Explanation]) -> Example:
    case: Cases = run.case_of(user)
    names = [str(run.catalogue.names[item]) for item in case.items]
    axis = Axis.of(part.value for entry in entries for part in entry.parts)
    items = tuple(Recommended(entry, _bars(entry, axis)) for entry in entries)
    return Example(user, tuple(names[-_LATEST:]), max(0, len(names) - _LATEST), items)


def _bars(entry: Explanation, axis: Axis) -> tuple[PartBar, ...]:
    found = []
    for part in entry.parts:
        if abs(part.value) >= _LEAST:
            bar = Bar.of(axis, part.value)
            found.append(PartBar(part.part, f"{part.value:+.4f}", bar, part.sources(_SMALLEST)))
    return tuple(found)
