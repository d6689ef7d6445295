"""Training data: data sets of ``$KPTOOL_DATA``, and seeded worlds of any size; neither needs a graph database.

The neighbourhoods are the arrays a graph store would give: every row of every entity, up to ``graph.cap``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Bench, Spent, clocks, data_folder
from kptoolkit import metrics
from kptoolkit.config import Config, load_config, validate
from kptoolkit.data.catalogue import Catalogue, find_items
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.histories import Cases
from kptoolkit.data.interactions import Interactions
from kptoolkit.data.splits import Split, make_split
from kptoolkit.evaluation.controls import unchanged
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.graph.neighbour_rows import Row
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models import Backend, FitTask, backend_class, options_class
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import TemplatePack

HOPS = 2
_GENRE, _PERSON = "film.film.genre", "film.film.starring"


@dataclass(frozen=True)
class World:
    """Events, items and the graph around them.

    Attributes:
        interactions: Events.
        catalogue: Items; its first rows are those of the interactions.
        neighbourhoods: Facts around each item; ``roots[i]`` belongs to catalogue row i.
        pack: Template pack.
    """

    interactions: Interactions
    catalogue: Catalogue
    neighbourhoods: Neighbourhoods
    pack: TemplatePack

    def task(
        self,
        settings: Mapping[str, Any],
        folder: Path,
        *,
        progress: ProgressCallback = silent,
        watch: Callable[[float, Spent], None] | None = None,
    ) -> FitTask:
        """A training task.

        Args:
            settings: ``{"section.key": value}``.
            folder: For checkpoints and logs.
            progress: Progress callback.
            watch: Called with each validation NDCG@10 and the seconds of its ranking.
        """
        config = load_config(overrides=settings, environ={})
        split = make_split(self.interactions, config.data.split, min_events=config.data.min_events)
        cases = split.valid

        def validate_with(score: Callable[[Cases], NDArray[np.float32]]) -> dict[str, float]:
            begun = clocks()
            found = metrics.summary(evaluate(score, cases, len(self.catalogue)).ranks)
            if watch is not None:
                watch(found["NDCG@10"], clocks() - begun)
            return found

        return FitTask(
            config=config,
            catalogue=self.catalogue,
            split=split,
            user_ids=self.interactions.user_ids,
            knowledge=self.knowledge(config),
            knowledge_change=unchanged,
            checkpoints=folder / "checkpoints",
            logs=folder / "tensorboard",
            validate=validate_with,
            progress=progress,
        )

    def knowledge(self, config: Config) -> KnowledgeSource:
        """Create the knowledge of the world by the settings of ``config``."""
        parts = (config.tree, config.prompts, config.graph.max_degree)
        return KnowledgeSource(self.neighbourhoods, self.catalogue, self.pack, *parts)

    def split(self, min_events: int = 0) -> Split:
        """Leave-one-out."""
        return make_split(self.interactions, min_events=min_events)


class Enough(Exception):
    """Enough steps were timed."""


class Stopwatch:
    """Times training steps as a progress callback, and ends the training once there are enough.

    Args:
        now: Gives both clocks.
        skip: First steps not to count: they warm up.
        steps: Steps to count.
    """

    def __init__(self, now: Callable[[], Spent], *, skip: int, steps: int) -> None:
        self.now, self.skip, self.last = now, skip, skip + steps
        self.marks: list[Spent] = []

    def __call__(self, event: ProgressEvent) -> None:
        """Note the time of a step; the event behind an evaluation repeats its step's number."""
        if event.unit == "steps" and event.done > len(self.marks):
            self.marks.append(self.now())
            if event.done >= self.last:
                raise Enough

    @property
    def steps(self) -> list[Spent]:
        """Seconds of every counted step."""
        marks = self.marks[self.skip - 1 :] if self.skip else self.marks
        return [after - before for before, after in pairwise(marks)]


class Curve:
    """Notes the validation NDCG@10 of a training and the seconds trained until then; the ``watch`` of :func:`fitted`.

    The clock starts now, and stops while validation is ranked.

    Args:
        bench: Whose clock it is.

    Attributes:
        points: ``(training seconds, NDCG@10)`` of every evaluation.
    """

    def __init__(self, bench: Bench) -> None:
        self.points: list[tuple[float, float]] = []
        self._bench, self._begun, self._paused = bench, bench.now(), Spent(0, 0)

    def __call__(self, quality: float, ranking: Spent) -> None:
        """Note an evaluation that took ``ranking``."""
        self._paused += ranking
        self.points.append((self.seconds, quality))

    @property
    def seconds(self) -> float:
        """Training seconds so far."""
        return self._bench.cost(self._bench.now() - self._begun - self._paused)


