"""Reads a source once into numeric arrays: what there is to load, and its irregularities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.loading.source_names import NameCollector, RelationLabels
from kptoolkit.graph.sources.readable_ids import names_by_ids
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.names import INDEXED_BYTES, too_long_for_an_index
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.storage.batches import without_gc
from kptoolkit.storage.ragged import run_starts
from kptoolkit.storage.vocabulary import Vocabulary

_MIRRORED_SHARE = 0.5


@dataclass(frozen=True)
class Mirrored:
    """Two relations that are inverse to each other; one relation twice if it is symmetric.

    Attributes:
        relation: One relation id.
        inverse: The other.
        share: Share of the triples of the more frequent relation whose inverse the other relation states.
    """

    relation: str
    inverse: str
    share: float


@dataclass(frozen=True)
class SourceItem:
    """One item.

    Attributes:
        item_id: Its id.
        title: Its title, ``""`` when the source has none.
        entity: Number of its entity, -1 when it is not linked.
        first: Whether it is the first item of its entity.
    """

    item_id: str
    title: str
    entity: int
    first: bool


@dataclass(frozen=True, eq=False)
class Survey:
    """A source as numeric arrays.

    Attributes:
        entities: Ids of the N entities that occur in triples or links.
        names: Name of each entity, ``""`` when it has none; the title of its first item replaces its own name.
        relations: Ids of the R relations.
        head: ``(T,)`` int32 entity numbers; the T triples are distinct and sorted by head, relation, tail.
        relation: ``(T,)`` int32 relation numbers.
        tail: ``(T,)`` int32 entity numbers.
        items: The items.
        triples_read: Triples in the source, with repetitions.
        self_loops: Distinct triples with the same head and tail.
        repeated_links: Links of items that already have another link; only the first one counts.
        by_id: Numbers of the entities that are called by their ids, since the source names none but items.
        relation_labels: Label by relation, for relations that have one in the source.
        several_names: Entities with several names in one file, with the first name, which counts, and the next.
        several_titles: Items likewise.
        cleaned: Ids in triples that were cleaned of spaces, quotation marks, ``<>`` or ``.0``.
    """

    entities: list[str]
    names: list[str]
    relations: list[str]
    head: NDArray[np.int32]
    relation: NDArray[np.int32]
    tail: NDArray[np.int32]
    items: list[SourceItem]
    triples_read: int
    self_loops: int
    repeated_links: int
    by_id: frozenset[int] = frozenset()
    relation_labels: Mapping[str, str] = field(default_factory=dict)
    several_names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    several_titles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    cleaned: int = 0

    def __len__(self) -> int:
        return len(self.head)

    @property
    def named_by_id(self) -> bool:
        """Whether entities are called by their ids."""
        return bool(self.by_id)

    @property
    def degrees(self) -> NDArray[np.int64]:
        """``(N,)`` distinct triples of each entity; a self loop counts once."""
        loops = self.head == self.tail
        ends = np.concatenate([self.head, self.tail[~loops]])
        return np.bincount(ends, minlength=len(self.entities)).astype(np.int64)

    def relation_counts(self) -> dict[str, int]:
        """Return the number of distinct triples of each relation, the most frequent first."""
        counts = np.bincount(self.relation, minlength=len(self.relations))
        order = sorted(range(len(counts)), key=lambda index: (-counts[index], self.relations[index]))
        return {self.relations[index]: int(counts[index]) for index in order}

    def mirrored(self) -> list[Mirrored]:
        """Return the pairs of relations for most of whose triples the other relation states the inverse."""
        size = np.int64(max(len(self.entities), 1))
        forward = self.head.astype(np.int64) * size + self.tail
        proper = self.head != self.tail
        order = np.argsort(forward[proper], kind="stable")
        keys, relations = forward[proper][order], self.relation[proper][order]
        wanted = (self.tail.astype(np.int64) * size + self.head)[proper]
        begin, end = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        repeats = end - begin
        start = np.repeat(np.cumsum(repeats) - repeats, repeats)
        partners = relations[np.arange(repeats.sum()) - start + np.repeat(begin, repeats)]
        pairs = np.repeat(self.relation[proper].astype(np.int64), repeats) * len(self.relations) + partners
        totals = np.bincount(self.relation, minlength=len(self.relations))
        found = []
        for pair, count in zip(*np.unique(pairs, return_counts=True), strict=True):
            one, other = divmod(int(pair), len(self.relations))
            share = float(count / max(totals[one], totals[other]))
            if one <= other and share > _MIRRORED_SHARE:
                found.append(Mirrored(self.relations[one], self.relations[other], share))
        return sorted(found, key=lambda pair: (-pair.share, pair.relation))

    def digest(self) -> str:
        """Return the hash of everything that is loaded."""
        sha = hashlib.sha256()
        texts: Iterable[Sequence[str]] = (self.entities, self.names, self.relations)
        for column in (*texts, [f"{i.item_id}\x1f{i.title}\x1f{i.entity}" for i in self.items]):
            sha.update("\x1e".join(column).encode("utf-8", "surrogatepass") + b"\x1d")
        for array in (self.head, self.relation, self.tail):
            sha.update(array.tobytes())
        if self.relation_labels:
            sha.update(json.dumps(self.relation_labels, sort_keys=True).encode())
        return sha.hexdigest()


@without_gc()
def survey(source: TripleSource, progress: ProgressCallback = silent) -> Survey:
    """Read a source.

    Raises:
        DataError: A file is wrong, there are no triples, or an id is too long for an index.
    """
    entities, relations = Vocabulary(), Vocabulary()
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]] = []
    count = cleaned = 0
    for table in source.triples():
        parts.append((entities.add(table["head"]), relations.add(table["relation"]), entities.add(table["tail"])))
        count += len(table)
        cleaned += table.cleaned
        progress(ProgressEvent("read triples", count, None, "triples"))
    if not count:
        raise DataError("holds no triples; rows with a head, a relation and a tail are needed", source.label)
    progress(ProgressEvent("read triples", count, count, "triples"))
    head, relation, tail = _distinct(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    ambiguous = {relation for relation in relations if relation in entities}
    items, repeated, titles = _items(source, entities)
    _check_lengths(source.label, entities)
    found, labels = NameCollector(), RelationLabels(relations, ambiguous)
    for table in source.names():
        found.add(table["entity_id"], table["name"], table.path, entities)
        labels.add(table)
    names, by_id = _names(found, entities, items)
    _check_lengths(source.label, (item.item_id for item in items))
    return Survey(
        entities=list(entities),
        names=names,
        relations=list(relations),
        head=head,
        relation=relation,
        tail=tail,
        items=items,
        triples_read=count,
        self_loops=int((head == tail).sum()),
        repeated_links=repeated,
        by_id=by_id,
        relation_labels=labels.labels,
        several_names=found.several,
        several_titles=titles,
        cleaned=cleaned,
    )


def _check_lengths(label: str, ids: Iterable[str]) -> None:
    for text in ids:
        if size := too_long_for_an_index(text):
            raise DataError(
                f"the id '{shorten(text)}' has {size:,} bytes; an index takes {INDEXED_BYTES:,} bytes", label
            )


def _distinct(
    head: NDArray[np.int32], relation: NDArray[np.int32], tail: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    order = np.lexsort((tail, relation, head))
    head, relation, tail = head[order], relation[order], tail[order]
    distinct = run_starts(head, relation, tail)
    return head[distinct], relation[distinct], tail[distinct]


def _items(source: TripleSource, entities: Vocabulary) -> tuple[list[SourceItem], int, Mapping[str, tuple[str, str]]]:
    """Return the items, the number of repeated links, and the items with several titles."""
    ids, titles = dict[str, None](), NameCollector()
    for table in source.items():
        ids |= dict.fromkeys(table["item_id"])
        titles.add(table["item_id"], table.columns.get("title", [""] * len(table)))
    links: dict[str, str] = {}
    repeated = 0
    for table in source.links():
        for item_id, entity_id in zip(table["item_id"], table["entity_id"], strict=True):
            repeated += links.setdefault(item_id, entity_id) != entity_id
    ids |= dict.fromkeys(links)
    entities.add(links.values())
    taken: set[str] = set()
    items = []
    for item_id in ids:
        linked = links.get(item_id)
        number = -1 if linked is None else entities[linked]
        items.append(
            SourceItem(item_id, titles.names.get(item_id, ""), number, linked is not None and linked not in taken)
        )
        if linked is not None:
            taken.add(linked)
    return items, repeated, titles.several


def _names(found: NameCollector, entities: Vocabulary, items: Sequence[SourceItem]) -> tuple[list[str], frozenset[int]]:
    """Return the names of the entities, and the numbers of those that are called by their ids."""
    ids = list(entities)
    names = [found.names.get(entity, "") for entity in ids]
    by_id = names_by_ids(ids, names, {ids[item.entity] for item in items if item.entity >= 0})
    names = [name or new for name, new in zip(names, by_id, strict=True)]
    for item in items:
        if item.first and item.title:
            names[item.entity] = item.title
    return names, frozenset(number for number, name in enumerate(by_id) if name)
