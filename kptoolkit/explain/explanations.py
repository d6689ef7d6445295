"""Why an item is recommended, and what is recommended written into the graph.

Reasons are the triplet prompts that the score came from, and paths that are true in the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.table import Evaluation
from kptoolkit.explain.triplet_reasons import NAMED, drops, explaining, faithfulness
from kptoolkit.graph import Graph, GraphPath
from kptoolkit.graph.write_back import Recommendation, Written
from kptoolkit.models import Triplets
from kptoolkit.progress import ProgressCallback, silent
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.run import PACK, Run
from kptoolkit.tree.tokens import cap_name

PATHS = 2
"""Paths shown of a recommendation."""
_SAID_TWICE = 4
"""How many times as many paths are fetched: relations that mirror one another say a thing twice."""
_HISTORY = 50
"""Latest items of a history from which paths begin."""


@dataclass(frozen=True)
class Reason:
    """A triplet prompt that mattered.

    Attributes:
        text: The sentence.
        item_id: The item it stands under: one of the history, or the recommended one.
        title: Title of that item.
        hop: Hops from that item.
        drop: How far the score falls when the model does not read the sentence and what hangs under it.
    """

    text: str
    item_id: str
    title: str
    hop: int
    drop: float


@dataclass(frozen=True)
class Connection:
    """A shortest path from an item of the history to the recommended one.

    Attributes:
        item_id: The item of the history.
        title: Its title.
        sentences: One a triple, in the pack's words.
        triples: The stored triples: head, relation, tail.
    """

    item_id: str
    title: str
    sentences: tuple[str, ...]
    triples: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Explanation:
    """One recommendation and its reasons.

    Attributes:
        rank: From 1.
        item_id: The item.
        title: Its title.
        score: As in :meth:`Run.recommend`.
        triplets: The triplet prompts that raised the score, the one that raised it most first.
        paths: Shortest paths of the graph; ``None`` when no graph was asked.
    """

    rank: int
    item_id: str
    title: str
    score: float
    triplets: tuple[Reason, ...]
    paths: tuple[Connection, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-able values."""
        return asdict(self)


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
    """Recommend, and say why.

    Args:
        run: A finished run.
        user: User id; the history is everything known of the user.
        items: A history by item id, entity id or exact name, oldest first; instead of ``user``.
        k: How many.
        graph: The graph to look for paths in; ``None`` leaves paths out.
        with_seen: Whether items of the history may be recommended again.
        triplets: Most triplet prompts named for an item; those that raised its score alone are.
        paths: Most paths of an item.

    Returns:
        What :meth:`Run.recommend` recommends, best first.

    Raises:
        InputError: As :meth:`Run.recommend`, or the backend cannot say which triplets mattered.
        GraphError: The graph fails.
    """
    backend = explaining(run.backend)
    ranked = run.recommend(user, items, k, with_seen=with_seen)
    case = run.case_of(user, items)
    rows = np.array([run.catalogue.resolve(item) for item in ranked["item_id"]], dtype=np.int64)
    found, fall = drops(backend, case, rows)
    sentences = run.knowledge_source().sentences(found.prompts)
    connections = None if graph is None else _connections(run, graph, case, rows, paths)
    return [
        Explanation(
            rank=number + 1,
            item_id=str(run.catalogue.item_ids[row]),
            title=str(run.catalogue.titles[row]),
            score=float(score),
            triplets=_named(run, found, sentences, fall[:, number], triplets),
            paths=None if connections is None else connections[number],
        )
        for number, (row, score) in enumerate(zip(rows, ranked["score"], strict=True))
    ]


