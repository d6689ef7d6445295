"""Reads JSON: one object per item, whose values become triples by a mapping, or one object per triple."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import ConfigError, DataError, shorten
from kptoolkit.graph.sources.readable_ids import readable_name
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.limits import read_text
from kptoolkit.names import nearest
from kptoolkit.settings_base import read_toml
from kptoolkit.storage.columns import INTERACTION_COLUMNS, ITEM_COLUMNS, TRIPLE_COLUMNS, check_candidates, locate
from kptoolkit.storage.dialects import Reading, suffix_of
from kptoolkit.storage.layouts.json_rows import JSON_SUFFIXES, read_objects
from kptoolkit.storage.text_tables import Table
from kptoolkit.storage.values.cells import fault_of

#: Keys that become triples without a mapping file: those of Amazon 2014-2023, Steam, Yelp, Goodreads and DBLP.
VALUES: Mapping[str, str] = {
    "main_category": "main_category",
    "main_cat": "main_category",
    "categories": "category",
    "category": "category",
    "brand": "brand",
    "store": "store",
    "details.Brand": "brand",
    "genres": "genre",
    "tags": "tag",
    "developer": "developer",
    "publisher": "publisher",
    "author": "author",
    "authors.author_id": "author",
    "authors.name": "author",
    "state": "state",
    "city": "city",
    "venue.raw": "venue",
    "fos.name": "field_of_study",
    "keywords": "keyword",
    "authorships.author.display_name": "author",
    "authorships.institutions.display_name": "institution",
    "concepts.display_name": "concept",
    "topics.display_name": "topic",
    "primary_location.source.display_name": "venue",
}
#: Keys whose values are ids of other items.
OTHER_ITEMS: Mapping[str, str] = {
    "also_buy": "also_buy",
    "also_view": "also_view",
    "similar_books": "similar",
    "related.also_bought": "also_bought",
    "related.also_viewed": "also_viewed",
    "related.bought_together": "bought_together",
    "references": "cites",
    "referenced_works": "cites",
}
YELP_SPLIT = ", "
"""What separates the categories of a business in Yelp's files."""
#: Objects that are looked at to choose keys.
LOOKED_AT = 200


@dataclass(frozen=True)
class JsonMapping:
    """Which keys of an object are read, and as what. A dot in a key goes into an object: ``details.Brand``.

    Attributes:
        id: Key of the id of the item.
        name: Key of its name; ``""`` for none.
        relations: Key of the values by relation.
        items: Key of the ids of other items by relation.
        split: Separator of several values in a text; ``""`` leaves texts whole.
    """

    id: str
    name: str = ""
    relations: Mapping[str, str | list[str]] = field(default_factory=dict)
    items: Mapping[str, str | list[str]] = field(default_factory=dict)
    split: str = ""

    @classmethod
    def read(cls, path: Path) -> JsonMapping:
        """Read a mapping from a TOML file with the attributes as keys.

        Raises:
            ConfigError: The file cannot be read, or has other keys.
        """
        try:
            values = read_toml(read_text(path, pipes=True))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: no mapping that can be read: {shorten(str(error))}") from error
        tables = {"relations", "items"}
        wrong = [key for key, value in values.items() if not isinstance(value, dict if key in tables else str)] or [
            key for key in values if key not in cls.__dataclass_fields__
        ]
        if wrong or "id" not in values:
            said = f"{wrong[0]!r} is wrong" if wrong else "id is missing"
            raise ConfigError(f"{path}: {said}; a mapping has id, name, split, and the tables relations and items")
        return cls(**values)

    def said(self) -> str:
        """Return what is read as what."""
        facts = [f"{_keys_said(key)} as {name}" for name, key in {**self.relations, **self.items}.items()]
        return f"{self.id} as item, {f'{self.name} as name, ' if self.name else ''}triples: {', '.join(facts)}"


