"""The vectorized assembly of prompts, compared with the definition; bounds of their lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories
from kptoolkit.errors import InputError, PromptTooLongError
from kptoolkit.knowledge.batches.prompt_batches import PromptAssembler
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_jobs import tokenize_prompts
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.prompts import MppTemplate, Segment
from kptoolkit.testing.small_worlds import chain_task
from kptoolkit.tree import Encoded, HistoryItem, KnowledgeTree, Triplet, WordTokenizer
from kptoolkit.tree.linearization import depth_first
from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT

TEMPLATES = (
    MppTemplate("plain", "After {{ history }} comes {{ mask }} .", separator=" , ", last_separator=" and then "),
    MppTemplate("user", "{{ mask }} is what {{ user }} reads after {{ history }}"),
    MppTemplate("last", "{{ user }} : {{ history }} {{ mask }}", separator=" ", last_separator=" "),
)
USERS = ("ann", "bob the second")
CatalogueLists = list[tuple[int, list[tuple[int, int, int]]]]
Tokens = tuple[NDArray[np.int32], NDArray[np.bool_]]


@st.composite
def catalogues(draw: st.DrawFn) -> CatalogueLists:
    """Per item: tokens of its name, and its triplets breadth first as (parent, hop, tokens)."""
    items = []
    for _ in range(draw(st.integers(1, 4))):
        triplets: list[tuple[int, int, int]] = []
        level = [-1] * draw(st.integers(0, 3))
        for hop in (1, 2, 3):
            first = len(triplets)
            triplets += [(parent, hop, draw(st.integers(1, 5))) for parent in level]
            width = len(level)
            level = (
                sorted(first + draw(st.integers(0, width - 1)) for _ in range(draw(st.integers(0, 3)))) if width else []
            )
        items.append((draw(st.integers(1, 3)), triplets))
    return items


def encode(count: int, start: int) -> Encoded:
    starts = np.zeros(count, dtype=np.bool_)
    starts[0] = True
    return Encoded(np.arange(start, start + count, dtype=np.int32), starts)


def world(
    items: CatalogueLists,
) -> tuple[list[HistoryItem], CompiledKnowledge, TokenPool]:
    """The same catalogue for the definition and for the assembler."""
    start = 1000
    defined, pool, names = list[HistoryItem](), list[Tokens](), list[Tokens]()
    columns: dict[str, list[int]] = {"prompt": [], "parent": [], "hop": [], "dfs": []}
    sizes = [0]
    for number, (size, triplets) in enumerate(items):
        name, start = encode(size, start), start + size
        names.append((name.ids, name.starts))
        facts = []
        for parent, hop, length in triplets:
            columns["prompt"].append(len(pool))
            columns["parent"].append(parent)
            columns["hop"].append(hop)
            fact, start = encode(length, start), start + length
            pool.append((fact.ids, fact.starts))
            facts.append(Triplet(fact, f"fact {start}", parent, hop))
        order = depth_first([parent for parent, _, _ in triplets])
        columns["dfs"] += np.argsort(order).tolist() if len(order) else []
        sizes.append(sizes[-1] + len(triplets))
        defined.append(HistoryItem(str(number), f"item {number}", name, tuple(facts)))
    kinds = {"prompt": np.int32, "parent": np.int32, "hop": np.int8, "dfs": np.int32}
    trees = ItemTrees(np.array(sizes, np.int64), *(np.array(columns[name], kind) for name, kind in kinds.items()))
    return defined, CompiledKnowledge(trees, TokenPool.of(pool)), TokenPool.of(names)


@given(catalogues(), st.data())
def test_assembly_equals_the_definition(items: CatalogueLists, data: st.DataObject) -> None:
    defined, knowledge, names = world(items)
    tokenizer = WordTokenizer()
    users = TokenPool.of([(e.ids, e.starts) for e in (tokenizer.encode((Segment(u, "text"),)) for u in USERS)])
    budget, latest = data.draw(st.integers(16, 90)), data.draw(st.integers(1, 6))
    assembler = PromptAssembler(knowledge, names, users, TEMPLATES, tokenizer, max_tokens=budget, history=latest)
    row = st.tuples(
        st.lists(st.integers(0, len(items) - 1), min_size=1, max_size=8), st.integers(0, 2), st.integers(0, 1)
    )
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    batch = assembler.assemble(
        np.array([user for _, _, user in rows], np.int32),
        Histories.of([history for history, _, _ in rows]),
        np.array([template for _, template, _ in rows]),
    )
    left = dropped = 0
    for number, (history, template, user) in enumerate(rows):
        tree = KnowledgeTree.build(
            TEMPLATES[template],
            [defined[item] for item in history[-latest:]],
            tokenizer=tokenizer,
            max_tokens=budget,
            user=USERS[user],
        )
        length = len(tree)
        assert batch.input_ids[number, :length].tolist() == tree.tokens.tolist()
        assert batch.node[number, :length].tolist() == tree.node.tolist()
        assert batch.parent[number, :length].tolist() == tree.parent.tolist()
        assert batch.whole_word[number, :length].tolist() == tree.whole_word.tolist()
        assert (batch.input_ids[number, length:] == tokenizer.pad_id).all()
        assert (batch.node[number, length:] == PAD_NODE).all()
        assert (batch.parent[number, length:] == PAD_PARENT).all()
        assert (batch.whole_word[number, length:] == 0).all()
        assert length <= budget
        left, dropped = left + tree.left_out.triplets, dropped + tree.left_out.items
    assert (batch.left_out, batch.dropped_items) == (left, dropped)


def test_compiled_catalogue_equals_trees_of_its_items(tmp_path: Path) -> None:
    """From the graph's rows to arrays: the assembled prompt is the prompt that a person sees."""
    source = chain_task(tmp_path).knowledge
    trees, tokenizer = source.trees(), WordTokenizer()
    knowledge = CompiledKnowledge(trees, tokenize_prompts(source.pool, tokenizer))
    names = [tokenizer.encode((Segment(str(title), "text"),)) for title in source.catalogue.titles]
    pool = TokenPool.of([(name.ids, name.starts) for name in names])
    assembler = PromptAssembler(knowledge, pool, TokenPool.of([]), TEMPLATES[:1], tokenizer, max_tokens=400, history=5)
    batch = assembler.assemble(np.array([-1], np.int32), Histories.of([[3, 7]]), np.array([0]))
    selection = source.selection()
    sentences = []
    for item in (3, 7):
        rows = slice(selection.indptr[item], selection.indptr[item + 1])
        order = np.argsort(selection.dfs[rows])
        sentences += [source.pool[trees.prompt[rows][place]].text for place in order]
    assert len(sentences) >= 6
    words = [tokenizer.encode((Segment(sentence, "text"),)).ids.tolist() for sentence in sentences]
    nodes = batch.node[0]
    for number, expected in enumerate(words):
        assert batch.input_ids[0][nodes == 3 + number].tolist() == expected