def write_back(
    run: Run,
    graph: Graph,
    user: str | None = None,
    k: int = 10,
    *,
    with_seen: bool = False,
    progress: ProgressCallback = silent,
) -> Written:
    """Recommend, and write it into the graph: ``(:User)-[:RECOMMENDED {run, rank, score}]->(:Item)``.

    ``run`` is :attr:`~kptoolkit.runs.manifest.Manifest.id`. What the same run wrote for the same users before is
    replaced, so that the graph is the same when it is done again.

    Args:
        run: A finished run.
        graph: Where to write.
        user: User id; everybody of the data when ``None``.
        k: How many items a user.
        with_seen: Whether items of the history may be recommended again.
        progress: Told about users.

    Raises:
        UnknownNameError: No such user.
        GraphError: The graph fails or refuses to be written.
    """
    if user is None:
        frames = run.chunks(k, with_seen=with_seen, progress=progress)
    else:
        frames = iter([run.recommend(user, k=k, with_seen=with_seen).assign(user_id=user)])
    written = Written(run.manifest.id)
    for frame in frames:
        columns = (frame[name].tolist() for name in ("user_id", "item_id", "rank", "score"))
        rows = [Recommendation(str(u), str(i), int(r), float(s)) for u, i, r, s in zip(*columns, strict=True)]
        written += graph.write_recommendations(run.manifest.id, rows)
    return written


def with_faithfulness(result: Evaluation, run: Run, cases: Cases, progress: ProgressCallback = silent) -> Evaluation:
    """An evaluation that also says whether the triplets named for a recommendation carry it.

    Args:
        result: Of the run on ``cases``.
        run: A finished run.
        cases: ``evaluation.explained`` of them are asked.
        progress: Told about every case.

    Raises:
        InputError: The backend cannot say which triplets mattered.
    """
    settings = run.config.evaluation
    found = faithfulness(run.backend, cases, sample=settings.explained, resamples=settings.resamples, progress=progress)
    return replace(result, faithfulness=found, notes=(*result.notes, found.note))


def _named(
    run: Run, found: Triplets, sentences: Sequence[str], fall: NDArray[np.float32], count: int
) -> tuple[Reason, ...]:
    """The triplets that raised a score most; a sentence that stands under several items is named once."""
    reasons: dict[str, Reason] = {}
    for triplet in np.argsort(-fall, kind="stable"):
        if len(reasons) == count or fall[triplet] <= 0:
            break
        item, text = found.item[triplet], sentences[triplet]
        titles, ids = run.catalogue.titles, run.catalogue.item_ids
        reason = Reason(text, str(ids[item]), str(titles[item]), int(found.hop[triplet]), float(fall[triplet]))
        reasons.setdefault(text, reason)
    return tuple(reasons.values())


def _connections(
    run: Run, graph: Graph, case: Cases, rows: NDArray[np.int64], limit: int
) -> list[tuple[Connection, ...]]:
    """Paths to each of the recommended ``rows``; none to an item that is not linked or that the history holds."""
    entity_ids = run.catalogue.entity_ids
    latest = dict.fromkeys(case.items[::-1][:_HISTORY].tolist())
    begins = {str(entity_ids[row]): row for row in reversed(latest) if entity_ids[row] is not None}
    ends = [str(entity_ids[row]) if entity_ids[row] is not None else None for row in rows]
    linked = [end for end in ends if end is not None]
    several = graph.paths(list(reversed(begins)), linked, limit=_SAID_TWICE * limit)
    found, pack = dict(zip(linked, several, strict=True)), TemplatePack.load(run.folder / PACK)
    worded = [
        [_connection(run, pack, path, begins[path.nodes[0]]) for path in found.get(end or "", [])] for end in ends
    ]
    distinct = [{connection.sentences: connection for connection in reversed(listed)} for listed in worded]
    return [tuple(reversed(list(each.values())[-limit:])) for each in distinct]


def _connection(run: Run, pack: TemplatePack, path: GraphPath, row: int) -> Connection:
    names = [
        cap_name(name or node, run.config.prompts.name_tokens)
        for name, node in zip(path.names, path.nodes, strict=True)
    ]
    sentences = []
    for near, far, relation, forward in zip(names, names[1:], path.relations, path.forward, strict=False):
        head, tail = (near, far) if forward else (far, near)
        sentences.append(pack.sentence(head, relation, tail, inverse=not forward))
    catalogue = run.catalogue
    return Connection(str(catalogue.item_ids[row]), str(catalogue.titles[row]), tuple(sentences), path.triples)
