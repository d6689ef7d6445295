"""What a fitted ``sequence`` model consists of, and how it is built."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from kptoolkit.config import PartsConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.data.slices import padded
from kptoolkit.errors import ConfigError
from kptoolkit.knowledge.batches.batch import Batch
from kptoolkit.knowledge.batches.tree_batches import TreeAssembler
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import ItemFacts, PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.base import UNREADABLE, chunks, saved_t5, to_device, unreadable
from kptoolkit.models.t5.building import build_t5, build_tokenizer, recommending_template, training_templates
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.sequence.item_encoders import Pooling, Reads, TreeTokens, build_item_encoder
from kptoolkit.models.t5.sequence.sequence_model import SequenceT5
from kptoolkit.models.t5.sequence.vector_scorer import DESCRIPTION, VECTORS
from kptoolkit.models.t5.start_weights import NamedRows, RowName, token_rows
from kptoolkit.models.t5.t5_backend import WEIGHTS
from kptoolkit.models.t5.tokenizers import ModelTokenizer, load_tokenizer
from kptoolkit.models.t5.tree_t5 import TreeT5
from kptoolkit.models.text.text_vectors import whitened_vectors
from kptoolkit.prompts import MppTemplate, Segment, Slot
from kptoolkit.tree.visibility import MaskKind

_TREE_BATCH = 256
_TOKEN_STD = 0.05
"""Of fresh token embeddings; 0.3 made no difference (docs/results.md), other values were not compared."""


@dataclass(frozen=True)
class ModelParts:
    """The parts of a model other than its T5.

    Attributes:
        reads: A bag of facts, or trees of triplet prompts.
        first_item: Token of catalogue row 0.
        hops: Hops of the facts, or of the trees, that are read.
        cross_attention: Whether the decoder attends to the knowledge of the items read.
        pooling: Which states of a tree make its vector.
        identity: Whether an item has a vector of its own and its name in its tree.
        mask: What a token of a tree attends to.
        text: Width of the vectors of text that are projected into the items' vectors; 0: none.
        text_encoder: The encoder that they are from.
        text_mask: Whether it reads under the tree mask.
        entities_from: The first token of a tree that is an entity, if any is.
    """

    reads: Reads
    first_item: int
    hops: int
    cross_attention: bool
    pooling: Pooling = "own"
    identity: bool = True
    mask: MaskKind = "tree"
    text: int = 0
    text_encoder: str | None = None
    text_mask: bool = True
    entities_from: int | None = None


@dataclass
class SequenceState:
    """A fitted model and what it reads.

    Attributes:
        model: The model.
        tokenizer: Of the MPP's words and of the triplet prompts.
        knowledge: Item trees and their tokens.
        facts: The facts that the same prompts state.
        names: Tokens of every item's name.
        parts: Parts of the model other than its T5.
        prefix_tokens: Tokens before the history, one row per template, padded on the left; the last row is for
            recommending.
        history: Latest items that are read.
        max_tokens: Budget of an item's tree.
        vectors: Vectors and knowledge of the catalogue by the current weights, once computed.
    """

    model: SequenceT5
    tokenizer: ModelTokenizer
    knowledge: CompiledKnowledge
    facts: PromptFacts
    names: TokenPool
    parts: ModelParts
    prefix_tokens: list[list[int]]
    history: int
    max_tokens: int
    vectors: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.model.trained.device

    def assembler(self, variants: ItemTrees | None = None, items: NDArray[np.int64] | None = None) -> TreeAssembler:
        """Create an assembler of the trees of the catalogue, or of other trees of some items.

        Args:
            variants: Other trees, one per row of ``items``.
            items: ``(E,)`` catalogue rows.
        """
        tokenizer = self.tokenizer
        names = self.names if items is None else self.names.take(items)
        return TreeAssembler(
            self.knowledge if variants is None else self.knowledge.with_trees(variants),
            names,
            max_tokens=self.max_tokens,
            pad_id=tokenizer.pad_id,
            own=names.ids if tokenizer.has_item_tokens else None,
            stand_in=tokenizer.mask_id,
        )

    def read_knowledge(self, knowledge: CompiledKnowledge, facts: PromptFacts) -> None:
        """Replace the item trees and prompts."""
        self.knowledge, self.facts = knowledge, facts
        around = facts.around(knowledge.trees)
        self.model.knowledge.use(around)
        self.forget()

    def forget(self) -> None:
        """Drop what was computed from weights and knowledge: they have changed."""
        self.vectors = None

    @torch.inference_mode()
    def current(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors and knowledge of the catalogue, both ``(n, d)``, by the current weights; computed once."""
        if self.vectors is None:
            self.model.eval()
            self.encode_catalogue()
            self.vectors = self.model.item_vectors()
        return self.vectors

    def encode_catalogue(self) -> None:
        """Encode the knowledge of every item by the current weights."""
        self.model.knowledge.update(self.model.tree, self.tree_batches())

    def tree_batches(
        self, variants: ItemTrees | None = None, items: NDArray[np.int64] | None = None
    ) -> Iterator[TreeTokens]:
        """Tokens of all trees, some at a time; arguments as in :meth:`assembler`."""
        assembler = self.assembler(variants, items)
        for first in range(0, assembler.n_items, _TREE_BATCH):
            rows = np.arange(first, min(first + _TREE_BATCH, assembler.n_items))
            tensors = {name: t.to(self.device) for name, t in tree_tensors(rows, assembler.assemble(rows)).items()}
            yield TreeTokens(**tensors)

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item as the next one, ``(N, n_items)``."""
        vectors, knowledge = self.current()
        prefix = torch.tensor(self.prefix_tokens[-1:], dtype=torch.long, device=self.device)  # (1, P)
        out = np.empty((len(cases), self.model.n_items), dtype=np.float32)
        by_length = np.argsort(cases.histories.lengths, kind="stable")
        for rows in chunks(by_length, self.device):
            items = padded(cases.histories.take(rows), self.history)
            with torch.inference_mode():
                states = self.model.read_last(vectors, knowledge, torch.from_numpy(items).to(self.device), prefix)
                logits = states @ vectors.T  # (B, n)
                out[rows] = logits.float().log_softmax(-1).cpu().numpy()
        return out

    def with_template(self, template: MppTemplate) -> SequenceState:
        """Return this model with the words of another template before histories."""
        return replace(self, prefix_tokens=[_prefix_tokens(template, self.tokenizer) or [self.tokenizer.pad_id]])

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Rank a catalogue that extends the trained one; arguments as in ``SequenceBackend.extend``."""
        items, trees = catalogue.item_of_entity(), source.trees(0)
        self.tokenizer = self.tokenizer.with_items(items)
        grow_items(self.model, len(catalogue) - self.model.n_items)
        self.names = item_names(catalogue, self.tokenizer, identity=self.parts.identity)
        compiled = CompiledKnowledge(trees, prompt_tokens(source, self.tokenizer, self.parts.reads), source.pool.keys)
        facts = PromptFacts.of(source.pool, items, len(catalogue), known=self.facts)
        if self.model.text is not None:
            settings = PartsConfig(text_encoder=self.parts.text_encoder, text_mask=self.parts.text_mask)
            text = torch.from_numpy(whitened_vectors(settings, catalogue, source, trees))
            self.model.text = text.to(self.device)
        self.read_knowledge(compiled, facts)

    def named_rows(self, catalogue: Catalogue) -> NamedRows:
        """What the rows of the tables of tokens, relations and entities stand for.

        Args:
            catalogue: The catalogue that the model is for.
        """
        tables: dict[str, Sequence[RowName]] = {
            "tree.t5.shared.weight": token_rows(
                self.tokenizer, catalogue, self.model.n_items, len(self.model.tree.t5.shared.weight)
            )
        }
        if self.parts.reads == "facts":
            hops = range(1, self.parts.hops + 1)
            tables["knowledge.gate"] = [("relation", name, str(hop)) for name in self.facts.relations for hop in hops]
            tables["knowledge.entities.weight"] = [("entity", name) for name in self.facts.entities]
        return tables

    def save(self, folder: Path) -> None:
        """Write weights, item vectors, tokenizer and compiled knowledge into ``folder``."""
        vectors, knowledge = (tensor.cpu().contiguous() for tensor in self.current())
        safetensors.torch.save_model(self.model, str(folder / WEIGHTS))
        safetensors.torch.save_file({"items": vectors, "knowledge": knowledge}, str(folder / VECTORS))
        self.model.tree.config.save_pretrained(folder / "t5")
        (folder / "tokenizer").mkdir(exist_ok=True)
        self.tokenizer.save(folder / "tokenizer")
        self.knowledge.save(folder / "knowledge")
        self.facts.save(folder / "facts")
        self.names.save(folder / "names")
        described = {
            "prefix_tokens": self.prefix_tokens,
            "history": self.history,
            "max_tokens": self.max_tokens,
            "parts": asdict(self.parts),
        }
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")


