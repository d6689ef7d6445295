"""Item trees as tokens, compared with the prompts that contain them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kptoolkit.data.histories import Histories
from kptoolkit.errors import PromptTooLongError
from kptoolkit.knowledge.batches.prompt_batches import PromptAssembler
from kptoolkit.knowledge.batches.tree_batches import TreeAssembler
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.prompt_jobs import tokenize_prompts
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.t5.tokenizers import PhraseTokenizer
from kptoolkit.testing.small_worlds import chain_task


@pytest.fixture
def source(tmp_path: Path) -> KnowledgeSource:
    return chain_task(tmp_path, {"tree.hops": 2, "tree.degree": 3}).knowledge


def test_a_tree_is_the_prompt_cut_at_its_root(source: KnowledgeSource) -> None:
    """The tree of an item holds what a prompt with that one item holds below its item node, under the same mask."""
    trees, n = source.trees(0), len(source.catalogue)
    template = next(t for t in source.pack.mpp if not t.has_user)
    texts = [part for part in template.parts if isinstance(part, str)]
    tokenizer = PhraseTokenizer.build(source.pool, texts, source.catalogue.item_of_entity())
    knowledge = CompiledKnowledge(trees, tokenize_prompts(source.pool, tokenizer))
    own = np.arange(tokenizer.size, tokenizer.size + n, dtype=np.int32)
    names = TokenPool(np.arange(n + 1, dtype=np.int64), own, np.ones(n, dtype=np.bool_))
    budget = 18
    fixed = 2 + sum(len(text.split()) and 1 for text in texts)  # mask, end, and one phrase token a text
    prompts = PromptAssembler(knowledge, names, TokenPool.of([]), [template], tokenizer, max_tokens=budget, history=1)
    whole = prompts.assemble(np.full(n, -1, np.int32), Histories.of([[i] for i in range(n)]), np.zeros(n, np.int64))
    cut = TreeAssembler(knowledge, names, max_tokens=budget - fixed, pad_id=tokenizer.pad_id)
    stand = TreeAssembler(
        knowledge, names, max_tokens=budget - fixed, pad_id=tokenizer.pad_id, own=own, stand_in=tokenizer.mask_id
    )
    order = np.random.default_rng(1).permutation(n)
    alone, standing = cut.assemble(order), stand.assemble(order)
    assert cut.left_out == whole.left_out > 0
    for place, item in enumerate(order):
        below, there = whole.node[item] > 0, alone.node[place] >= 0
        np.testing.assert_array_equal(alone.input_ids[place][there], whole.input_ids[item][below])
        np.testing.assert_array_equal(alone.node[place][there], whole.node[item][below] - 1)
        np.testing.assert_array_equal(alone.parent[place][there], whole.parent[item][below] - 1)
        swapped = np.where(alone.input_ids[place] == own[item], tokenizer.mask_id, alone.input_ids[place])
        np.testing.assert_array_equal(standing.input_ids[place], swapped)
        assert (alone.parent[place][~there] == -3).all()


def test_a_name_beyond_the_budget_is_refused(source: KnowledgeSource) -> None:
    names = TokenPool.of([(np.arange(9, dtype=np.int32), np.ones(9, np.bool_))] * len(source.catalogue))
    knowledge = CompiledKnowledge(source.trees(0).without_knowledge(), TokenPool.of([]))
    with pytest.raises(PromptTooLongError, match="9 tokens"):
        TreeAssembler(knowledge, names, max_tokens=8, pad_id=0)
