"""The cache of item trees, rendered prompts and their tokens on disk.

A folder's name is a hash of everything that affects the arrays in it: after a change they are computed again and
written under another name. Nothing is deleted automatically.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.errors import DataError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.progress import ProgressCallback, ProgressEvent, moment
from kptoolkit.prompts import TemplatePack, sentence_hash
from kptoolkit.storage.arrays import checksum, json_hash, read_arrays, write_arrays, written
from kptoolkit.storage.atomic import written_meanwhile
from kptoolkit.tree.ranked_rows import ranking_named

_FORMAT = 3
"""Increase it when the selection, rendering, tokenizing or layout of the arrays changes."""

CachedArrays = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""Arrays by name, memory-mapped, and the JSON values written with them."""


def prompts_key(
    neighbourhoods: Neighbourhoods,
    pack: TemplatePack,
    tree: TreeConfig,
    prompts: PromptsConfig,
    max_degree: int,
    item_names: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Hash of everything that affects the first epoch's trees and prompts.

    Args:
        neighbourhoods: The facts.
        pack: Template pack.
        tree: Settings of the selection.
        prompts: Settings of the rendering.
        max_degree: Nodes with more relationships are not expanded.
        item_names: As in :class:`~kptoolkit.tree.triplet_prompts.TripletRenderer`.

    Returns:
        Hexadecimal hash; ``None`` if a filter of the pack or the ranking has no source code that could be hashed.
    """
    sentences, ranking = sentence_hash(pack), _ranking_key(tree.ranking)
    if sentences is None or ranking is None:
        return None
    selection = [tree.hops, tree.degree, ranking, tree.seed, max_degree]
    rendering = [prompts.variants, prompts.name_tokens, prompts.keep_nameless]
    named = [dict(item_names)] if item_names else []
    return json_hash([_FORMAT, neighbourhoods.content_hash, sentences, selection, rendering, *named], sort_keys=True)


def _ranking_key(name: str) -> str | list[str] | None:
    """A ranking by its name; a function also by its source file, without what that file imports."""
    ranking = ranking_named(name)
    if isinstance(ranking, str):
        return name
    try:
        return [name, checksum(Path(inspect.getsourcefile(ranking) or ""))]
    except (OSError, TypeError):
        return None


def tokens_key(prompts: str, tokenizer: str) -> str:
    """Hash of everything that affects the tokens of the first epoch's prompts.

    Args:
        prompts: Key of the prompts, see :func:`prompts_key`.
        tokenizer: Fingerprint of the tokenizer.
    """
    return json_hash([_FORMAT, prompts, tokenizer])


def read_cached(
    folder: Path, arrays: Sequence[str], progress: ProgressCallback, *, report: bool = False
) -> CachedArrays | None:
    """Read arrays that :func:`write_cached` wrote.

    Args:
        folder: Folder of the cache; the folder must also contain its own name.
        arrays: Names of the arrays that must be there.
        progress: Called if the folder exists and is damaged.
        report: Whether ``progress`` is also called, with the date of the folder, if it is read.

    Returns:
        ``None`` if the folder is missing or damaged.
    """
    if not folder.exists():
        return None
    try:
        found, extra = read_arrays(folder)
        if extra["name"] == folder.name and found.keys() == set(arrays):
            if report:
                stage, info = f"{folder.name.partition('-')[0]} from the cache", {"of": moment(written(folder))}
                progress(ProgressEvent(stage, 1, 1, "folder", info))
            return found, extra
    except (DataError, KeyError, TypeError):
        pass
    progress(ProgressEvent(f"rebuild {folder}, which is damaged", 1, 1, "folder"))
    return None


def write_cached(folder: Path, arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> None:
    """Write arrays and JSON values for :func:`read_cached`.

    If another process writes the same folder at the same time, one of the two stays.

    Raises:
        OSError: The folder cannot be written; the error names a path.
    """
    try:
        write_arrays(folder, arrays, {**extra, "name": folder.name})
    except OSError as error:
        if not written_meanwhile(error):
            raise
