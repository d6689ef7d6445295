"""Template packs: the sentences for a graph's relations and for a user's history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from kptoolkit.arguments import check_fields, checked, require
from kptoolkit.errors import UnknownNameError
from kptoolkit.names import local_name, nearest, quantity
from kptoolkit.notebook.html_tables import facts_html, rows_html
from kptoolkit.prompts.coverage import Coverage, CoverageRow
from kptoolkit.prompts.reading.filters import filter_path
from kptoolkit.prompts.reading.pack_reader import PACK_FILE, RELATIONS_FILE, read_parts
from kptoolkit.prompts.reading.pack_sources import find_pack
from kptoolkit.prompts.reading.yaml_files import write_yaml
from kptoolkit.prompts.templating.findings import Place, raise_first
from kptoolkit.prompts.templating.mpp import FILE as MPP_FILE
from kptoolkit.prompts.templating.mpp import MppTemplate, mpp_parts
from kptoolkit.prompts.templating.relations import FALLBACK, NEUTRAL, RelationTemplates
from kptoolkit.prompts.templating.sandbox import Filter, PromptEnvironment
from kptoolkit.prompts.templating.texts import relation_words, snake_case
from kptoolkit.prompts.templating.triplet_sentences import Segment, Sentence
from kptoolkit.resources import Trust
from kptoolkit.storage.replacement import atomic_parts, finish_replacement
from kptoolkit.storage.values.clean_name import clean_name

_SHOWN = 20
"""Sentences that a notebook shows."""


@dataclass(frozen=True)
class TemplatePack:
    """Sentence templates for relations and histories; an immutable value: ``with_…`` methods return new packs.

    Attributes:
        name: Name of the pack.
        domain: Kind of its items, e.g. ``movies``.
        language: Language code of the sentences.
        description: A description in one line.
        relations: Sentences by relation id.
        mpp: Masked personalised prompts.
        aliases: Other ids of relations in ``relations``.
        labels: Words of other relations by id, which :attr:`fallback` uses in place of those in the id.
        graph_labels: Likewise, as the graph has them, for relations that are not in ``labels``.
        mirrored: Pairs of relations that state the same fact with head and tail swapped, under all their aliases.
        fallback: Sentences for other relations; they may use ``{{ relation }}``, the relation's label or the words in
            its id.
        neutral: Sentences for other relations without a label whose id contains no words.
        filters: Python functions that templates may use as filters, by name.
        separator: Text between the items of a history, for new MPP templates.
        last_separator: Text before the last item, for new MPP templates.
        environment: Jinja environment with the filters and the templates that are parsed already; made if not given.

    Example:
        >>> pack = TemplatePack.load("generic").with_relation("likes", forward="{{ head }} likes {{ tail }}.")
        >>> pack.sentence("Ann", "likes", "tea")
        'Ann likes tea.'
    """

    name: str
    domain: str = ""
    language: str = "en"
    description: str = ""
    relations: Mapping[str, RelationTemplates] = field(default_factory=dict)
    mpp: tuple[MppTemplate, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    graph_labels: Mapping[str, str] = field(default_factory=dict)
    mirrored: tuple[tuple[str, str], ...] = ()
    fallback: RelationTemplates = FALLBACK
    neutral: RelationTemplates = NEUTRAL
    filters: Mapping[str, Filter] = field(default_factory=dict)
    separator: str = ", "
    last_separator: str = " and "
    environment: PromptEnvironment | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.environment is None:
            object.__setattr__(self, "environment", PromptEnvironment(self.filters))
        for name in ("relations", "aliases", "labels", "graph_labels", "filters"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        object.__setattr__(self, "mirrored", self._under_aliases())

    def __repr__(self) -> str:
        relations, mpp = quantity(len(self.relations), "relations"), quantity(len(self.mpp), "MPP templates")
        return f"TemplatePack({self.name!r}: {relations}, {mpp}, {self.language!r})"

    def _repr_html_(self) -> str:
        """Return the first sentences of the pack as a notebook shows them."""
        rows = [[name, (*templates.forward, *templates.inverse)[0]] for name, templates in self.relations.items()]
        rows += [[f"MPP {template.id}", template.text] for template in self.mpp]
        facts = {"description": self.description, "domain": self.domain}
        title = facts_html(repr(self), {name: text for name, text in facts.items() if text})
        return title + rows_html(["relation", "first sentence"], rows[:_SHOWN], more=max(len(rows) - _SHOWN, 0))

    @classmethod
    @checked
    def load(cls, name_or_path: str | Path, *, trust_code: Trust = False) -> TemplatePack:
        """Load and check a pack: a folder, a shipped name, or a name in the entry point group kptoolkit.templates.

        The filters that a ``pack.yaml`` names are code. Those that a shipped pack or a pack of an installed package
        names are imported; any other is an error unless ``trust_code``. Nothing else in a pack is executed outside
        the sandbox.

        Args:
            name_or_path: The folder or the name.
            trust_code: Whether to import the modules of all filters that the pack names, or which, as
                ``{"module:function"}``; use it for packs of people whose code you would run.

        Raises:
            UnknownNameError: There is no such pack.
            TemplateError: The pack has a mistake; the error names pack, file, key and column. The command
                ``kptool templates check`` lists all mistakes.
        """
        folder = find_pack(name_or_path)
        finish_replacement(folder)
        parts, findings = read_parts(folder, trust_code=trust_code)
        raise_first(findings)
        return cls(**vars(parts))

    @checked
    def save(self, folder: str | Path) -> Path:
        """Write the pack's three YAML files, which replace those of an earlier pack together.

        Filters are written as ``module:function``.

        Raises:
            TemplateError: A filter is a lambda, a local function or one of ``__main__``.
        """
        target = Path(folder)
        filters = {name: filter_path(f, Place(self.name, PACK_FILE, name)) for name, f in self.filters.items()}
        with atomic_parts(target) as new:
            write_yaml(new / RELATIONS_FILE, {key: sides.to_dict() for key, sides in self.relations.items()})
            write_yaml(new / MPP_FILE, self._mpp_values())
            write_yaml(new / PACK_FILE, self._pack_values() | ({"filters": filters} if filters else {}))
        return target

    @checked
    def with_relation(
        self, relation: str, forward: str | Sequence[str] | None = None, inverse: str | Sequence[str] | None = None
    ) -> TemplatePack:
        """Return the pack with new sentences for a relation; a direction that is not given keeps its sentences.

        If one direction has no sentence at all, the sentences of the other direction are used for both.

        Args:
            relation: The relation's id.
            forward: One sentence or several, with ``{{ head }}`` and ``{{ tail }}`` of the stored triple.
            inverse: The same from the tail's side.

        Raises:
            TemplateError: A sentence has a mistake, or none is given.
        """
        old = self.relations.get(self.canonical(relation), RelationTemplates((), ()))
        given = [None if side is None else _texts(side) for side in (forward, inverse)]
        sides = RelationTemplates(
            old.forward if given[0] is None else given[0], old.inverse if given[1] is None else given[1]
        )
        raise_first(sides.findings(self._environment, Place(self.name, RELATIONS_FILE, relation)))
        return replace(self, relations={**self.relations, relation: sides})

    @checked
    def with_mpp(
        self,
        id: str,
        text: str,
        split: Literal["train", "held_out"] = "train",
        separator: str | None = None,
        last_separator: str | None = None,
    ) -> TemplatePack:
        """Return the pack with one more MPP template; arguments are those of :class:`MppTemplate`.

        Raises:
            TemplateError: The text has a mistake, or the id is used already.
        """
        place = Place(self.name, MPP_FILE, id)
        if any(template.id == id for template in self.mpp):
            raise place.finding("duplicate id", "give it another id").error()
        parts, findings = mpp_parts(text, place)
        raise_first(findings)
        between = self.separator if separator is None else separator
        before_last = self.last_separator if last_separator is None else last_separator
        return replace(self, mpp=(*self.mpp, MppTemplate(id, text, split, between, before_last, parts)))

    @checked
    def with_filter(self, function: Filter, name: str | None = None) -> TemplatePack:
        """Return the pack with a Python function as a filter for templates: ``{{ head | name }}``.

        A saved pack, also the one in a run, contains the function as ``module:function``; loading it needs a place
        where that can be imported.

        Args:
            function: Function from text to text.
            name: Name in templates; by default the function's own.

        Raises:
            TemplateError: The name is not an identifier; a lambda needs one.
        """
        label = name or str(getattr(function, "__name__", ""))
        if not label.isidentifier():
            raise Place(self.name, PACK_FILE).finding(f"'{label}' is not a name for a filter", "give name=").error()
        return replace(self, filters={**self.filters, label: function}, environment=None)

    def canonical(self, relation: str) -> str:
        """Return the relation id with the sentences for a relation of a graph; the id itself if there are none.

        They are those of its id, of the id it is an alias of, or of its local name: ``director`` for
        ``http://dbpedia.org/ontology/director``, ``dbo:director`` and ``dbo__director``. The local name is also looked
        for in lower case with underscores: ``located_in`` for ``LOCATED_IN``, ``locatedIn`` and ``Located In``.
        """
        local = local_name(relation)
        for name in (relation, local, snake_case(local)):
            if name in self.relations:
                return name
            if name in self.aliases:
                return self.aliases[name]
        return relation

    def words(self, relation: str) -> str:
        """Return the label of a relation, else the words in its id, ``""`` if it has none."""
        local = local_name(relation)
        label = self.labels.get(relation) or self.labels.get(local) or self.graph_labels.get(relation, "")
        return clean_name(label) or relation_words(relation)

    @checked
    def with_labels(self, labels: Mapping[str, str]) -> TemplatePack:
        """Return the pack with the labels of a graph in place of those of an earlier one; its own labels stay.

        Args:
            labels: Label by relation id, see ``Graph.relation_labels``.
        """
        new = {
            one: label
            for one, label in labels.items()
            if not self.has(one) and not {one, local_name(one)} & self.labels.keys()
        }
        return self if new == self.graph_labels else replace(self, graph_labels=new)

    def has(self, relation: str) -> bool:
        """Return whether the pack has sentences for a relation id or alias."""
        return self.canonical(relation) in self.relations

    def variants(self, relation: str, inverse: bool = False) -> int:
        """Return the number of sentences of a relation, at least 1; those of the fallback if the pack has none."""
        return len(self._sentences(relation, inverse))

    def render(
        self, head: str, relation: str, tail: str, *, inverse: bool = False, variant: int = 0
    ) -> tuple[Segment, ...]:
        """Render a triplet prompt (KP4SR, section 3.3) as segments; their texts, joined, are the sentence.

        Args:
            head: Name of the stored triple's head.
            relation: Relation id, or an alias.
            tail: Name of the stored triple's tail.
            inverse: Use a sentence about the tail.
            variant: Number of the sentence, below :meth:`variants`.

        Raises:
            IndexError: There is no sentence with this number.
            TemplateError: A filter or an expression fails on these names.
        """
        if not type(head) is type(relation) is type(tail) is str:
            for name, value in (("head", head), ("relation", relation), ("tail", tail)):
                require(value, str, f"TemplatePack.render({name}=…)")
        sentences = self._sentences(relation, inverse)
        if not 0 <= variant < len(sentences):
            raise IndexError(f"variant {variant} of relation '{relation}': there are {len(sentences)}")
        return sentences[variant].render({"head": head, "tail": tail, "relation": self.words(relation)})

    @checked
    def sentence(self, head: str, relation: str, tail: str, *, inverse: bool = False, variant: int = 0) -> str:
        """Render a triplet prompt as text; arguments and errors as in :meth:`render`."""
        segments = self.render(head, relation, tail, inverse=inverse, variant=variant)
        return "".join(segment.text for segment in segments)

    @checked
    def coverage(self, relation_counts: Mapping[str, int]) -> Coverage:
        """Return which relations of a graph the pack has sentences for.

        Args:
            relation_counts: Triples by relation id, see ``Graph.relation_counts``.
        """
        ordered = sorted(relation_counts.items(), key=lambda entry: (-entry[1], entry[0]))
        return Coverage(
            self.name,
            tuple(CoverageRow(r, count, self.canonical(r) if self.has(r) else None) for r, count in ordered),
        )

    @checked
    def mpp_template(self, id: str) -> MppTemplate:
        """Return the MPP template with an id.

        Raises:
            UnknownNameError: There is no such template.
        """
        for template in self.mpp:
            if template.id == id:
                return template
        known = [template.id for template in self.mpp]
        raise UnknownNameError("MPP template", id, nearest(id, known), f"See kptool templates show {self.name}")

    @property
    def held_out(self) -> tuple[MppTemplate, ...]:
        """The MPP templates that no training uses."""
        return tuple(template for template in self.mpp if template.split != "train")

    @property
    def _environment(self) -> PromptEnvironment:
        assert self.environment is not None
        return self.environment

    @cached_property
    def _cached_sentences(self) -> dict[tuple[str, bool], tuple[Sentence, ...]]:
        return {}

    def _sentences(self, relation: str, inverse: bool) -> tuple[Sentence, ...]:
        """The sentences of one direction, ready to render."""
        key = (relation, inverse)
        if key not in self._cached_sentences:
            known = self.relations.get(self.canonical(relation))
            other = self.fallback if self.words(relation) else self.neutral
            templates = other if known is None else known
            place = Place(self.name, PACK_FILE if known is None else RELATIONS_FILE, relation)
            self._cached_sentences[key] = tuple(
                Sentence(self._environment.template(text), place) for text in templates.sentences(inverse)
            )
        return self._cached_sentences[key]

    def _under_aliases(self) -> tuple[tuple[str, str], ...]:
        names: dict[str, list[str]] = {}
        for alias, relation in self.aliases.items():
            names.setdefault(relation, []).append(alias)
        pairs: dict[tuple[str, str], None] = {}
        for one, other in self.mirrored:
            ends = (self.canonical(one), self.canonical(other))
            pairs |= dict.fromkeys(product(*([end, *names.get(end, [])] for end in ends)))  # type: ignore[arg-type]
        return tuple(pairs)

    def _pack_values(self) -> dict[str, Any]:
        pairs = [list(pair) for pair in self.mirrored if all(self.canonical(end) == end for end in pair)]
        return {
            "name": self.name,
            **{key: value for key in ("domain", "language", "description") if (value := getattr(self, key))},
            "aliases": dict(self.aliases),
            **{key: dict(value) for key in ("labels", "graph_labels") if (value := getattr(self, key))},
            "mirrored": pairs,
            "fallback": self.fallback.to_dict(),
            "neutral": self.neutral.to_dict(),
        }

    def _mpp_values(self) -> dict[str, Any]:
        entries = [template.to_dict() for template in self.mpp]
        return {"separator": self.separator, "last_separator": self.last_separator, "templates": entries}


def _texts(sentences: str | Iterable[str]) -> tuple[str, ...]:
    listed = [sentences] if isinstance(sentences, str) else sentences
    return tuple(text.strip() for text in listed)
