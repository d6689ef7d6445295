"""Reads the inputs of a training: interactions, split, catalogue, and the knowledge of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.arguments import Moment
from kptoolkit.config import GRAPH_DATA, Config, DataConfig
from kptoolkit.data.catalogue import Catalogue, ItemRows, find_items
from kptoolkit.data.event_files import reading_of
from kptoolkit.data.graph_events import graph_interactions
from kptoolkit.data.interactions import Interactions, notice_of, read_interactions
from kptoolkit.data.splits import Split, make_split
from kptoolkit.errors import ConfigError, DataError, shorten
from kptoolkit.graph import Graph
from kptoolkit.knowledge.engines.ray_engine import check_ray
from kptoolkit.knowledge.hidden_events import hidden_events
from kptoolkit.knowledge.knowledge_gaps import item_id_advice, knowledge_gaps, names_note
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import TemplatePack, choose_pack
from kptoolkit.prompts.pack_choice import AUTO
from kptoolkit.prompts.pack_hash import text_hash
from kptoolkit.resources import Trust
from kptoolkit.storage.dialects import Reading
from kptoolkit.tree.ranked_rows import ranking_named

_FEW_OWN = 0.5
"""Share of triples with sentences of their own below which the fallback sentence is reported."""


@dataclass(frozen=True)
class Prepared:
    """The inputs of a training.

    Attributes:
        config: Settings.
        interactions: All events.
        split: Training histories, validation and test cases.
        catalogue: The items; its first rows are the items of the interactions.
        knowledge: Selects triples and renders their prompts on demand.
        graph_fingerprint: Fingerprint of the graph at the time of reading.
    """

    config: Config
    interactions: Interactions
    split: Split
    catalogue: Catalogue
    knowledge: KnowledgeSource
    graph_fingerprint: str

    @property
    def fingerprints(self) -> dict[str, str]:
        """Hashes of the graph and of everything that a training reads, by name."""
        knowledge = self.knowledge
        return {
            "graph": self.graph_fingerprint,
            "neighbourhoods": knowledge.neighbourhoods.content_hash,
            "interactions": self.interactions.content_hash(),
            "catalogue": self.catalogue.content_hash(),
            "pack": text_hash(knowledge.pack),
        }


def as_read(prepared: Prepared) -> Prepared:
    """Return the inputs as they are."""
    return prepared


def prepare(
    config: Config,
    *,
    pack: TemplatePack | None = None,
    graph: Graph | None = None,
    since: Moment = math.inf,
    fresh: bool = False,
    trust_code: Trust = False,
    progress: ProgressCallback = silent,
) -> Prepared:
    """Read the interactions and the graph, and prepare the inputs of a training.

    Args:
        config: Settings.
        pack: Template pack to use instead of ``[prompts] pack``.
        graph: An open graph, instead of ``[graph]``; it stays open.
        since: Use cached neighbourhoods that were fetched at this time, in seconds since the epoch, or later; by
            default the graph is always read.
        fresh: Render and tokenize prompts again, although they are cached.
        trust_code: As for :meth:`TemplatePack.load`.
        progress: Progress callback.

    Raises:
        MissingExtraError: ``prompts.engine`` is ``ray``, and Ray is not installed.
        UnknownNameError: There is no such pack, or the pack has no such MPP template.
    """
    data = data_dir(config)
    if config.prompts.engine == "ray":
        check_ray()
    # Files and names are checked before a graph is started.
    named = pack or _named_pack(config, trust_code)
    _check_mpp(config, named)
    ranking_named(config.tree.ranking)
    read = None if data == GRAPH_DATA else _split(_read_files(data, config, progress), config)
    with _opened(config, graph) as opened:
        interactions, split = read or _split(graph_interactions(opened)[0], config)
        items = opened.items()
        catalogue = read_catalogue(interactions, data, items, reading_of(config.data))
        counts = opened.relation_counts()
        chosen = named or choose_pack(AUTO, lambda: counts, trust_code=trust_code)
        chosen = chosen.with_labels(opened.relation_labels())
        _check_mpp(config, chosen)
        _note_fallback(chosen, counts, progress)
        knowledge = fetch_knowledge(config, opened, catalogue, chosen, since=since, fresh=fresh, progress=progress)
        _check_knowledge(knowledge, interactions, items, progress)
        return Prepared(config, interactions, split, catalogue, knowledge, opened.fingerprint())


def _check_knowledge(
    knowledge: KnowledgeSource, interactions: Interactions, items: ItemRows, progress: ProgressCallback
) -> None:
    """Report items without knowledge, and relations that state the interactions.

    Raises:
        DataError: Every triple is left out because its far end has no name.
    """
    if not knowledge.tree.degree:
        return
    gaps = knowledge_gaps(knowledge, interactions.n_items, items)
    gaps.require()
    notes = [gaps.note, names_note(knowledge.neighbourhoods)]
    notes += (found.note for found in hidden_events(knowledge.neighbourhoods, interactions))
    for note in filter(None, notes):
        progress(ProgressEvent("knowledge", 0, note=note))


def _read_files(data: Path, config: Config, progress: ProgressCallback) -> Interactions:
    """Read the interactions of files, and report the layout that was recognized."""
    interactions, report = read_interactions(data, reading_of(config.data))
    if report.layout:
        progress(
            ProgressEvent("read interactions", len(interactions), note=f"recognized {shorten(report.layout, 600)}")
        )
    return interactions


def _named_pack(config: Config, trust_code: Trust) -> TemplatePack | None:
    """The pack that the settings name; ``None`` if the graph decides."""
    name = config.prompts.pack
    return None if name == AUTO else TemplatePack.load(name, trust_code=trust_code)


def _note_fallback(pack: TemplatePack, counts: Mapping[str, int], progress: ProgressCallback) -> None:
    """Report that the fallback sentence is used for most relations or triples of the graph."""
    covered = pack.coverage(counts)
    missing, relations = len(covered.fallbacks), len(covered.rows)
    if 2 * missing > relations or covered.share_of_triples < _FEW_OWN:
        note = (
            f"{pack.name} has no sentences for {missing:,} of {quantity(relations, 'relations')}, which use the "
            "fallback sentence; `kptool templates coverage` lists them, `kptool templates new` drafts sentences"
        )
        progress(ProgressEvent("template pack", 1, 1, "packs", note=note))


def _check_mpp(config: Config, pack: TemplatePack | None) -> None:
    """Check that a pack has the MPP template of the settings."""
    if pack is not None and config.prompts.mpp is not None:
        pack.mpp_template(config.prompts.mpp)


def data_dir(config: Config) -> Path:
    """Return ``[data] dir``.

    Raises:
        ConfigError: It is not set, or ``[data] min_rating`` is set although the interactions are those of the graph.
    """
    if config.data.dir is None:
        raise ConfigError("no interactions given: set data.dir in kptool.toml or pass --data DIR")
    if config.data.dir == GRAPH_DATA and config.data.min_rating is not None:
        said = "data.min_rating is for interactions of files; for those of a graph give it to load-kg --interactions"
        raise ConfigError(f"{said}, or write it into interactions.cypher")
    return config.data.dir


def read_events(data: Path, graph: Graph, reading: Reading | None = None) -> Interactions:
    """Read the interactions of a folder or a file, or of ``graph`` if ``data`` is ``graph:``.

    Args:
        data: The folder or file.
        graph: The graph.
        reading: Columns and encoding, where the file does not tell them.

    Raises:
        DataError: There are no usable interactions.
    """
    return (graph_interactions(graph) if data == GRAPH_DATA else read_interactions(data, reading))[0]


def read_catalogue(
    interactions: Interactions, data: Path, items: ItemRows, reading: Reading | None = None
) -> Catalogue:
    """Build the catalogue: items of the interactions, and of the item file, or of the graph for ``graph:``."""
    catalogue = Catalogue.build(interactions, find_items(data), items, reading)
    return catalogue.extended(items) if data == GRAPH_DATA else catalogue


def split_of(interactions: Interactions, settings: DataConfig) -> Split:
    """Split interactions by the settings of ``[data]``."""
    return make_split(
        interactions,
        settings.split,
        min_events=settings.min_events,
        valid_fraction=settings.valid_fraction,
        test_fraction=settings.test_fraction,
    )


def fetch_knowledge(
    config: Config,
    graph: Graph,
    catalogue: Catalogue,
    pack: TemplatePack,
    *,
    since: Moment = math.inf,
    fresh: bool = False,
    progress: ProgressCallback = silent,
) -> KnowledgeSource:
    """Read the neighbourhoods of the whole catalogue, with one query per hop.

    ``since`` and ``fresh`` are those of :func:`prepare`.

    Raises:
        DataError: No item of the catalogue is linked to the graph.
    """
    linked = np.flatnonzero(catalogue.linked)
    if not len(linked):
        raise DataError(
            "no item of the interactions is linked to the graph; load the graph with its links "
            "(kptool load-kg SOURCE --link FILE) and check that item ids agree"
            + item_id_advice(catalogue, len(catalogue), graph.items().item_id)
        )
    ids = [str(entity) for entity in catalogue.entity_ids[linked]]
    found = graph.neighbourhoods(ids, config.tree.hops, cache=config.graph.cache, since=since, progress=progress)
    roots = np.full(len(catalogue), -1, dtype=np.int32)
    roots[linked] = found.roots
    return KnowledgeSource(
        replace(found, roots=roots),
        catalogue,
        pack,
        config.tree,
        config.prompts,
        config.graph.max_degree,
        cache=config.prompts.cache,
        fresh=fresh,
        progress=progress,
    )


def input_reports(prepared: Prepared) -> dict[str, Any]:
    """Count the inputs of a training: data and knowledge; with the notice of the data."""
    return {
        "data": prepared.split.report.to_json(),
        "notice": notice_of(data_dir(prepared.config)),
        "knowledge": knowledge_report(prepared.knowledge, prepared.interactions.n_items),
    }


def knowledge_report(source: KnowledgeSource, with_events: int | None = None) -> dict[str, Any]:
    """Count the knowledge of a catalogue: items with triples, triples per item, what was left out.

    Args:
        source: The knowledge.
        with_events: Number of items with events, which are the first of the catalogue; ``None`` does not count them.
    """
    trees = source.trees(0)
    sizes = np.diff(trees.indptr)
    return {
        "pack": source.pack.name,
        "items": len(source.catalogue),
        "linked_items": int(source.catalogue.linked.sum()),
        "items_with_triples": int((sizes > 0).sum()),
        **({} if with_events is None else _of_events(sizes, with_events)),
        "triples_per_item": float(sizes.mean()) if len(sizes) else 0.0,
        "left_out_nameless": source.nameless,
        "distinct_prompts": len(source.pool),
        "entities": len(source.neighbourhoods),
        "rows_beyond_cap": source.neighbourhoods.truncated,
    }


def _of_events(sizes: NDArray[np.int64], with_events: int) -> dict[str, int]:
    return {
        "items_with_events": with_events,
        "items_with_events_and_triples": int((sizes[:with_events] > 0).sum()),
    }


def _split(interactions: Interactions, config: Config) -> tuple[Interactions, Split]:
    return interactions, split_of(interactions, config.data)


@contextmanager
def _opened(config: Config, graph: Graph | None) -> Iterator[Graph]:
    if graph is not None:
        yield graph
        return
    with Graph.open(config=config.graph, create=False) as opened:
        yield opened
