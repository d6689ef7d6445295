"""Writes the recommendations of a run into the graph."""

from __future__ import annotations

from kptoolkit.arguments import checked
from kptoolkit.graph import Graph
from kptoolkit.graph.write_back import Recommendation, Written
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback
from kptoolkit.runs.ensemble import require_single
from kptoolkit.runs.run import Run


@checked
def write_back(
    run: Run,
    graph: Graph,
    user: str | None = None,
    k: int = 10,
    *,
    with_seen: bool = False,
    progress: ProgressCallback = shown,
) -> Written:
    """Write recommendations into the graph: ``(:User)-[:RECOMMENDED {run, rank, score}]->(:Item)``.

    ``run`` is :attr:`~kptoolkit.runs.manifest.Manifest.id`. Earlier recommendations of the same run for the same users
    are replaced, so that a second call leaves the graph as it is.

    Args:
        run: A finished run.
        graph: The graph to write into.
        user: User id; all users of the data if ``None``.
        k: Number of items per user.
        with_seen: Whether items of the history may be recommended again.
        progress: Progress callback.

    Raises:
        InputError: The run is an ensemble: its recommendations belong to no single run.
        UnknownNameError: No such user.
        GraphError: The graph fails or refuses to be written.
    """
    require_single(run, "writing into the graph")
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
