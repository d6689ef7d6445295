"""A run of somebody else may hold any values, with checksums that are right: each is an error or harmless."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from kptoolkit.errors import DataError
from kptoolkit.graph import Neighbourhoods
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_pool import PromptKeys
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.parts.pair_features import AGES
from kptoolkit.models.parts.score_parts import PairPart, ScoreParts
from kptoolkit.storage.arrays import read_arrays, write_arrays

ITEMS = 4


def score_parts() -> ScoreParts:
    values = sp.csr_matrix(np.arange(ITEMS * ITEMS, dtype=np.float32).reshape(ITEMS, ITEMS))
    part = PairPart(0.5, {"next": 1.0}, np.ones(len(AGES), np.float32), values)
    return ScoreParts(1.0, 0.1, np.ones(ITEMS, np.float32), {"transitions": part})


def pool() -> TokenPool:
    return TokenPool(np.array([0, 2, 3]), np.array([5, 6, 7], np.int32), np.array([True, False, True]))


def compiled() -> CompiledKnowledge:
    whole = np.array([0, 1, 0], np.int32)
    parent, hop = np.array([-1, 0, -1], np.int32), np.array([1, 2, 1], np.int8)
    trees = ItemTrees(np.array([0, 2, 3, 3, 3]), whole, parent, hop, whole)
    return CompiledKnowledge(trees, pool(), PromptKeys(np.array([0, 1]), np.zeros(2, np.int32)))


def facts() -> PromptFacts:
    return PromptFacts(np.array([0, -1], np.int32), np.array([4, 1], np.int32), ITEMS, ("set in",), ("Surrey",))


def neighbourhoods() -> Neighbourhoods:
    nodes = {name: (name.upper(), 2) for name in "abc"}
    return Neighbourhoods.of_rows(["a"], nodes, [("a", "r", "b", True), ("b", "q", "c", False)], hops=2)


STORED: dict[str, tuple[Any, Callable[[Path], Any]]] = {
    "score parts": (score_parts(), ScoreParts.load),
    "tokens": (pool(), TokenPool.load),
    "knowledge": (compiled(), CompiledKnowledge.load),
    "facts": (facts(), PromptFacts.load),
    "neighbourhoods": (neighbourhoods(), Neighbourhoods.load),
}
CHANGES: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "empty": lambda array: array[:0],
    "shorter": lambda array: array[:-1],
    "longer": lambda array: np.concatenate([array, array]),
    "one value": lambda array: array[:1],
    "two dimensions": lambda array: array.reshape(1, -1),
    "texts": lambda array: np.array(["x"] * len(array)),
    "negative": lambda array: np.full(len(array), -2, array.dtype if array.dtype.kind != "b" else np.int8),
    "large": lambda array: np.full(len(array), 100, array.dtype if array.dtype.kind != "b" else np.int8),
    "not numbers": lambda array: np.full(len(array), np.nan),
}
FREE = {"starts", "forward", "degrees", "dropped", "events", "ids", "dfs", "hop", "row", "variant", "data", "ages"}
"""Arrays of which any number is harmless: nothing is indexed by them, or not without a check."""
FITTING = {("roots", "empty"), ("roots", "shorter"), ("roots", "longer"), ("roots", "one value")}
FITTING |= {("tree_indptr", "shorter")}  # the last item has no triplets
"""Changes that leave values that fit."""


def arrays_of(name: str) -> list[str]:
    stored = STORED[name][0]
    if name == "score parts":
        return ["data_0", "indices_0", "indptr_0", "ages_0", "events"]
    if name == "knowledge":
        return [*stored.trees.arrays, *(f"pool_{each}" for each in stored.pool.arrays), "prompt_row", "prompt_variant"]
    return [each for each, value in vars(stored).items() if isinstance(value, np.ndarray) and value.dtype != object]


@pytest.mark.parametrize(("name", "array"), [(name, array) for name in STORED for array in arrays_of(name)])
@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit_is_an_error_when_it_is_read(tmp_path: Path, name: str, array: str, change: str) -> None:
    stored, load = STORED[name]
    stored.save(tmp_path / "good")
    load(tmp_path / "good")
    arrays, extra = read_arrays(tmp_path / "good")
    changed = CHANGES[change](np.array(arrays[array]))
    write_arrays(tmp_path / "bad", {**arrays, array: changed}, extra)
    short = array.removeprefix("pool_").removeprefix("prompt_").removeprefix("tree_").removesuffix("_0")
    numbers = change in ("negative", "large") and changed.dtype == arrays[array].dtype
    if (short in FREE and numbers) or (array, change) in FITTING:
        load(tmp_path / "bad")
        return
    with pytest.raises(DataError):
        load(tmp_path / "bad")


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("value", [None, 1e300, "x", [], {"x": 1}, [1], -1])
def test_what_is_next_to_the_arrays_is_checked_too(tmp_path: Path, name: str, value: Any) -> None:
    stored, load = STORED[name]
    stored.save(tmp_path / "good")
    arrays, extra = read_arrays(tmp_path / "good")
    for key in extra:
        write_arrays(tmp_path / "bad", arrays, {**extra, key: value})
        with suppress(DataError):  # and no other error
            load(tmp_path / "bad")