def build_state(options: SequenceOptions, task: FitTask) -> SequenceState:
    """Create an untrained model for a task, and all it reads.

    Raises:
        ConfigError: There is no such checkpoint, or some options do not go together.
        PromptTooLongError: An item's name does not fit into ``tree.max_tokens``.
    """
    source, items, n = task.knowledge, task.catalogue.item_of_entity(), len(task.catalogue)
    trees = task.knowledge_change(source.trees(0))
    templates = (*training_templates(source.pack, task.config.prompts.mpp), recommending_template(task))
    reads = options.reads
    tokenizer = build_tokenizer(options, source, templates, items, words_only=reads == "facts")
    knowledge = CompiledKnowledge(trees, prompt_tokens(source, tokenizer, reads), source.pool.keys)
    later = [str(entity) for entity in source.neighbourhoods.ids] if source.varies else []
    relations = source.neighbourhoods.relations if source.varies else []
    facts = PromptFacts.of(source.pool, items, n, more=later, more_relations=relations)
    around = facts.around(trees)
    text = _item_texts(options, task, trees)
    parts = ModelParts(
        reads=reads,
        first_item=tokenizer.size,
        hops=min(task.config.tree.hops, options.fact_hops) if reads == "facts" else task.config.tree.hops,
        cross_attention=options.cross_attention,
        pooling=options.pooling,
        identity=options.identity,
        mask=options.mask,
        text=0 if text is None else text.shape[1],
        text_encoder=task.config.parts.text_encoder,
        text_mask=task.config.parts.text_mask,
        entities_from=tokenizer.entities_from,
    )
    t5, fresh = build_t5(options, tokenizer, task, n), options.checkpoint is None
    if fresh:
        torch.nn.init.normal_(t5.shared.weight, std=_TOKEN_STD)
    trained = torch.from_numpy(np.bincount(task.split.train.items, minlength=n) > 0).float() * parts.identity
    model = build_model(t5, trained, around, parts, fresh=fresh)
    model.tree.negatives = options.negatives
    if text is not None:
        model.text = text
    prefix = _aligned([_prefix_tokens(template, tokenizer) for template in templates], tokenizer.pad_id)
    names = item_names(task.catalogue, tokenizer, identity=parts.identity)
    history, budget = task.config.data.history or options.default_history, task.config.tree.max_tokens
    return SequenceState(model, tokenizer, knowledge, facts, names, parts, prefix, history, budget)


