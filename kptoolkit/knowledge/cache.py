"""What is kept on disk of worded prompts and of their tokens, and under which names.

A name is a hash of all that decides the arrays behind it: whatever changes is made anew under another name. Nothing is
deleted by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.errors import DataError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.progress import ProgressCallback, ProgressEvent
from kptoolkit.prompts import TemplatePack, wording_hash
from kptoolkit.storage.arrays import json_hash, read_arrays, write_arrays
from kptoolkit.storage.atomic import written_meanwhile

_FORMAT = 1
"""Counts the changes to how kptoolkit words, chooses or tokenises, and to how the arrays are laid out."""

Kept = tuple[dict[str, NDArray[Any]], dict[str, Any]]


def prompts_name(
    found: Neighbourhoods, pack: TemplatePack, tree: TreeConfig, prompts: PromptsConfig, max_degree: int
) -> str | None:
    """Under what the first epoch's trees and prompts are kept; ``None`` where a filter of the pack has no source."""
    words = wording_hash(pack)
    if words is None:
        return None
    chosen = [tree.hops, tree.degree, tree.ranking, tree.seed, max_degree]
    worded = [prompts.variants, prompts.name_tokens, prompts.keep_nameless]
    return "prompts-" + json_hash([_FORMAT, found.content_hash, words, chosen, worded])


def tokens_name(prompts: str, tokenizer: str) -> str:
    """Under what the tokens of kept prompts are kept.

    Args:
        prompts: Name of the prompts.
        tokenizer: Fingerprint of the tokenizer.
    """
    return "tokens-" + json_hash([_FORMAT, prompts, tokenizer])


def read_kept(folder: Path, arrays: Sequence[str], progress: ProgressCallback) -> Kept | None:
    """Arrays, memory-mapped, and what was written beside them; ``None`` where there is nothing that can be trusted.

    Args:
        folder: Its last part is the name, which what is in it must bear.
        arrays: Names of the arrays that must be there.
        progress: Told where a folder is there and cannot be used.
    """
    if not folder.exists():
        return None
    try:
        found, extra = read_arrays(folder)
        if extra["name"] == folder.name and found.keys() == set(arrays):
            return found, extra
    except (DataError, KeyError, TypeError):
        pass
    progress(ProgressEvent(f"make {folder} anew, which is damaged", 1, 1, "folder"))
    return None


def keep(folder: Path, arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> None:
    """Write what :func:`read_kept` reads; if another process writes the same at the same time, one of the two stays.

    Raises:
        OSError: The folder cannot be written; the error names a path.
    """
    try:
        write_arrays(folder, arrays, {**extra, "name": folder.name})
    except OSError as error:
        if not written_meanwhile(error):
            raise
