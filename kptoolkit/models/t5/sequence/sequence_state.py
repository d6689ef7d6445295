"""What a fitted ``sequence`` model consists of, and how it is built."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.torch
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.knowledge.batch import Batch
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import Alikeness, Holders, ItemFacts, PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.knowledge.tree_batches import TreeAssembler
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.base import UNREADABLE, WEIGHTS, saved_t5, to_device, unreadable
from kptoolkit.models.t5.building import asking_template, build_t5, build_tokenizer, training_templates
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.sequence.item_encoders import AlikeHead, FactBag, TreeTable, TreeTokens
from kptoolkit.models.t5.sequence.sequence_model import SequenceT5
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer, load_tokenizer
from kptoolkit.models.t5.tree_t5 import TreeT5
from kptoolkit.prompts import MppTemplate, Segment, Slot

_VECTORS, _DESCRIPTION = "vectors.safetensors", "sequence.json"
_TREE_BATCH = 256
_TOKEN_STD = 0.05
"""Of fresh token embeddings; 0.3 made no difference (docs/results.md), other values were not compared."""


@dataclass(frozen=True)
class Shape:
    """What a model is made of beside its T5.

    Attributes:
        reads: A bag of facts, or trees of triplet prompts.
        first_item: Token of catalogue row 0.
        hops: Hops of the trees.
        alike: Whether scores gain by how alike the graph makes two items; never where it makes none alike.
        cross_attention: Whether the decoder attends to the knowledge of the items read.
        pooling: Which states of a tree make its vector.
    """

    reads: Literal["facts", "tree"]
    first_item: int
    hops: int
    alike: bool
    cross_attention: bool
    pooling: Literal["own", "tree"] = "own"


@dataclass
class SequenceState:
    """A fitted model and what it reads.

    Attributes:
        model: The model.
        tokenizer: Of the MPP's words and of the triplet prompts.
        knowledge: Item trees and their tokens.
        facts: The same prompts as numbers.
        names: Tokens of every item's name.
        shape: What the model is made of.
        words: Tokens before the history, one row a template, filled up on the left; the last is asked with.
        history: Latest items that are read.
        max_tokens: Budget of an item's tree.
        vectors: Vectors and knowledge of the catalogue by the weights of the moment, once asked for.
        alike: Weighted pairs of items that the graph makes alike, ``(n, n)``, once asked for.
        holders: Items by the facts they hold, once asked for.
    """

    model: SequenceT5
    tokenizer: PhraseTokenizer | SubwordTokenizer
    knowledge: CompiledKnowledge
    facts: PromptFacts
    names: TokenPool
    shape: Shape
    words: list[list[int]]
    history: int
    max_tokens: int
    vectors: tuple[torch.Tensor, torch.Tensor] | None = None
    alike: sp.csr_matrix | None = None
    holders: Holders | None = None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.trained.device

    def assembler(self, variants: ItemTrees | None = None, items: NDArray[np.int64] | None = None) -> TreeAssembler:
        """Lays out the trees of the catalogue, or variants of the trees of some items.

        Args:
            variants: Other trees, one a row of ``items``.
            items: ``(E,)`` catalogue rows.
        """
        tokenizer = self.tokenizer
        names = self.names if items is None else self.names.taken(items)
        return TreeAssembler(
            self.knowledge if variants is None else self.knowledge.with_trees(variants),
            names,
            max_tokens=self.max_tokens,
            pad_id=tokenizer.pad_id,
            own=names.ids if isinstance(tokenizer, PhraseTokenizer) else None,
            stand_in=tokenizer.mask_id,
        )

    def read_knowledge(self, knowledge: CompiledKnowledge, facts: PromptFacts) -> None:
        """Go on with other item trees or prompts."""
        self.knowledge, self.facts = knowledge, facts
        around = facts.around(knowledge.trees)
        if isinstance(self.model.knowledge, FactBag):
            self.model.knowledge.use(around)
        if self.model.graph_similarity is not None:
            self.model.graph_similarity.use(Alikeness.of(around), around.n_items)
        self.forget()

    def forget(self) -> None:
        """Vectors are computed anew when next asked for: weights or knowledge have changed."""
        self.vectors = self.alike = self.holders = None

    @torch.inference_mode()
    def current(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors and knowledge of the catalogue, both ``(n, d)``, by the weights of the moment; kept."""
        if self.vectors is None:
            self.model.eval()
            if isinstance(self.model.knowledge, TreeTable):
                self.encode_all(self.model.knowledge)
            self.vectors = self.model.item_vectors()
        return self.vectors

    def seen(self, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """How alike the graph makes every item to what was read, ``(B, n)``, later items weighted more.

        Args:
            items: ``(B, L)`` items read, -1 on the right where a row is shorter.
        """
        head = self.model.graph_similarity
        assert head is not None
        if self.alike is None:
            with torch.inference_mode():
                values = (head.value * head.kinds[head.pair_kind]).cpu().numpy()
            shape = (head.n_items, head.n_items)
            self.alike = sp.csr_matrix((values, head.other.cpu().numpy(), head.indptr.cpu().numpy()), shape=shape)
        there = items >= 0
        row, place = np.nonzero(there)
        age = there.sum(axis=1)[row] - 1 - place
        weights = (float(head.decay) ** age).astype(np.float32)
        read = sp.csr_matrix((weights, (row, items[there])), shape=(len(items), head.n_items))
        summed: NDArray[np.float32] = (read @ self.alike).toarray()
        return summed

    def encode_all(self, table: TreeTable) -> None:
        """Encode every item's tree once."""
        assembler, n = self.assembler(), self.model.n_items
        for first in range(0, n, _TREE_BATCH):
            rows = np.arange(first, min(first + _TREE_BATCH, n))
            tensors = {k: v.to(self.device) for k, v in tree_tensors(rows, assembler.assemble(rows)).items()}
            table.keep(self.model.tree, TreeTokens(**tensors))

    def save(self, folder: Path) -> None:
        """Write weights, item vectors, tokenizer and compiled knowledge into ``folder``."""
        vectors, knowledge = (tensor.cpu().contiguous() for tensor in self.current())
        safetensors.torch.save_model(self.model, str(folder / WEIGHTS))
        safetensors.torch.save_file({"items": vectors, "knowledge": knowledge}, str(folder / _VECTORS))
        self.model.tree.config.save_pretrained(folder / "t5")
        (folder / "tokenizer").mkdir(exist_ok=True)
        self.tokenizer.save(folder / "tokenizer")
        self.knowledge.save(folder / "knowledge")
        self.facts.save(folder / "facts")
        self.names.save(folder / "names")
        described = {
            "words": self.words,
            "history": self.history,
            "max_tokens": self.max_tokens,
            "shape": asdict(self.shape),
        }
        (folder / _DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")


def build_state(options: SequenceOptions, task: FitTask) -> SequenceState:
    """A model that has learnt nothing yet, and all it reads.

    Raises:
        ConfigError: There is no such checkpoint, or options that do not go together.
        PromptTooLongError: An item's name does not fit into ``tree.max_tokens``.
    """
    source, items, n = task.knowledge, task.catalogue.item_of_entity(), len(task.catalogue)
    trees = task.knowledge_change(source.trees(0))
    templates = (*training_templates(source.pack, task.config.prompts.mpp), asking_template(task))
    reads = _reads(options)
    tokenizer = build_tokenizer(options, source, templates, items, words_only=reads == "facts")
    knowledge = CompiledKnowledge(trees, prompt_tokens(source, tokenizer, reads), source.pool.keys)
    later = [str(entity) for entity in source.neighbourhoods.ids] if source.varies else []
    facts = PromptFacts.of(source.pool, items, n, more=later)
    around = facts.around(trees)
    pairs = Alikeness.of(around) if options.graph_similarity else None
    alike = pairs is not None and len(pairs.other) > 0
    shape = Shape(reads, tokenizer.size, task.config.tree.hops, alike, options.cross_attention, options.pooling)
    t5, fresh = build_t5(options, tokenizer, task), options.checkpoint is None
    if fresh:
        torch.nn.init.normal_(t5.shared.weight, std=_TOKEN_STD)
    trained = torch.from_numpy(np.bincount(task.split.train.items, minlength=n) > 0).float()
    model = build_model(t5, trained, around, pairs, shape, fresh=fresh)
    words = _aligned([_words(template, tokenizer) for template in templates], tokenizer.pad_id)
    names = item_names(task.catalogue, tokenizer)
    history, budget = task.config.data.history or options.default_history, task.config.tree.max_tokens
    return SequenceState(model, tokenizer, knowledge, facts, names, shape, words, history, budget)


def load_state(folder: Path, options: SequenceOptions) -> SequenceState:
    """Read what :meth:`SequenceState.save` wrote.

    Raises:
        RunError: A file is missing or damaged, or a weight is not a number.
    """
    try:
        described = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        facts = PromptFacts.load(folder / "facts")
        knowledge = CompiledKnowledge.load(folder / "knowledge")
        tokenizer = load_tokenizer(folder / "tokenizer")
        shape, around = Shape(**described["shape"]), facts.around(knowledge.trees)
        pairs = Alikeness.of(around) if shape.alike else None
        trained = torch.zeros(facts.n_items)  # read with the weights
        model = build_model(saved_t5(folder, options), trained, around, pairs, shape, fresh=True)
        safetensors.torch.load_model(model, str(folder / WEIGHTS))
        saved = safetensors.torch.load_file(str(folder / _VECTORS))
        vectors = (saved["items"], saved["knowledge"])
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    device = to_device(model, folder, *vectors)
    state = SequenceState(
        model,
        tokenizer,
        knowledge,
        facts,
        TokenPool.load(folder / "names"),
        shape,
        words=described["words"],
        history=described["history"],
        max_tokens=described["max_tokens"],
    )
    state.vectors = (vectors[0].to(device), vectors[1].to(device))
    return state


def build_model(
    t5: T5ForConditionalGeneration,
    trained: torch.Tensor,
    facts: ItemFacts,
    pairs: Alikeness | None,
    shape: Shape,
    *,
    fresh: bool,
) -> SequenceT5:
    """The module around a T5.

    Args:
        t5: Its vocabulary already holds the item tokens.
        trained: ``(n,)`` 1 for items with training events.
        facts: Facts around every item.
        pairs: Items that they make alike, where ``shape.alike`` asks for them.
        shape: What to build.
        fresh: Whether ``t5`` starts from random weights.
    """
    width = t5.config.d_model
    knowledge: FactBag | TreeTable
    if shape.reads == "tree":
        knowledge = TreeTable(facts.n_items, width, shape.pooling)
    else:
        knowledge = FactBag(facts, width, shape.hops)
    alike = AlikeHead(pairs, facts.n_relations, facts.n_items) if shape.alike and pairs is not None else None
    tree = TreeT5(t5, fresh=fresh)
    return SequenceT5(tree, shape.first_item, trained, knowledge, alike, cross_attention=shape.cross_attention)


def prompt_tokens(
    source: KnowledgeSource,
    tokenizer: PhraseTokenizer | SubwordTokenizer,
    reads: Literal["facts", "tree"],
    first: int = 0,
) -> TokenPool:
    """Tokens of each prompt from number ``first`` on where trees are read; where facts are, no prompt has any."""
    if reads == "tree":
        return source.tokens(tokenizer, first)
    none = np.zeros(len(source.pool) - first + 1, np.int64)
    return TokenPool(np.zeros(0, np.int32), np.zeros(0, np.bool_), none)


def item_names(catalogue: Catalogue, tokenizer: PhraseTokenizer | SubwordTokenizer) -> TokenPool:
    """Tokens of every item's name at the root of its tree: its own token among phrases, else its title's pieces."""
    n = len(catalogue)
    if isinstance(tokenizer, PhraseTokenizer):
        ids = np.arange(tokenizer.size, tokenizer.size + n, dtype=np.int32)
        return TokenPool(ids, np.ones(n, dtype=np.bool_), np.arange(n + 1, dtype=np.int64))
    encoded = [tokenizer.encode((Segment(str(name), "text"),)) for name in catalogue.names]
    unknown = np.array([tokenizer.eos_id], dtype=np.int32)  # a name without a single piece
    return TokenPool.of([(e.ids, e.starts) if len(e.ids) else (unknown, np.array([True])) for e in encoded])


@torch.no_grad()
def grow_items(model: SequenceT5, new: int) -> None:
    """Give a model ``new`` more items: tokens of zero, never trained, no knowledge yet."""
    n, t5 = model.n_items, model.tree.t5
    last = model.first_item + n + new
    old = t5.shared.weight
    table = torch.nn.Embedding(max(last, len(old)), old.shape[1]).to(old)
    table.weight[: len(old)] = old
    table.weight[last - new : last] = 0
    t5.set_input_embeddings(table)
    t5.config.vocab_size = len(table.weight)
    model.trained = torch.cat([model.trained, model.trained.new_zeros(new)])
    if isinstance(model.knowledge, TreeTable):
        model.knowledge.grow(new)


def tree_tensors(items: NDArray[np.int64], batch: Batch) -> dict[str, torch.Tensor]:
    """Fields of :class:`~kptoolkit.models.t5.sequence.item_encoders.TreeTokens`."""
    return {
        "items": torch.from_numpy(items),
        "input_ids": torch.from_numpy(batch.input_ids).long(),
        "node": torch.from_numpy(batch.node),
        "parent": torch.from_numpy(batch.parent),
        "whole_word": torch.from_numpy(batch.whole_word).long(),
    }


def _reads(options: SequenceOptions) -> Literal["facts", "tree"]:
    if options.knowledge == "facts" or (options.knowledge == "auto" and options.checkpoint is None):
        return "facts"
    return "tree"


def _words(template: MppTemplate, tokenizer: PhraseTokenizer | SubwordTokenizer) -> list[int]:
    """Tokens of an MPP's own words before the history; the user is not named."""
    before = template.parts[: template.parts.index(Slot.HISTORY)]
    encoded = [tokenizer.encode((Segment(part, "text"),)).ids for part in before if isinstance(part, str)]
    return [int(token) for ids in encoded for token in ids]


def _aligned(rows: list[list[int]], pad: int) -> list[list[int]]:
    """Rows of one length, filled up on the left."""
    width = max(map(len, rows))
    return [[pad] * (width - len(row)) + row for row in rows]
