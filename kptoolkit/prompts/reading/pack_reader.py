"""Reads the YAML files of a pack into checked values and collects all mistakes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kptoolkit.errors import TemplateError, shorten
from kptoolkit.names import LIKELY, nearest, quantity
from kptoolkit.prompts.reading.filters import import_filter
from kptoolkit.prompts.reading.pack_sources import declared_filters
from kptoolkit.prompts.reading.yaml_files import read_yaml
from kptoolkit.prompts.templating.findings import Finding, Place
from kptoolkit.prompts.templating.mpp import FILE as MPP_FILE
from kptoolkit.prompts.templating.mpp import SPLITS, MppTemplate, Slot, mpp_parts
from kptoolkit.prompts.templating.relations import FALLBACK, NEUTRAL, RelationTemplates
from kptoolkit.prompts.templating.sandbox import Filter, PromptEnvironment
from kptoolkit.prompts.templating.triplet_sentences import FALLBACK_VARIABLES, VARIABLES
from kptoolkit.resources import TRUST_FIX, Trust, may_run

PACK_FILE, RELATIONS_FILE = "pack.yaml", "relations.yaml"
_TEXTS = ("name", "domain", "language", "description")
_PACK_KEYS = (*_TEXTS, "aliases", "labels", "graph_labels", "mirrored", "fallback", "neutral", "filters")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_DIRECTIONS = ("forward", "inverse")
_SEPARATORS = ("separator", "last_separator")
_MPP_KEYS = ("id", "split", "text", *_SEPARATORS)


@dataclass
class PackParts:
    """The values of a pack; the arguments of :class:`~kptoolkit.prompts.TemplatePack`."""

    name: str
    domain: str = ""
    language: str = "en"
    description: str = ""
    relations: dict[str, RelationTemplates] = field(default_factory=dict)
    mpp: tuple[MppTemplate, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    graph_labels: dict[str, str] = field(default_factory=dict)
    mirrored: tuple[tuple[str, str], ...] = ()
    fallback: RelationTemplates = FALLBACK
    neutral: RelationTemplates = NEUTRAL
    filters: dict[str, Filter] = field(default_factory=dict)
    separator: str = ", "
    last_separator: str = " and "
    environment: PromptEnvironment = field(default_factory=PromptEnvironment)


def read_parts(folder: Path, *, trust_code: Trust = False) -> tuple[PackParts, list[Finding]]:
    """Read and check a pack's folder.

    Args:
        folder: The folder.
        trust_code: Whether to import all filters that its ``pack.yaml`` names, instead of those alone that a shipped
            pack or a pack of an installed package names too.

    Returns:
        The values, and all mistakes. The values are complete only if no mistake is fatal.
    """
    reader = _Reader(folder, trust_code)
    reader.read()
    return reader.parts, reader.findings


def read_unchecked(folder: Path) -> PackParts:
    """Read what a pack says of relations, without a look at its templates: enough for its coverage, and fast."""
    reader = _Reader(folder, trust_code=False, checked=False)
    reader.read()
    return reader.parts


class _Reader:
    """Reads one pack; collects mistakes instead of stopping at the first."""

    def __init__(self, folder: Path, trust_code: Trust, *, checked: bool = True) -> None:
        self.folder, self.trust_code, self.checked = folder, trust_code, checked
        self.parts = PackParts(folder.resolve().name)
        self.findings: list[Finding] = []

    def read(self) -> None:
        pack = self._yaml(PACK_FILE) or {}
        self._texts(pack)
        if self.checked:
            self._filters(pack)
        self.parts.labels = self._text_map(pack, "labels", "write relation_id: its words")
        self.parts.graph_labels = self._text_map(pack, "graph_labels", "write relation_id: its words")
        relations = self._yaml(RELATIONS_FILE)
        self._relations(relations or {})
        self._fallbacks(pack)
        mpp = self._yaml(MPP_FILE) if self.checked else None
        if mpp is not None:
            self._mpp(mpp)
        if relations is not None:
            self._aliases(pack)
        self._mirrored(pack)
        self.findings += _variety(self.parts)

    def _yaml(self, file: str) -> dict[str, Any] | None:
        values, found = read_yaml(self.folder / file, self.parts.name)
        self.findings += found
        return values

    def _place(self, file: str, key: str | None = None, part: str = "") -> Place:
        return Place(self.parts.name, file, None if key is None else shorten(key), part)

    def _note(self, place: Place, message: str, fix: str, *, fatal: bool = True) -> None:
        self.findings.append(place.finding(message, fix, fatal=fatal))

    def _unknown_keys(self, place: Place, values: Iterable[object], known: tuple[str, ...]) -> None:
        for key in values:
            if key not in known:
                close = nearest(str(key), known, 1, min_score=LIKELY)
                fix = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                self._note(place, f"unknown key '{shorten(str(key))}'", fix)

    def _texts(self, pack: Mapping[str, Any]) -> None:
        for key in _TEXTS:
            value = pack.get(key)
            if isinstance(value, str) and value.strip():
                setattr(self.parts, key, value)
            elif value is not None:
                self._note(self._place(PACK_FILE, key), "not a text", f"write {key}: some words")
        if not _LANGUAGE.fullmatch(self.parts.language):
            fix = "write one such as en or pt-BR"
            self._note(self._place(PACK_FILE, "language"), "not a language code", fix, fatal=False)
        self._unknown_keys(self._place(PACK_FILE), pack, _PACK_KEYS)

    def _text_map(self, pack: Mapping[str, Any], key: str, fix: str) -> dict[str, str]:
        values = pack.get(key)
        if values is None:
            return {}
        if not isinstance(values, dict) or not all(isinstance(text, str) for pair in values.items() for text in pair):
            self._note(self._place(PACK_FILE, key), "not a mapping of texts to texts", fix)
            return {}
        return values

    def _filters(self, pack: Mapping[str, Any]) -> None:
        given = self._text_map(pack, "filters", "write name: module:function")
        installed = functools.cache(declared_filters)
        unread: dict[str, Filter] = {}
        for name, path in given.items():
            place = self._place(PACK_FILE, name)
            if not name.isidentifier():
                self._note(place, "not a name for a filter", "use letters, digits and underscores")
                continue
            if not may_run(path, self.trust_code, installed):
                message = f"the filter {shorten(path)} is Python code that no installed package names; it was not run"
                self._note(place, message, TRUST_FIX)
                unread[name] = str
                continue
            try:
                self.parts.filters[name] = import_filter(path, Place())
            except TemplateError as error:
                message, _, fix = str(error).rpartition("; ")
                self._note(place, message, fix)
        self.parts.environment = PromptEnvironment(self.parts.filters | unread)

    def _relations(self, values: Mapping[str, Any]) -> None:
        for relation, sides in values.items():
            place = self._place(RELATIONS_FILE, relation)
            templates = self._sides(sides, place, VARIABLES)
            if templates is not None:
                self.parts.relations[relation] = templates

    def _fallbacks(self, pack: Mapping[str, Any]) -> None:
        for key, variables in (("fallback", FALLBACK_VARIABLES), ("neutral", VARIABLES)):
            if pack.get(key) is not None:
                templates = self._sides(pack[key], self._place(PACK_FILE, key), variables)
                if templates is not None:
                    setattr(self.parts, key, templates)

    def _sides(self, sides: object, place: Place, variables: tuple[str, ...]) -> RelationTemplates | None:
        if not isinstance(sides, dict):
            self._note(place, "not a mapping", "write forward: and inverse: with a list of sentences each")
            return None
        self._unknown_keys(place, sides, _DIRECTIONS)
        texts: dict[str, tuple[str, ...]] = {}
        for direction in _DIRECTIONS:
            given = sides.get(direction)
            listed = [given] if isinstance(given, str) else [] if given is None else given
            if not isinstance(listed, list) or not all(isinstance(text, str) and text.strip() for text in listed):
                self._note(place, f"{direction} is not a list of sentences", "write one text or a list of texts")
                return None
            texts[direction] = tuple(text.strip() for text in listed)
        templates = RelationTemplates(texts["forward"], texts["inverse"])
        if self.checked:
            self.findings += templates.findings(self.parts.environment, place, variables)
        return templates

    def _mpp(self, values: Mapping[str, Any]) -> None:
        self._unknown_keys(self._place(MPP_FILE), values, (*_SEPARATORS, "templates"))
        self.parts.separator, self.parts.last_separator = self._separators(values, self._place(MPP_FILE), self.parts)
        entries = values.get("templates")
        if not isinstance(entries, list) or not entries:
            fix = "write templates: with a list of id, split and text; see the generic pack"
            self._note(self._place(MPP_FILE, "templates"), "no list of templates", fix)
            return
        read = [self._mpp_entry(entry, number) for number, entry in enumerate(entries, 1)]
        templates: dict[str, MppTemplate] = {}
        for template in filter(None, read):
            if template.id in templates:
                self._note(self._place(MPP_FILE, template.id), "duplicate id", "give one of the two another id")
            templates.setdefault(template.id, template)
        self.parts.mpp = tuple(templates.values())

    def _mpp_entry(self, entry: object, number: int) -> MppTemplate | None:
        place = self._place(MPP_FILE, f"template {number}")
        if not isinstance(entry, dict):
            self._note(place, "not a mapping", "write id, split and text")
            return None
        identifier, text, split = (entry.get(key) for key in ("id", "text", "split"))
        if not isinstance(identifier, str) or not identifier.strip():
            self._note(place, "no id", "give it an id that no other template has")
            return None
        place = self._place(MPP_FILE, identifier)
        self._unknown_keys(place, entry, _MPP_KEYS)
        if split is not None and split not in SPLITS:
            self._note(place, f"unknown split '{shorten(str(split))}'", f"write {' or '.join(SPLITS)}")
            return None
        if not isinstance(text, str):
            self._note(place, "no text", "write text: with {{ history }} and {{ mask }}")
            return None
        parts, found = mpp_parts(text.strip(), place)
        self.findings += found
        separator, last = self._separators(entry, place, self.parts)
        return None if found else MppTemplate(identifier, text.strip(), split or "train", separator, last, parts)

    def _separators(self, values: Mapping[str, Any], place: Place, default: PackParts) -> tuple[str, str]:
        given = [values.get(key, getattr(default, key)) for key in _SEPARATORS]
        for key, text in zip(_SEPARATORS, given, strict=True):
            if not isinstance(text, str):
                self._note(place, f"{key} is not a text", 'write it in quotes, e.g. ", "')
                return default.separator, default.last_separator
        return given[0], given[1]

    def _aliases(self, pack: Mapping[str, Any]) -> None:
        relations = self.parts.relations
        for alias, relation in self._text_map(pack, "aliases", "write other_id: id in relations.yaml").items():
            place = self._place(PACK_FILE, alias)
            if relation not in relations:
                close = nearest(relation, relations, 1, min_score=LIKELY)
                fix = f"did you mean {close[0]}?" if close else "add its sentences to relations.yaml"
                self._note(place, f"alias of '{shorten(relation)}', which has no sentences", fix)
            elif alias in relations:
                fix = "remove the alias or the sentences"
                self._note(place, "an alias that has sentences of its own, which are used", fix, fatal=False)
            self.parts.aliases[alias] = relation

    def _mirrored(self, pack: Mapping[str, Any]) -> None:
        place = self._place(PACK_FILE, "mirrored")
        pairs = pack.get("mirrored")
        listed = [] if pairs is None else pairs
        if not isinstance(listed, list) or not all(_is_pair(pair) for pair in listed):
            self._note(place, "not a list of pairs", "write - [relation, its mirror image]")
            return
        self.parts.mirrored = tuple((pair[0], pair[1]) for pair in listed)
        known = {*self.parts.relations, *self.parts.aliases}
        for end in dict.fromkeys(end for pair in listed for end in pair if end not in known):
            if close := nearest(end, known, 1, min_score=LIKELY):
                fix = f"did you mean {close[0]}?"
                self._note(place, f"'{shorten(end)}' is neither a relation nor an alias", fix, fatal=False)


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(relation, str) for relation in pair)


def _variety(parts: PackParts) -> list[Finding]:
    """Check that there are MPP templates for every use: training, held-out texts, histories without a user."""
    if not parts.mpp:
        return []
    place = Place(parts.name, MPP_FILE)
    found = []
    if not any(template.split == "train" for template in parts.mpp):
        found.append(place.finding("no template with split: train", "add one"))
    if not any(template.split == "held_out" for template in parts.mpp):
        fix = "add one, so that a model can be evaluated on a text it was not trained on"
        found.append(place.finding("no template with split: held_out", fix, fatal=False))
    without_user = sum(Slot.USER not in template.parts for template in parts.mpp)
    if without_user < 2:
        fix = "add some, for histories of unknown users"
        message = f"{quantity(without_user, 'templates')} without {{{{ user }}}}, should be at least 2"
        found.append(place.finding(message, fix, fatal=False))
    return found