class JsonTriples(PathReader):
    """A file of triples in JSON, one object each, with keys such as ``subject``, ``predicate`` and ``object``."""

    label: ClassVar[str] = "JSON triples"

    @staticmethod
    def matches(one: dict[str, Any], reading: Reading) -> bool:
        """Return whether the first object of a file has keys for head, relation and tail."""
        return len(locate(list(one), reading.spellings(TRIPLE_COLUMNS))) == len(TRIPLE_COLUMNS)

    @property
    def said(self) -> str:
        """The layout and what is read."""
        return f"{self.label}: {', '.join(f'{key} as {name}' for name, key in self._keys.items())}"

    def triples(self) -> Iterator[Table]:
        """Yield the triples."""
        yield from tables_of(tuple(TRIPLE_COLUMNS), self._triples(), self.path)

    def _triples(self) -> Iterator[tuple[int, list[str]]]:
        for line, one in read_objects(self.path, self.bad_rows):
            yield line, [_first(one, key) for key in self._keys.values()]

    @cached_property
    def _keys(self) -> dict[str, str]:
        keys = list(next((one for _, one in read_objects(self.path)), {}))
        wanted = self.reading.spellings(TRIPLE_COLUMNS)
        check_candidates(keys, wanted, self.path)
        return {name: keys[at] for name, at in locate(keys, wanted).items()}