def fitted(
    world: World,
    settings: Mapping[str, Any],
    folder: Path,
    progress: ProgressCallback = silent,
    watch: Callable[[float, Spent], None] | None = None,
) -> Backend:
    """A backend trained by ``settings``; ``progress`` may be a :class:`Stopwatch`, ``watch`` is as in `World.task`."""
    task = world.task(settings, folder, progress=progress, watch=watch)
    kind = backend_class(task.config.model.backend)
    backend: Backend = kind(validate(options_class(kind), task.config.model.options, "model"))
    with suppress(Enough):
        backend.fit(task)
    return backend


def real(name: str) -> World:
    """A data set of ``$KPTOOL_DATA``, read from its files.

    Raises:
        ConfigError: It is not there.
    """
    return of_folder(data_folder(name), name)


def of_folder(path: Path, pack: str) -> World:
    """A data set of a folder.

    Args:
        path: Folder with interactions, triples and links.
        pack: Name of the template pack.
    """
    folder = DataFolder.read(path)
    assert folder.interactions is not None
    assert folder.triples is not None
    assert folder.links is not None
    catalogue = Catalogue.build(folder.interactions, find_items(path))
    linked = dict(zip(folder.links["item_id"].map(str), folder.links["entity_id"].map(str), strict=True))
    entities = np.array([linked.get(str(item)) for item in catalogue.item_ids], dtype=object)
    catalogue = replace(catalogue, entity_ids=entities)
    triples = folder.triples
    ends = triples.entities
    stored = list(zip(ends[triples.head], triples.relations[triples.relation], ends[triples.tail], strict=True))
    names = {} if folder.names is None else dict(zip(folder.names["entity_id"], folder.names["name"], strict=True))
    return World(folder.interactions, catalogue, neighbourhoods(entities, stored, names), TemplatePack.load(pack))


def neighbourhoods(
    roots: NDArray[Any], triples: list[tuple[str, str, str]], names: Mapping[str, str], cap: int = 256
) -> Neighbourhoods:
    """Create the neighbourhoods of ``roots`` in a graph of triples; an entity without a name has its id as name."""
    around: dict[str, list[Row]] = defaultdict(list)
    for head, relation, tail in dict.fromkeys(triples):
        around[head].append((head, relation, tail, True))
        around[tail].append((tail, relation, head, False))
    known = set(around) | {root for root in roots if root is not None}
    nodes = {entity: (str(names.get(entity, entity)), len(around[entity])) for entity in known}
    rows = [row for entity in known for row in around[entity]]
    return Neighbourhoods.of_rows(["" if r is None else r for r in roots], nodes, rows, hops=HOPS, cap=cap)


@dataclass(frozen=True)
class Size:
    """How large a seeded world is.

    Attributes:
        items: Catalogue size.
        users: Users.
        history: Training events of each user; two more are for validation and test.
        triples: Triples of each item.
    """

    items: int = 5000
    users: int = 512
    history: int = 50
    triples: int = 20

    def __str__(self) -> str:
        return f"{self.items} items, {self.users} users, histories of {self.history}, {self.triples} triples per item"


def synthetic(size: Size, seed: int) -> World:
    """Create a seeded world: every user goes through the catalogue from a start of their own, in small steps.

    An item's triples name people and genres, each of which about twenty items share. Items that no user meets have no
    events.
    """
    draw = np.random.default_rng(seed)
    events = size.history + 2
    steps = draw.integers(1, max(2, size.items // events), (size.users, events))
    met = (draw.integers(0, size.items, (size.users, 1)) + np.cumsum(steps, axis=1)) % size.items
    users = np.repeat([f"u{user:06d}" for user in range(size.users)], events)
    ids = np.array([f"i{item:06d}" for item in range(size.items)])
    interactions = Interactions.of(users, ids[met.ravel()], np.tile(np.arange(float(events)), size.users))
    seen = set(interactions.item_ids.tolist())
    all_ids = np.array([*interactions.item_ids, *(i for i in ids.tolist() if i not in seen)], dtype=object)
    titles = np.array([f"Film {str(item)[1:]}" for item in all_ids], dtype=object)
    entities = np.array([f"e{item}" for item in all_ids], dtype=object)
    far = draw.integers(0, max(1, size.items * size.triples // 20), (size.items, size.triples))
    kinds = ((_PERSON, "Person"), (_GENRE, "Genre"))
    triples = [
        (entities[item], kinds[number % 2][0], f"{kinds[number % 2][1]} {far[item, number]}")
        for item in range(size.items)
        for number in range(size.triples)
    ]
    around = neighbourhoods(entities, triples, dict(zip(entities, titles, strict=True)))
    return World(interactions, Catalogue(all_ids, titles, entities), around, TemplatePack.load("movies"))