def test_one_item_that_does_not_fit() -> None:
    _, knowledge, names = world([(3, [])])
    assembler = PromptAssembler(
        knowledge, names, TokenPool.of([]), TEMPLATES[:1], WordTokenizer(), max_tokens=6, history=5
    )
    with pytest.raises(PromptTooLongError, match=r"tree\.max_tokens=6"):
        assembler.assemble(np.array([-1], np.int32), Histories.of([[0]]), np.array([0]))
    with pytest.raises(InputError, match="history is empty"):
        assembler.assemble(np.array([-1, -1], np.int32), Histories.of([[0], []]), np.array([0, 0]))


@given(catalogues(), st.data())
def test_lengths_are_bounds_and_exact_without_repeats_and_budget(items: CatalogueLists, data: st.DataObject) -> None:
    _, knowledge, names = world(items)
    tokenizer = WordTokenizer()
    users = TokenPool.of([(e.ids, e.starts) for e in (tokenizer.encode((Segment(u, "text"),)) for u in USERS)])
    budget, latest = data.draw(st.sampled_from([20, 40, 5000])), data.draw(st.integers(1, 6))
    assembler = PromptAssembler(knowledge, names, users, TEMPLATES, tokenizer, max_tokens=budget, history=latest)
    row = st.lists(st.integers(0, len(items) - 1), min_size=2, max_size=8)
    histories = Histories.of([data.draw(row), data.draw(row)])
    owners = np.array([0, 1, 1], np.int32)
    position = np.array([data.draw(st.integers(1, int(histories.lengths[owner]) - 1)) for owner in owners])
    template = np.array([data.draw(st.integers(0, 2)) for _ in owners])
    windows = histories.before(position, owners)
    assembled = (assembler.assemble(owners, windows, template).node >= 0).sum(axis=1)
    bound = assembler.lengths_at_most(owners, histories, position, template)
    assert (bound >= assembled).all()
    assert (bound <= budget).all()
    for row_number in range(len(owners)):
        window = windows[row_number][-latest:].tolist()
        if budget == 5000 and len(set(window)) == len(window):
            assert bound[row_number] == assembled[row_number]
