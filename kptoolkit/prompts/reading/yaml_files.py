"""Reads the three YAML files of a template pack, safely and strictly, and writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from kptoolkit.errors import shorten
from kptoolkit.limits import current, read_text
from kptoolkit.prompts.templating.findings import Finding, Place
from kptoolkit.storage.atomic import atomic_write

FILES = ("pack.yaml", "relations.yaml", "mpp.yaml")


_LINE_BREAKS: Final = re.compile("[\x85\u2028\u2029]")
_DEEPEST: Final = 100
"""Collections inside one another; libyaml composes nodes without a limit of its own."""
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Safe YAML, read by libyaml where PyYAML has it."""


class _Strict(_Safe):  # type: ignore[misc]
    """Safe YAML that records duplicate keys and reads every scalar except null as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[tuple[str, int]] = []


def _mapping(loader: _Strict, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(None, None, f"a mapping was expected, not a {node.id}", node.start_mark)
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str) and key in seen:
            loader.twice.append((key, key_node.start_mark.line + 1))
        seen.add(str(key))
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _text(loader: _Strict, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)
for _kind in ("int", "float", "timestamp", "bool"):
    _Strict.add_constructor(f"tag:yaml.org,2002:{_kind}", _text)


def read_yaml(path: Path, pack: str) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Read a YAML file that contains a mapping; numbers, dates and ``yes``/``no`` stay text.

    Returns:
        The mapping, and all mistakes; ``None`` if the file has no mapping. The last of several equal keys counts.
    """
    place = Place(pack, path.name)
    try:
        values, found = _loaded(read_text(path), place)
    except FileNotFoundError:
        fix = f"a pack has {', '.join(FILES)}: copy it from the generic pack"
        return None, [place.finding("the file is missing", fix)]
    except OSError as error:
        return None, [place.finding(f"cannot read the file: {error.strerror}", "check the file")]
    except UnicodeDecodeError:
        return None, [place.finding("not UTF-8", "save the file as UTF-8")]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return None, [place.finding(_not_yaml(error), "quote texts that contain braces, colons or quotes")]
    if values is None:
        return {}, found
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        return None, [*found, place.finding("not a mapping of names to values", "see the generic pack")]
    return values, found


def _loaded(text: str, place: Place) -> tuple[Any, list[Finding]]:
    """The value of a YAML text, and its duplicate keys."""
    _check_events(text)
    loader, fix = _Strict(text), "keep one of the two, with all sentences under it"
    try:
        node = loader.get_single_node()
        if node is not None:
            _check_size(node)
        values = None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()
    found = [
        replace(place, key=shorten(key)).finding(f"duplicate id in line {line}", fix) for key, line in loader.twice
    ]
    return values, found


def _check_events(text: str) -> None:
    """Check that a YAML text has few values and is not deeply nested, before anything of it is composed.

    Raises:
        ValueError: It has too many, or is nested too deeply.
    """
    most, count, depth = current().yaml_values, 0, 0
    for event in yaml.parse(text, Loader=_Safe):
        count += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if count > most:
            raise ValueError(f"it holds more than {most:,} values (limits.yaml_values)")
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")


def _check_size(node: yaml.Node) -> None:
    """Check that anchors and merges do not repeat too much.

    Raises:
        ValueError: The values would be too many, or one contains itself.
    """
    most, sizes = current().yaml_values, dict[int, int | None]()

    def size(part: yaml.Node) -> int:
        if isinstance(part, yaml.ScalarNode):
            return 1
        known = sizes.setdefault(id(part), None) if id(part) in sizes else -1
        if known is None:
            raise ValueError("an anchor contains itself")
        if known < 0:
            sizes[id(part)] = None
            ends = (end for pair in part.value for end in (pair if isinstance(pair, tuple) else (pair,)))
            known = sizes[id(part)] = 1 + sum(map(size, ends))
        if known > most:
            raise ValueError(f"anchors and merges make more than {most:,} values of it (limits.yaml_values)")
        return known

    size(node)


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Write a YAML file, as :func:`atomic_write` does."""
    with atomic_write(path) as temporary:
        temporary.write_text(yaml_text(values), encoding="utf-8")


def yaml_text(values: Mapping[str, Any]) -> str:
    """Return the YAML that reads as these values."""
    plain = not _LINE_BREAKS.search("".join(_texts(values)))  # YAML reads these as line breaks unless escaped
    return yaml.safe_dump(dict(values), allow_unicode=plain, sort_keys=False, width=1000)


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value of dictionaries and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _not_yaml(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"not valid YAML{where}: {shorten(str(getattr(error, 'problem', None) or error))}"