def _item_texts(options: SequenceOptions, task: FitTask, trees: ItemTrees) -> torch.Tensor | None:
    """Vectors of the items' texts, ``(n, D)``, if the options ask for them."""
    if not options.text_vectors:
        return None
    if task.config.parts.text_encoder is None:
        raise ConfigError("setting model.text_vectors: there are no vectors of text without parts.text_encoder")
    return torch.from_numpy(whitened_vectors(task.config.parts, task.catalogue, task.knowledge, trees))


def load_state(folder: Path, options: SequenceOptions) -> SequenceState:
    """Read what :meth:`SequenceState.save` wrote.

    Raises:
        RunError: A file is missing or damaged, or a weight is not a number.
    """
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        facts = PromptFacts.load(folder / "facts")
        knowledge = CompiledKnowledge.load(folder / "knowledge")
        tokenizer = load_tokenizer(folder / "tokenizer")
        parts, around = ModelParts(**described["parts"]), facts.around(knowledge.trees)
        trained = torch.zeros(facts.n_items)  # read with the weights
        model = build_model(saved_t5(folder, options), trained, around, parts, fresh=True)
        safetensors.torch.load_model(model, str(folder / WEIGHTS))
        saved = safetensors.torch.load_file(str(folder / VECTORS))
        vectors = (saved["items"], saved["knowledge"])
        if {len(knowledge.trees), *map(len, vectors)} != {facts.n_items}:
            raise ValueError("the numbers of items differ")
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    device = to_device(model, folder, *vectors)
    state = SequenceState(
        model,
        tokenizer,
        knowledge,
        facts,
        TokenPool.load(folder / "names"),
        parts,
        prefix_tokens=described["prefix_tokens"],
        history=described["history"],
        max_tokens=described["max_tokens"],
    )
    state.vectors = (vectors[0].to(device), vectors[1].to(device))
    return state


