"""Reads sentences by relation from a JSON file, with ``[X]`` for the head and ``[Y]`` for the tail."""

from __future__ import annotations

from pathlib import Path

from kptoolkit.errors import DataError, shorten
from kptoolkit.prompts.templating.relations import RelationTemplates
from kptoolkit.storage.layouts.json_rows import read_json


def read_sentences(path: Path) -> dict[str, RelationTemplates]:
    """Read a file such as the KP4SR authors' ``relation2template.json``: a sentence, or a list of them, per relation.

    Raises:
        DataError: The file cannot be read, or a sentence lacks ``[X]`` or ``[Y]`` or contains Jinja.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not found:
        raise DataError("no JSON object with a sentence for each relation", path)
    return {str(relation): _templates(relation, given, path) for relation, given in found.items()}


def _templates(relation: str, given: object, path: Path) -> RelationTemplates:
    sentences: list[str] = []
    for text in given if isinstance(given, list) else [given]:
        if not isinstance(text, str) or text.count("[X]") != 1 or text.count("[Y]") != 1:
            said = f"{shorten(relation)}: a sentence needs [X] and [Y] once each: {shorten(str(text))}"
            raise DataError(said, path)
        if any(mark in text for mark in ("{{", "{%", "{#")):
            raise DataError(f"{shorten(relation)}: a sentence contains {{{{, {{% or {{#: {shorten(text)}", path)
        sentences.append(text.replace("[X]", "{{ head }}").replace("[Y]", "{{ tail }}"))
    return RelationTemplates(tuple(sentences), ())
