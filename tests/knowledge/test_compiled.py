"""Compiled knowledge and token pools: joined, written and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_knowledge_source import source

from kptoolkit.errors import DataError
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.prompt_jobs import tokenize_prompts
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.tree.tokens import WordTokenizer


def compiled() -> CompiledKnowledge:
    knowledge = source()
    trees = knowledge.trees(0)
    return CompiledKnowledge(trees, tokenize_prompts(knowledge.pool, WordTokenizer()), knowledge.pool.keys)


def test_compiled_knowledge_comes_back(tmp_path: Path) -> None:
    written = compiled()
    written.save(tmp_path / "knowledge")
    found = CompiledKnowledge.load(tmp_path / "knowledge")
    for name in ("indptr", "prompt", "parent", "hop", "dfs"):
        assert np.array_equal(getattr(found.trees, name), getattr(written.trees, name))
        assert getattr(found.trees, name).dtype == getattr(written.trees, name).dtype
    for name in ("ids", "starts", "indptr"):
        assert np.array_equal(getattr(found.pool, name), getattr(written.pool, name))
    for name in ("row", "variant"):
        assert np.array_equal(getattr(found.prompts, name), getattr(written.prompts, name))
    assert list(source().sentences(found.prompts)) == list(source().sentences(written.prompts))
    assert isinstance(found.trees.prompt, np.memmap)
    assert [path.name for path in tmp_path.iterdir()] == ["knowledge"]


@pytest.mark.parametrize("name", ["tree_prompt.npy", "pool_ids.npy", "index.json"])
@pytest.mark.parametrize("gone", [False, True])
def test_damaged_compiled_knowledge_is_named(tmp_path: Path, name: str, gone: bool) -> None:
    compiled().save(tmp_path / "knowledge")
    path = tmp_path / "knowledge" / name
    if gone:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DataError, match=rf"{name}: is missing or damaged"):
        CompiledKnowledge.load(tmp_path / "knowledge")


def test_a_pool_joins_behind_itself() -> None:
    def pool(*texts: list[int]) -> TokenPool:
        return TokenPool.of([(np.array(t, dtype=np.int32), np.array([True] * len(t), dtype=bool)) for t in texts])

    joined = TokenPool.concat([pool([1, 2], []), pool([3])])
    assert len(joined) == 3
    assert joined.lengths.tolist() == [2, 0, 1]
    assert joined.ids.tolist() == [1, 2, 3]
    assert len(pool()) == 0
