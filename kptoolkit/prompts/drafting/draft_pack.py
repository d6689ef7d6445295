"""Drafts a template pack from the relations of a graph, for a person to complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kptoolkit.errors import InputError, shorten
from kptoolkit.names import quantity
from kptoolkit.prompts.drafting.examples import Examples
from kptoolkit.prompts.drafting.guessing import guess_sentences
from kptoolkit.prompts.equal_facts import mirrored_pairs
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.reading.filters import filter_path
from kptoolkit.prompts.reading.pack_reader import PACK_FILE, RELATIONS_FILE
from kptoolkit.prompts.reading.yaml_files import yaml_text
from kptoolkit.prompts.templating.findings import Place
from kptoolkit.prompts.templating.mpp import FILE as MPP_FILE
from kptoolkit.prompts.templating.relations import NEUTRAL, RelationTemplates
from kptoolkit.storage.atomic import atomic_folder
from kptoolkit.storage.values.clean_name import clean_name

Source = Literal["file", "pack", "words", "neutral"]
_LONGEST_NAME = 60
_HEAD = """\
# Sentences by relation, the most frequent first. Read the examples and write what a person would say.
# head and tail are those of the stored triple; forward is about the head, inverse about the tail.
# One direction may have several sentences.
"""
_UNTRANSLATED = """\
# These sentences are in the language of the pack they were taken from: translate them.
"""


@dataclass(frozen=True)
class DraftedRelation:
    """One relation of a draft.

    Attributes:
        relation: Its id.
        count: Number of its triples.
        source: Where the sentences come from: ``file`` from a file of sentences, ``pack`` from the model pack,
            ``words`` from the words in the id, ``neutral`` if the id has no words.
        templates: The sentences.
        examples: Names of head and tail of some triples.
        notes: Remarks, e.g. which relation states the same facts.
    """

    relation: str
    count: int
    source: Source
    templates: RelationTemplates
    examples: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A drafted pack.

    Attributes:
        name: Name of the pack.
        relations: Its relations, most frequent first.
        files: Text of each file, by name.
    """

    name: str
    relations: tuple[DraftedRelation, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the files to a new folder.

        Raises:
            InputError: The folder exists.
        """
        if folder.exists():
            raise InputError(f"{folder} is there already; nothing was written. Give another folder")
        with atomic_folder(folder) as temporary:
            for file, text in self.files.items():
                (temporary / file).write_text(text, encoding="utf-8")


def draft_pack(
    name: str,
    counts: Mapping[str, int],
    like: TemplatePack,
    *,
    examples: Examples | None = None,
    language: str = "en",
    sentences: Mapping[str, RelationTemplates] | None = None,
) -> Draft:
    """Draft a pack with sentences for every relation of a graph.

    A relation that ``like`` has sentences for gets those; for another relation an English sentence is guessed from the
    words in its id. In another language these words are put between the names, for a person to replace. Relations are
    mirrored if the examples or ``like`` show it.

    Args:
        name: Name of the pack.
        counts: Triples by relation, see ``Graph.relation_counts``.
        like: The model pack, with sentences and MPP templates.
        examples: Triples to show above each relation, see :func:`~kptoolkit.prompts.drafting.examples.find_examples`.
        language: Language code of the new pack.
        sentences: Sentences by relation, which come before those of ``like``; see
            :func:`~kptoolkit.prompts.drafting.sentence_files.read_sentences`.
    """
    seen = examples or Examples()
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    mirrored = _mirrored(counts, like, seen)
    given = sentences or {}
    relations = tuple(
        _draft(relation, count, like, seen, mirrored, language, given.get(relation)) for relation, count in ordered
    )
    files = {
        PACK_FILE: _pack_file(name, like, mirrored, language, relations),
        RELATIONS_FILE: _relations_file(relations),
        MPP_FILE: _mpp_file(name, like, language),
    }
    return Draft(name, relations, files)


_BRACES = dict.fromkeys(map(ord, "{}"))
"""Characters that mean something in a template."""


def _mirrored(counts: Mapping[str, int], like: TemplatePack, seen: Examples) -> list[tuple[str, str]]:
    """Mirrored pairs that the graph shows, then those of the pack; each pair once."""
    known = mirrored_pairs(like, list(counts))
    return list({frozenset(pair): pair for pair in reversed([*seen.mirrored, *known])}.values())[::-1]


def _draft(
    relation: str,
    count: int,
    like: TemplatePack,
    seen: Examples,
    mirrored: list[tuple[str, str]],
    language: str,
    given: RelationTemplates | None,
) -> DraftedRelation:
    words = like.words(relation).translate(_BRACES)
    source: Source
    if given is not None:
        source, templates = "file", given
    elif like.has(relation):
        source, templates = "pack", like.relations[like.canonical(relation)]
    elif not words:
        source, templates = "neutral", NEUTRAL
    elif language == "en":
        source, templates = "words", guess_sentences(words)
    else:
        source, templates = (
            "words",
            RelationTemplates(
                (f"{{{{ head }}}} – {words}: {{{{ tail }}}}.",), (f"{{{{ tail }}}} – {words}: {{{{ head }}}}.",)
            ),
        )
    notes = [f"states the same facts as {_other(pair, relation)}" for pair in seen.repeated if relation in pair]
    others = [_other(pair, relation) for pair in mirrored if relation in pair]
    notes += [f"states the facts of {other} with head and tail swapped" for other in others]
    examples = tuple(seen.triples.get(relation, ()))
    return DraftedRelation(relation, count, source, templates, examples, tuple(notes))


def _other(pair: tuple[str, str], relation: str) -> str:
    return pair[1] if pair[0] == relation else pair[0]


def _relations_file(relations: tuple[DraftedRelation, ...]) -> str:
    return "\n".join([_HEAD, *(_block(relation) for relation in relations)])


def _block(drafted: DraftedRelation) -> str:
    examples = ", such as" if drafted.examples else "; no example among those looked at"
    lines = [f"# {quantity(drafted.count, 'triples')}{examples}"]
    lines += [f"#   {_comment(head)}  ->  {_comment(tail)}" for head, tail in drafted.examples]
    lines += [f"# {_comment(note, 200)}" for note in drafted.notes]
    if drafted.source == "words":
        lines.append("# a guess from the words in the id: replace it by a good sentence")
    if drafted.source == "neutral":
        lines.append("# the id has no words: say what it means")
    sides = {"forward": list(drafted.templates.sentences(False)), "inverse": list(drafted.templates.sentences(True))}
    return "\n".join(lines) + "\n" + yaml_text({drafted.relation: sides})


def _pack_file(
    name: str,
    like: TemplatePack,
    mirrored: list[tuple[str, str]],
    language: str,
    relations: tuple[DraftedRelation, ...],
) -> str:
    values: dict[str, Any] = {"name": name, "domain": like.domain, "language": language}
    values["description"] = (
        f"Drafted from a graph of {quantity(len(relations), 'relations')}, after the pack {like.name}."
    )
    values["mirrored"] = [list(pair) for pair in mirrored]
    values |= {"fallback": like.fallback.to_dict(), "neutral": like.neutral.to_dict()}
    if like.filters:
        values["filters"] = {key: filter_path(f, Place(like.name, PACK_FILE, key)) for key, f in like.filters.items()}
    note = "# mirrored: pairs of relations that state the same fact, head and tail swapped; prompts state it once.\n"
    note += "# fallback: for relations that relations.yaml lacks; neutral: for those whose id has no words.\n"
    return note + (_UNTRANSLATED if language != like.language else "") + yaml_text(values)


def _mpp_file(name: str, like: TemplatePack, language: str) -> str:
    note = "# A text has one {{ history }}, one {{ mask }} and at most one {{ user }}.\n"
    note += "# Those with split: held_out are not used in training.\n"
    return note + (_UNTRANSLATED if language != like.language else "") + yaml_text(_mpp_values(name, like))


def _mpp_values(name: str, like: TemplatePack) -> dict[str, Any]:
    templates = []
    for number, template in enumerate(like.mpp, 1):
        entry = template.to_dict() | {"id": f"{name}-{number:02d}"}
        if (template.separator, template.last_separator) == (like.separator, like.last_separator):
            del entry["separator"], entry["last_separator"]
        templates.append(entry)
    return {"separator": like.separator, "last_separator": like.last_separator, "templates": templates}


def _comment(text: str, limit: int = _LONGEST_NAME) -> str:
    return shorten(clean_name(text), limit)