class JsonItems(PathReader):
    """A file of items in JSON; an item is the entity with its id, and ``RELATION:VALUE`` is the id of a value."""

    label: ClassVar[str] = "JSON items"
    mapping: JsonMapping
    without_values: Sequence[str] = ()

    @classmethod
    def of(cls, path: Path, reading: Reading, mapping: Path | None) -> JsonItems:
        """Choose the mapping of a file.

        Raises:
            ConfigError: The mapping file is wrong.
            DataError: The file has no items that are known; the message says what to give.
        """
        found = cls(path, reading=reading)
        found.mapping = JsonMapping.read(mapping) if mapping is not None else _chosen(path, reading)
        return found

    def check_mapping(self) -> None:
        """Look for a value at each key of the mapping, and note the keys without one for :meth:`warnings`.

        Raises:
            DataError: There is none for the item, or for all relations; with the nearest keys.
        """
        mapping = self.mapping
        keys = dict.fromkeys([mapping.id], "id") | {key: "name" for key in [mapping.name] if key}
        keys |= {key: name for name, found in {**mapping.relations, **mapping.items}.items() for key in _listed(found)}
        left, known = dict(keys), dict[str, None]()
        for number, (_, one) in enumerate(self.objects()):
            left = {key: role for key, role in left.items() if not any(_values(one, key, ""))}
            known |= dict.fromkeys(_deep_keys(one)) if number < LOOKED_AT else {}
            if not left:
                return
        self.without_values = [_no_value(key, role, known) for key, role in left.items()]
        facts = keys.keys() - {mapping.id, mapping.name}
        if mapping.id in left or (facts and facts <= left.keys()):
            raise DataError(f"{'; '.join(self.without_values)}; correct the mapping", self.path)

    def warnings(self) -> list[str]:
        """Return the keys of the mapping at which no object has a value."""
        return [f"{self.path.name}: {said}; correct the mapping" for said in self.without_values]

    @property
    def said(self) -> str:
        """The layout and what is read."""
        places = ", ".join(self._name_places())
        return f"{self.label}: {self.mapping.said()}{self._not_read}{f'; names in {places}' if places else ''}"

    def _name_places(self) -> list[str]:
        """Return where the names of ids are, for messages."""
        return [path.name for path in self.name_files]

    @cached_property
    def _not_read(self) -> str:
        """The keys that are not read, as part of a message."""
        read = self._used()
        objects = itertools.islice(self.objects(), LOOKED_AT)
        others = [key for key in _flat(objects) if not any(_overlap(key, one) for one in read)]
        return f"; not read: {shorten(', '.join(others), 200)}" if others else ""

    def _used(self) -> list[str]:
        """Return the keys that are read."""
        mapping, read = self.mapping, list[str]()
        for keys in (mapping.id, mapping.name, *mapping.relations.values(), *mapping.items.values()):
            read += _listed(keys)
        return read

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield line and content of each object."""
        yield from read_objects(self.path, self.bad_rows)

    def name_of(self, one: dict[str, Any], relation: str, value: str) -> str:
        """Return the name of a value of an object: an id has that in another file, else ``""``."""
        return self._listed.get(relation, {}).get(value, "") if relation in self._id_keys else self.readable(value)

    @staticmethod
    def readable(value: str) -> str:
        """Return the name that a value gives: itself, or what is readable in an IRI."""
        return readable_name(value) if is_iri(value) else value

    @cached_property
    def _id_keys(self) -> Mapping[str, str]:
        """The last part of the key by relation whose values are ids, such as ``author_id``."""
        last = {name: key.rpartition(".")[2] for name, key in self.mapping.relations.items() if isinstance(key, str)}
        return {name: key for name, key in last.items() if key.casefold().endswith("_id")}

    @cached_property
    def _name_files(self) -> Mapping[str, tuple[Path, str, str]]:
        """The files next to this one whose objects have such an id and a name, with both keys, by relation."""
        found: dict[str, tuple[Path, str, str]] = {}
        files = self.path.parent.iterdir() if self._id_keys else ()
        for path in sorted(path for path in files if suffix_of(path) in JSON_SUFFIXES and path != self.path):
            keys = _first_keys(path)
            name = next((key for key in ("name", "title", "label") if key in keys), "")
            wanted = (relation for relation, key in self._id_keys.items() if name and key in keys)
            found |= {one: (path, self._id_keys[one], name) for one in wanted if "user_id" not in keys}
        return found

    @property
    def name_files(self) -> list[Path]:
        """The files next to this one with names of values."""
        return list(dict.fromkeys(path for path, _, _ in self._name_files.values()))

    @cached_property
    def _listed(self) -> Mapping[str, Mapping[str, str]]:
        return {
            relation: {_first(one, key): _first(one, name) for _, one in read_objects(path, self.bad_rows)}
            for relation, (path, key, name) in self._name_files.items()
        }

    def triples(self) -> Iterator[Table]:
        """Yield one triple per value."""
        yield from self.counted(tables_of(("head", "relation", "tail"), self._triples(), self.path))

    def names(self) -> Iterator[Table]:
        """Yield the names of items and of values."""
        yield from tables_of(("entity_id", "name"), self._names(), self.path)

    def links(self) -> Iterator[Table]:
        """Yield each item as the entity with its id."""
        rows = ((line, (item, item)) for line, item, _ in self._objects())
        yield from tables_of(("item_id", "entity_id"), rows, self.path)

    def items(self) -> Iterator[Table]:
        """Yield the items with their titles."""
        rows = ((line, (item, _first(one, self.mapping.name))) for line, item, one in self._objects())
        yield from tables_of(("item_id", "title"), rows, self.path)

    def _objects(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for line, one in self.objects():
            item = _first(one, self.mapping.id)
            if not item:
                self.bad_rows.add(self.path, line, f"no {self.mapping.id}")
            elif (fault := fault_of("item_id", item)) is not None:
                self.bad_rows.add(self.path, line, fault)
            else:
                yield line, item, one

    def _facts(self) -> Iterator[tuple[int, str, str, str, str]]:
        """Yield line, item, relation, id and name of each value; the name of another item is ``""``."""
        for line, item, one in self._objects():
            for relation, keys in self.mapping.relations.items():
                for value in self.values(self.path, line, values_at(one, keys, self.mapping.split)):
                    yield line, item, relation, value_id(relation, value), self.name_of(one, relation, value)
            for relation, keys in self.mapping.items.items():
                for value in dict.fromkeys(values_at(one, keys, "")):
                    yield line, item, relation, value, ""

    def _triples(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        for line, item, relation, tail, _ in self._facts():
            yield line, (item, relation, tail)

    def _names(self) -> Iterator[tuple[int, tuple[str, str]]]:
        seen = set[str]()
        for line, _, _, tail, name in self._facts():
            if name and tail not in seen:
                seen.add(tail)
                yield line, (tail, name)
        if self.mapping.name:
            for line, item, one in self._objects():
                if title := _first(one, self.mapping.name):
                    yield line, (item, title)


def _chosen(path: Path, reading: Reading) -> JsonMapping:
    """Return the mapping by the keys that are known.

    Raises:
        DataError: There are none.
    """
    objects = [one for _, one in itertools.islice(read_objects(path), LOOKED_AT)]
    keys = list(dict.fromkeys(key for one in objects for key in one))
    at = locate(keys, reading.spellings({name: ITEM_COLUMNS[name] for name in ("item_id", "title")}, usual_too=True))
    relations, items = (_known(objects, known) for known in (VALUES, OTHER_ITEMS))
    if locate(keys, {"user_id": INTERACTION_COLUMNS["user_id"]}) and "item_id" in at:
        said = f"has events (keys: {shorten(', '.join(keys), 300)}), not triples"
        raise DataError(f"{said}; give it as data.dir (kptool fit --data)", path)
    if "item_id" not in at or not (relations or items):
        what = "an item" if "item_id" not in at else "values that become triples"
        said = f"no keys for {what} are known (keys: {shorten(', '.join(keys), 300)})"
        raise DataError(f"{said}; write a mapping file with id, name and [relations], and give it with --mapping", path)
    name = keys[at["title"]] if "title" in at else ""
    item = keys[at["item_id"]]
    split = reading.split or (YELP_SPLIT if item == "business_id" else "")
    return JsonMapping(item, name, relations, items, split)


def is_iri(value: str) -> bool:
    """Return whether a value is an IRI, which is an id of its own."""
    return "://" in value and " " not in value


def value_id(relation: str, value: str) -> str:
    """Return the id of the entity of a value: ``RELATION:VALUE``, or an IRI as it is."""
    return value if is_iri(value) else f"{relation}:{value}"


def _first_keys(path: Path) -> list[str]:
    try:
        return next((list(one) for _, one in read_objects(path)), [])
    except DataError:
        return []


def _listed(keys: str | list[str]) -> list[str]:
    return [keys] if isinstance(keys, str) else keys


def _no_value(key: str, role: str, known: Iterable[str]) -> str:
    """Return that no object has a value at a key of a mapping, with the keys that are most like it."""
    near = nearest(key, known)
    return f"no value at {shorten(key)} ({shorten(role)})" + f"; nearest keys: {', '.join(near)}" * bool(near)


def _deep_keys(one: Any, prefix: str = "") -> Iterator[str]:
    """Yield the keys of an object, and with a dot those of the objects in it and in its lists."""
    for each in one if isinstance(one, list) else [one]:
        if isinstance(each, dict):
            for key, value in each.items():
                yield f"{prefix}{key}"
                yield from _deep_keys(value, f"{prefix}{key}.")


def _overlap(key: str, read: str) -> bool:
    return key == read or key.startswith(f"{read}.") or read.startswith(f"{key}.")


def _flat(objects: Iterable[tuple[int, dict[str, Any]]]) -> list[str]:
    """Return the keys of objects and of the objects in them, with a dot between."""
    found: dict[str, None] = {}
    for _, one in objects:
        for key, value in one.items():
            inner = [f"{key}.{other}" for other in value] if isinstance(value, dict) else []
            found |= dict.fromkeys(inner or [key])
    return list(found)


def _known(objects: list[dict[str, Any]], known: Mapping[str, str]) -> dict[str, str | list[str]]:
    """Return the keys of each relation that some of these objects have."""
    found: dict[str, list[str]] = {}
    for key, relation in known.items():
        if any(any(_values(one, key, "")) for one in objects):
            found.setdefault(relation, []).append(key)
    return {relation: keys[0] if len(keys) == 1 else keys for relation, keys in found.items()}


def _keys_said(keys: str | list[str]) -> str:
    return keys if isinstance(keys, str) else " and ".join(keys)


def values_at(one: dict[str, Any], keys: str | list[str], split: str) -> Iterator[str]:
    """Yield the values at some keys of an object; ``split`` divides texts."""
    for key in [keys] if isinstance(keys, str) else keys:
        yield from _values(one, key, split)


def _values(one: Any, key: str, split: str) -> Iterator[str]:
    """Yield the texts, numbers and truth values at a key, also those in lists."""
    if key:
        first, _, rest = key.partition(".")
        for each in one if isinstance(one, list) else [one]:
            if isinstance(each, dict):
                yield from _values(each.get(first), rest, split)
        return
    if isinstance(one, list):
        for each in one:
            yield from _values(each, "", split)
    elif isinstance(one, str):
        yield from (text for text in (one.split(split) if split else [one]) if text.strip())
    elif isinstance(one, bool):
        yield "true" if one else "false"
    elif isinstance(one, int | float):
        yield str(one)


def _first(one: dict[str, Any], key: str) -> str:
    return next(_values(one, key, ""), "") if key else ""
