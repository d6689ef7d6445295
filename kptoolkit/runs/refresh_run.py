"""Refreshes a run: new knowledge and new items of the graph, without training."""

from __future__ import annotations

import time

from kptoolkit.arguments import checked
from kptoolkit.config import GraphConfig, load_config
from kptoolkit.errors import RunError
from kptoolkit.graph import Graph
from kptoolkit.knowledge.prepare import Prepared, fetch_knowledge, knowledge_report
from kptoolkit.models import AcceptsNewItems
from kptoolkit.models.parts.fit_parts import knowledge_kinds
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback, moment
from kptoolkit.resources import check_queries, which_graph
from kptoolkit.runs.ensemble import require_single
from kptoolkit.runs.run import Run


@checked
def refresh(
    run: Run, graph: GraphConfig | None = None, *, fresh: bool = False, progress: ProgressCallback = shown
) -> Run:
    """Read the knowledge of a run's items again, and add the graph's new items; nothing is trained.

    The graph is always read. A new item is ranked by its knowledge and by the events of similar items. Prompts use the
    labels of relations that the graph has now. Catalogue, labels, neighbourhoods, backend and score parts of the run
    are replaced together. Controls and results of evaluations belong to the knowledge that was read before: they are
    removed, unless nothing has changed.

    Args:
        run: A finished run whose backend accepts new items, such as ``sequence``.
        graph: Where the graph is; ``None`` is the run's own, with user name and password from file and environment.
        fresh: Render and tokenize prompts again, although they are cached.
        progress: Progress callback.

    Returns:
        The run with the extended catalogue.

    Raises:
        InputError: The run is an ensemble.
        RunError: The backend cannot rank items it was not trained on.
        LockedError: Another command is writing into the folder.
        GraphError: The graph cannot be reached.
    """
    require_single(run, "refreshing")
    with run.files.writing():
        run = Run.load(run.folder, trust_code=run.trust_code)  # another command may have changed it
        return _refresh(run, graph, fresh, progress)


def graph_of(run: Run) -> GraphConfig:
    """Return the run's own graph, with user name and password from file and environment.

    They go to another address than this machine, or the one that file and environment name, only if the run is trusted.

    Raises:
        ConfigError: The run names Cypher queries that are neither the user's own nor trusted.
    """
    own = load_config().graph
    chosen = which_graph(own, run.config.graph, trusted=run.trust_code is True)
    check_queries(chosen.cypher, own.cypher, run.trust_code)
    return chosen


def _refresh(run: Run, graph: GraphConfig | None, fresh: bool, progress: ProgressCallback) -> Run:
    recommender = run.recommender
    backend = recommender.backend
    if not isinstance(backend, AcceptsNewItems):
        raise RunError(
            f"backend '{backend.name}' ranks only the items it was trained on; train again, or train with "
            "model.backend = 'sequence'"
        )
    settings = run.config.model_copy(update={"graph": graph or graph_of(run)})
    with Graph.open(config=settings.graph, create=False) as opened:
        earlier = run.files.neighbourhoods()
        catalogue = run.catalogue.refreshed(opened.items(), earlier.names_by_id())
        pack = run.pack.with_labels(opened.relation_labels())
        knowledge = fetch_knowledge(settings, opened, catalogue, pack, fresh=fresh, progress=progress)
        graph_hash = opened.fingerprint()
    backend.extend(catalogue, knowledge)
    parts = recommender.parts
    kinds = knowledge_kinds(settings.parts, catalogue, knowledge, knowledge.trees(0), parts.adapter)
    recommender = Recommender(backend, parts.extended(len(catalogue), kinds))
    manifest = run.manifest
    inputs = Prepared(settings, run.interactions, run.split, catalogue, knowledge, graph_hash)
    manifest.fingerprints = inputs.fingerprints
    manifest.reports["knowledge"] = knowledge_report(knowledge, run.interactions.n_items)
    manifest.reports["fetched"] = moment(time.time())
    read = knowledge.neighbourhoods
    same = read.content_hash == earlier.content_hash and pack is run.pack
    removed = [] if same and catalogue.same_as(run.catalogue) else run.files.evaluated()
    counts = {"new_items": len(catalogue) - len(run.catalogue), "items": len(catalogue)}
    manifest.reports["refreshed"] = {**counts, "removed": removed}
    run.files.replace(manifest, recommender, catalogue=catalogue, pack=pack, neighbourhoods=read, removed=removed)
    return Run.load(run.folder, trust_code=run.trust_code)