def build_model(
    t5: T5ForConditionalGeneration,
    trained: torch.Tensor,
    facts: ItemFacts,
    parts: ModelParts,
    *,
    fresh: bool,
) -> SequenceT5:
    """Create the module around a T5.

    Args:
        t5: Its vocabulary already contains the item tokens.
        trained: ``(n,)`` 1 for items with training events.
        facts: Facts around every item.
        parts: Parts to build.
        fresh: Whether ``t5`` starts from random weights.
    """
    knowledge = build_item_encoder(parts.reads, facts, t5.config.d_model, parts.hops, parts.pooling)
    tree = TreeT5(t5, fresh=fresh, mask=parts.mask, entities_from=parts.entities_from)
    text = torch.zeros(len(trained), parts.text) if parts.text else None  # read with the weights, or set later
    return SequenceT5(tree, parts.first_item, trained, knowledge, cross_attention=parts.cross_attention, text=text)


def prompt_tokens(
    source: KnowledgeSource,
    tokenizer: ModelTokenizer,
    reads: Reads,
    first: int = 0,
) -> TokenPool:
    """Tokenize each prompt from number ``first`` on where trees are read; else each has no tokens."""
    if reads == "tree":
        return source.tokens(tokenizer, first)
    none = np.zeros(len(source.pool) - first + 1, np.int64)
    return TokenPool(none, np.zeros(0, np.int32), np.zeros(0, np.bool_))


def item_names(catalogue: Catalogue, tokenizer: ModelTokenizer, *, identity: bool = True) -> TokenPool:
    """Tokens of every item's name at the root of its tree: its own token with phrases, else its title's subwords.

    Args:
        catalogue: The n items.
        tokenizer: Of the prompts.
        identity: Without it, subwords of a title are replaced by one token that is the same for all items.
    """
    n = len(catalogue)
    if tokenizer.has_item_tokens:
        ids = np.arange(tokenizer.size, tokenizer.size + n, dtype=np.int32)
        return TokenPool(np.arange(n + 1, dtype=np.int64), ids, np.ones(n, dtype=np.bool_))
    if not identity:
        same = np.full(n, tokenizer.eos_id, dtype=np.int32)
        return TokenPool(np.arange(n + 1, dtype=np.int64), same, np.ones(n, dtype=np.bool_))
    encoded = [tokenizer.encode((Segment(str(name), "text"),)) for name in catalogue.names]
    unknown = np.array([tokenizer.eos_id], dtype=np.int32)  # a name without a single piece
    return TokenPool.of([(e.ids, e.starts) if len(e.ids) else (unknown, np.array([True])) for e in encoded])


@torch.no_grad()
def grow_items(model: SequenceT5, new: int) -> None:
    """Make room for ``new`` more items: untrained, with token vectors of zero and without knowledge."""
    n, t5 = model.n_items, model.tree.t5
    last = model.first_item + n + new
    old = t5.shared.weight
    table = torch.nn.Embedding(max(last, len(old)), old.shape[1]).to(old)
    table.weight[: len(old)] = old
    table.weight[last - new : last] = 0
    t5.set_input_embeddings(table)
    t5.config.vocab_size = len(table.weight)
    model.trained = torch.cat([model.trained, model.trained.new_zeros(new)])
    model.knowledge.grow(new)
    if model.text is not None:
        model.text = torch.cat([model.text, model.text.new_zeros(new, model.text.shape[1])])


def tree_tensors(items: NDArray[np.int64], batch: Batch) -> dict[str, torch.Tensor]:
    """Fields of :class:`~kptoolkit.models.t5.sequence.item_encoders.TreeTokens`."""
    return {
        "items": torch.from_numpy(items),
        "input_ids": torch.from_numpy(batch.input_ids).long(),
        "node": torch.from_numpy(batch.node),
        "parent": torch.from_numpy(batch.parent),
        "whole_word": torch.from_numpy(batch.whole_word).long(),
    }


def _prefix_tokens(template: MppTemplate, tokenizer: ModelTokenizer) -> list[int]:
    """Tokens of an MPP's own words before the history; the user is not named."""
    before = template.parts[: template.parts.index(Slot.HISTORY)]
    encoded = [tokenizer.encode((Segment(part, "text"),)).ids for part in before if isinstance(part, str)]
    return [int(token) for ids in encoded for token in ids]


def _aligned(rows: list[list[int]], pad: int) -> list[list[int]]:
    """Pad rows to one length on the left."""
    width = max(map(len, rows))
    return [[pad] * (width - len(row)) + row for row in rows]
