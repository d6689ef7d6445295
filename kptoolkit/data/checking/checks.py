"""Checks a data folder for problems before a model is trained on it, and counts its contents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.checking.event_checks import REPEATS, check_events
from kptoolkit.data.checking.finding import Finding, examples
from kptoolkit.data.checking.value_checks import check_files, check_several, check_source, check_values
from kptoolkit.data.data_folder import DataFolder, Triples
from kptoolkit.errors import shorten
from kptoolkit.graph.sources.readable_ids import names_by_ids
from kptoolkit.names import quantity
from kptoolkit.prompts import EqualFacts, choose_pack, equal_facts
from kptoolkit.prompts.pack_choice import AUTO
from kptoolkit.resources import Trust
from kptoolkit.storage.values.id_rules import Proposal, other_form, propose

_FEWEST_PAIRS = 10


def check(data: str | Path | DataFolder, pack: str = AUTO, *, trust_code: Trust = False) -> list[Finding]:
    """Check a data folder; returns findings, the most severe first.

    Args:
        data: Folder, an interactions file in its folder, or a folder that is already read.
        pack: Template pack as in ``prompts.pack``. What it already says about relations is no finding.
        trust_code: As for :meth:`TemplatePack.load`.

    Raises:
        DataError: There is nothing to read, or a file is wrong; with file and line.
    """
    folder = data if isinstance(data, DataFolder) else DataFolder.read(data)
    findings = [*check_events(folder), *_check_items(folder), *_check_links(folder), *check_values(folder)]
    findings += [*_check_item_ids(folder), *check_source(folder), *check_several(folder), check_files(folder)]
    if folder.triples is not None:
        findings += [_check_names(folder, folder.triples), *_check_triples(folder.triples, pack, trust_code)]
    order = ("error", "warning", "note")
    return sorted((finding for finding in findings if finding.count), key=lambda finding: order.index(finding.level))


def stats(data: str | Path | DataFolder) -> dict[str, int | float]:
    """Count users, items, events and triples of a data folder, by name in the order of display.

    Args:
        data: Folder, an interactions file in its folder, or a folder that is already read.

    Raises:
        DataError: There is nothing to read, or a file is wrong; with file and line.
    """
    folder = data if isinstance(data, DataFolder) else DataFolder.read(data)
    values: dict[str, int | float] = {}
    if (found := folder.interactions) is not None:
        values |= {"users": found.n_users, "items with events": found.n_items, "events": len(found)}
        values["density"] = len(found) / (found.n_users * found.n_items)
        values |= _quantiles("events per user", np.bincount(found.user, minlength=found.n_users))
        values |= _quantiles("events per item", np.bincount(found.item, minlength=found.n_items))
    if len(folder.catalogue):
        values["catalogue items"] = len(folder.catalogue)
    if folder.links is not None and len(folder.catalogue):
        linked = folder.links["item_id"].isin(folder.catalogue)
        values["linked items"] = int(folder.links.loc[linked, "item_id"].nunique())
    if (triples := folder.triples) is not None:
        values |= {"triples": len(triples.head), "relations": len(triples.relations)}
        values["entities"] = len(triples.entities)
        if folder.names is not None:
            values["named entities"] = int(_within(triples.entities, _named(folder.names)).sum())
        if folder.links is not None and len(folder.catalogue):
            values |= _quantiles("triples per item", _triples_per_item(folder, triples))
    return {**values, **folder.sizes}


def _quantiles(name: str, counts: NDArray[np.int64]) -> dict[str, int | float]:
    if not len(counts):
        return {}
    low, median, high = np.quantile(counts, [0.1, 0.5, 0.9])
    return {
        f"{name}, fewest": int(counts.min()),
        f"{name}, 10 %": float(low),
        f"{name}, median": float(median),
        f"{name}, mean": float(counts.mean()),
        f"{name}, 90 %": float(high),
        f"{name}, most": int(counts.max()),
    }


def _check_items(folder: DataFolder) -> list[Finding]:
    if folder.items is None:
        advice = "add a .item file with item_id and title, or load titles into the graph"
        return [Finding("note", "no item file: items have no titles here", 1, advice)]
    ids = folder.items.strings("item_id")
    titles = folder.items.columns.get("title", np.full(len(ids), "", dtype=object))
    frame = pd.DataFrame({"item_id": ids, "title": titles}, dtype=object)
    repeated = frame["item_id"].duplicated()
    titled = frame[frame["title"].str.strip() != ""].drop_duplicates("item_id")
    untitled = folder.catalogue[~_within(folder.catalogue, titled["item_id"])]
    folded = titled["title"].str.strip().str.casefold()
    shared = titled["title"][folded.duplicated(keep=False)]
    names = int(folded[folded.duplicated(keep=False)].nunique())
    return [
        Finding(
            "warning", "rows of the item file that repeat an item id", int(repeated.sum()), "the first title stays"
        ),
        Finding(
            "warning",
            "items without a title",
            len(untitled),
            "prompts name them by their id; add titles",
            len(untitled) / len(folder.catalogue),
            examples(untitled),
        ),
        Finding(
            "note",
            f"items that share their title with another ({quantity(names, 'titles')})",
            len(shared),
            "a name alone does not find them: use item ids; a text model cannot tell them apart",
            len(shared) / len(folder.catalogue),
            examples(shared.drop_duplicates()),
        ),
    ]


def _check_item_ids(folder: DataFolder) -> list[Finding]:
    """Compare the items of events with those of the item file and of the links."""
    listed = [] if folder.items is None else folder.items.strings("item_id").tolist()
    listed += [] if folder.links is None else folder.links["item_id"].tolist()
    events = [] if folder.interactions is None else folder.interactions.item_ids.tolist()
    found = other_form(listed, events)
    if found is None:
        return []
    before, after = found.example
    return [
        Finding(
            "warning",
            "items of events whose id is written in another form in the item file or the links",
            found.matched,
            f"they have neither title nor knowledge; {_rules_said('--item-ids', found)}",
            found.matched / len(events),
            (f"{shorten(after)} and {shorten(before)}",),
        )
    ]


def _check_links(folder: DataFolder) -> list[Finding]:
    if folder.links is None:
        if folder.triples is None:
            return []
        return [Finding("warning", "no .link file: no item has knowledge", 1, "add one with item_id and entity_id")]
    links = folder.links.drop_duplicates()
    unlinked = folder.catalogue[~_within(folder.catalogue, links["item_id"])]
    twice = links["item_id"][links["item_id"].duplicated()]
    shared = links["entity_id"][links["entity_id"].duplicated()]
    strange = (
        links["item_id"][~links["item_id"].isin(folder.catalogue)] if len(folder.catalogue) else links["item_id"][:0]
    )
    return [
        Finding(
            "warning" if len(unlinked) > 0.1 * len(folder.catalogue) else "note",
            "items without a link to the graph",
            len(unlinked),
            "they are ranked without knowledge",
            len(unlinked) / max(len(folder.catalogue), 1),
            examples(unlinked),
        ),
        Finding(
            "warning", "links that give an item a second entity", len(twice), "the first stays", None, examples(twice)
        ),
        Finding(
            "note",
            f"links to an entity that an earlier item has already ({quantity(shared.nunique(), 'entities')})",
            len(shared),
            "these items stay apart and have the same knowledge",
            len(shared) / max(len(links), 1),
            examples(shared.drop_duplicates()),
        ),
        Finding(
            "warning",
            "links of items that are not in the catalogue",
            len(strange),
            "unused; when there are many, the link file belongs to another data set"
            + _rules_advice("--item-ids", strange, unlinked),
            len(strange) / max(len(links), 1),
            examples(strange),
        ),
        *_unknown_entities(folder, links["entity_id"]),
    ]


def _unknown_entities(folder: DataFolder, linked: pd.Series[Any]) -> list[Finding]:
    known = [] if folder.names is None else [folder.names["entity_id"].to_numpy(dtype=object)]
    known += [] if folder.triples is None else [folder.triples.entities]
    if not known:
        return []
    unknown = linked[~linked.isin(np.concatenate(known))]
    findings = [
        Finding(
            "warning",
            "links to entities that are in no .ent and no .kg file",
            len(unknown),
            "these items have no knowledge; compare the spelling of entity ids"
            + ("" if folder.triples is None else _rules_advice("--link-ids", unknown, folder.triples.entities)),
            len(unknown) / max(len(linked), 1),
            examples(unknown),
        )
    ]
    if folder.triples is not None:
        bare = linked[~linked.isin(folder.triples.entities) & ~linked.isin(unknown)]
        advice = "these items have no knowledge"
        share = len(bare) / max(len(linked), 1)
        findings.append(Finding("note", "links to entities without a triple", len(bare), advice, share, examples(bare)))
    return findings


def _rules_advice(option: str, ids: Iterable[str], known: Iterable[str]) -> str:
    """Return the option of ``load-kg`` with which some ids become known ones, ``""`` if there is none."""
    found = propose(ids, set(known))
    return "" if found is None else f"; {_rules_said(option, found)}"


def _rules_said(option: str, found: Proposal) -> str:
    more = " --interactions" if found.rules.compare and option == "--item-ids" else ""
    return f"kptool load-kg SOURCE {option} '{found.rules}'{more} makes {found.matched:,} match"


def _check_names(folder: DataFolder, triples: Triples) -> Finding:
    named = np.array([], dtype=object) if folder.names is None else _named(folder.names)
    known = _within(triples.entities, named)
    ids, items = triples.entities.tolist(), set() if folder.links is None else set(folder.links["entity_id"])
    by_id = names_by_ids(ids, [one if is_named else "" for one, is_named in zip(ids, known, strict=True)], items)
    known |= np.array([bool(name) for name in by_id], dtype=bool) | _within(
        triples.entities, _entities_of_titles(folder)
    )
    nameless = triples.entities[~known]
    return Finding(
        "warning",
        "entities of triples without a name",
        len(nameless),
        "triples that end in one are left out of prompts; add names or set prompts.keep_nameless=true",
        len(nameless) / max(len(triples.entities), 1),
        examples(nameless),
    )


def _entities_of_titles(folder: DataFolder) -> list[str]:
    """Return the entities of the items with a title, which is their name."""
    if folder.items is None or folder.links is None or "title" not in folder.items.columns:
        return []
    pairs = zip(folder.items.columns["item_id"], folder.items.columns["title"], strict=True)
    titled = {item for item, title in pairs if str(title).strip()}
    return folder.links["entity_id"][folder.links["item_id"].isin(titled)].tolist()


def _named(names: pd.DataFrame) -> NDArray[Any]:
    return names["entity_id"][names["name"].str.strip() != ""].to_numpy(dtype=object)


def _check_triples(triples: Triples, pack: str, trust_code: Trust) -> list[Finding]:
    rows = len(triples.head)
    duplicates = rows - int(triples.sizes.sum())
    loops = triples.head == triples.tail
    counts = dict(zip(map(str, triples.relations), triples.sizes.tolist(), strict=True))
    chosen = choose_pack(pack, lambda: counts, trust_code=trust_code)
    known = equal_facts(chosen, list(counts))
    repeated, mirrored, symmetric = _related(triples, known)
    return [
        Finding("note", "triples given more than once", duplicates, "loaded once", duplicates / max(rows, 1)),
        Finding(
            "note",
            "triples from an entity to itself",
            int(loops.sum()),
            "they say nothing in a prompt; leave them out of the file",
            int(loops.sum()) / max(rows, 1),
            examples(triples.entities[triples.head[loops]]),
        ),
        Finding(
            "warning",
            "relations that repeat the pairs of another",
            len(repeated),
            "the same fact fills an item's budget twice; load one of them, or alias one to the other in the pack",
            None,
            tuple(repeated),
        ),
        Finding(
            "note",
            "relations that are another one read backwards",
            len(mirrored),
            "list them under mirrored in pack.yaml, so that a prompt says each fact once",
            None,
            tuple(mirrored),
        ),
        Finding(
            "note",
            "relations that hold in both directions",
            len(symmetric),
            "each fact may be there twice; list the relation under mirrored in pack.yaml with itself",
            None,
            tuple(symmetric),
        ),
    ]


def _related(triples: Triples, known: EqualFacts) -> tuple[list[str], list[str], list[str]]:
    """Relations that repeat another one, mirror another one, or mirror themselves, each with its share of pairs.

    Pairs that are ``known`` to state the same fact are left out.
    """
    n_relations = len(triples.relations)
    codes, numbers = np.unique(np.concatenate([triples.pairs, triples.reversed_pairs]), return_inverse=True)
    rows = len(triples.pairs)
    shape = (n_relations, len(codes))

    def matrix(columns: NDArray[np.int64]) -> Any:
        found = sp.csr_matrix((np.ones(rows, dtype=np.int64), (triples.relation, columns)), shape=shape)
        found.data[:] = 1
        return found

    forward, backward = matrix(numbers[:rows]), matrix(numbers[rows:])
    ids = list(map(str, triples.relations))
    same, swapped = ({frozenset(pair) for pair in pairs} for pairs in (known.repeated, known.mirrored))

    def new(shared: Any, pairs: set[frozenset[str]]) -> list[tuple[int, int, float]]:
        found = _overlaps(shared, triples.sizes)
        return [(a, b, share) for a, b, share in found if frozenset((ids[a], ids[b])) not in pairs]

    repeated = [(a, b, share) for a, b, share in new(forward @ forward.T, same) if a != b]
    mirrored = new(forward @ backward.T, swapped)

    def lines(found: Iterable[tuple[int, int, float]], word: str) -> list[str]:
        return [f"{shorten(ids[a])} {word} {shorten(ids[b])} ({share:.0%} of its pairs)" for a, b, share in found]

    both_ways = [f"{shorten(ids[a])} ({s:.0%} of its pairs)" for a, b, s in mirrored if a == b]
    one_way = [(a, b, s) for a, b, s in mirrored if a != b]
    return lines(_once(repeated), "repeats"), lines(_once(one_way), "mirrors"), both_ways


def _overlaps(shared: Any, sizes: NDArray[np.int64]) -> Iterable[tuple[int, int, float]]:
    """Yield relations ``a`` and ``b`` where ``b`` has most pairs of ``a``, and the share."""
    found = shared.tocoo()
    for a, b, count in zip(found.row.tolist(), found.col.tolist(), found.data.tolist(), strict=True):
        if sizes[a] >= _FEWEST_PAIRS and count >= REPEATS * sizes[a]:
            yield a, b, count / int(sizes[a])


def _once(found: Sequence[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Each unordered pair of relations once, in the direction with the larger share."""
    best: dict[frozenset[int], tuple[int, int, float]] = {}
    for a, b, share in sorted(found, key=lambda entry: (-entry[2], entry[:2])):
        best.setdefault(frozenset((a, b)), (a, b, share))
    return sorted(best.values())


def _triples_per_item(folder: DataFolder, triples: Triples) -> NDArray[np.int64]:
    """Number of triples with each catalogue item's entity; 0 for an unlinked item."""
    degrees = np.bincount(triples.head, minlength=len(triples.entities))
    degrees += np.bincount(triples.tail, minlength=len(triples.entities))
    assert folder.links is not None
    links = folder.links.drop_duplicates("item_id").set_index("item_id")["entity_id"]
    entity = pd.Index(triples.entities).get_indexer(links.reindex(folder.catalogue).to_numpy(dtype=object))
    return np.where(entity >= 0, degrees[np.maximum(entity, 0)], 0) if len(degrees) else np.zeros(0, np.int64)


def _within(ids: NDArray[Any], known: Iterable[Any]) -> NDArray[np.bool_]:
    """``(N,)`` whether each id is known. It hashes, because ``numpy.isin`` compares objects pair by pair."""
    return np.asarray(pd.Index(ids, dtype=object).isin(list(known)), dtype=bool)
