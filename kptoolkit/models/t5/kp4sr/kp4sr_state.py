"""What a fitted ``kp4sr`` model consists of: how it is built, saved and loaded, and how it reads prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.errors import RunError
from kptoolkit.knowledge.batches.batch import Batch
from kptoolkit.knowledge.batches.prompt_batches import PromptAssembler
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.base import UNREADABLE, chunks, saved_t5, to_device, unreadable
from kptoolkit.models.t5.building import build_t5, build_tokenizer, recommending_template, training_templates
from kptoolkit.models.t5.kp4sr.item_index import ItemIndex, build_index, index_names
from kptoolkit.models.t5.kp4sr.string_decoder import StringDecoder
from kptoolkit.models.t5.kp4sr.trie import Trie
from kptoolkit.models.t5.options import Kp4srOptions
from kptoolkit.models.t5.start_weights import NamedRows, token_rows
from kptoolkit.models.t5.t5_backend import WEIGHTS
from kptoolkit.models.t5.tokenizers import ModelTokenizer, load_tokenizer
from kptoolkit.models.t5.tree_t5 import TreeT5
from kptoolkit.prompts import MppTemplate, Segment

_TOKEN_TABLES = ("t5.shared.weight", "t5.lm_head.weight")
Prompts = Callable[[NDArray[np.int64]], Batch]
"""Gives the prompts of the cases with these numbers."""


@dataclass
class Kp4srState:
    """A fitted model and what it reads.

    Attributes:
        model: The model.
        tokenizer: Of the prompts.
        assembler: Assembles the prompts of histories.
        templates: MPP templates; recommendations use the last, training the others.
        user_tokens: Tokens of every user's id.
        index: The string of tokens of each item.
    """

    model: TreeT5
    tokenizer: ModelTokenizer
    assembler: PromptAssembler
    templates: tuple[MppTemplate, ...]
    user_tokens: TokenPool
    index: ItemIndex

    @property
    def n_items(self) -> int:
        """Catalogue size."""
        return len(self.index)

    @property
    def start(self) -> tuple[int, int]:
        """The tokens before an item's string."""
        return self.model.config.decoder_start_token_id, self.tokenizer.sentinels[0]

    @cached_property
    def trie(self) -> Trie:
        """The items' strings, each closed by the second sentinel."""
        return self.index.trie(self.tokenizer.sentinels[1])

    def decoder(self) -> StringDecoder:
        """Create a decoder of the items' strings that uses the current weights."""
        return StringDecoder(self.model.t5, self.trie, self.start, self.index.output_tokens(self.tokenizer.sentinels))

    def new_assembler(self, knowledge: CompiledKnowledge) -> PromptAssembler:
        """Create an assembler with the limits of this one's for other knowledge."""
        return PromptAssembler(
            knowledge,
            self.index.tokens,
            self.user_tokens,
            self.templates,
            self.tokenizer,
            max_tokens=self.assembler.max_tokens,
            history=self.assembler.history,
        )

    def with_template(self, template: MppTemplate) -> Kp4srState:
        """Return this model with prompts by another template alone."""
        assembler = PromptAssembler(
            self.assembler.knowledge,
            self.index.tokens,
            self.user_tokens,
            (template,),
            self.tokenizer,
            max_tokens=self.assembler.max_tokens,
            history=self.assembler.history,
        )
        return replace(self, assembler=assembler, templates=(template,))

    def prompts(self, cases: Cases, rows: NDArray[np.int64]) -> Batch:
        """Assemble the prompts of some of the cases with the template that recommendations use."""
        template = np.full(len(rows), len(self.templates) - 1)
        return self.assembler.assemble(cases.user[rows], cases.histories.take(rows), template)

    def scores(self, count: int, prompts: Prompts) -> NDArray[np.float32]:
        """Log-likelihood of every item after each of ``count`` prompts, ``(count, n_items)``.

        One decoder step where an item is one token; else that of the item's whole string, its end included.
        """
        out = np.empty((count, self.n_items), dtype=np.float32)
        decoder = None if self.index.kind == "token" else self.decoder()
        for rows, states, real in self.encode(count, prompts):
            with torch.inference_mode():
                scores = decoder.scores(states, real) if decoder else self._token_scores(states, real)
            out[rows] = scores.cpu().numpy()
        return out

    def encode(self, count: int, prompts: Prompts) -> Iterator[tuple[NDArray[np.int64], torch.Tensor, torch.Tensor]]:
        """Encode prompts in chunks.

        Yields:
            Their numbers, states ``(B, L, D)``, and mask of real tokens ``(B, L)``.
        """
        self.model.eval()
        device = next(self.model.parameters()).device
        for rows in chunks(np.arange(count), device):
            tensors = prompt_tensors(prompts(rows), device)
            with torch.inference_mode():
                states = self.model.encode(**tensors)
            yield rows, states, tensors["node"] >= 0

    def _token_scores(self, states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Log-likelihoods of items that are one token, ``(B, n_items)``."""
        start = torch.tensor([self.start], device=states.device).expand(len(states), -1)
        decoded = self.model.decode(states, real, start)[:, 1]  # (B, D)
        outputs = self.model.outputs
        assert outputs is not None
        likely = nn.functional.linear(decoded, self.model.t5.lm_head.weight[outputs]).float().log_softmax(-1)  # (B, S)
        return likely[:, outputs >= self.tokenizer.size]

    def named_rows(self, catalogue: Catalogue) -> NamedRows:
        """What the rows of the token tables stand for; strings of several tokens are those of this catalogue alone.

        Args:
            catalogue: The catalogue that the model is for.
        """
        items = self.n_items if self.index.kind == "token" else 0
        tables = {name: len(weight) for name, weight in self.model.named_parameters() if name in _TOKEN_TABLES}
        return {name: token_rows(self.tokenizer, catalogue, items, rows) for name, rows in tables.items()}

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer, compiled knowledge and templates into ``folder``."""
        safetensors.torch.save_model(self.model, str(folder / WEIGHTS))
        self.model.config.save_pretrained(folder / "t5")
        (folder / "tokenizer").mkdir(exist_ok=True)
        self.tokenizer.save(folder / "tokenizer")
        self.assembler.knowledge.save(folder / "knowledge")
        self.user_tokens.save(folder / "users")
        self.index.save(folder / "index")
        templates = [template.to_dict() for template in self.templates]
        described = {
            "n_items": self.n_items,
            "max_tokens": self.assembler.max_tokens,
            "history": self.assembler.history,
            "templates": templates,
        }
        (folder / "prompts.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")


def build_state(options: Kp4srOptions, task: FitTask) -> Kp4srState:
    """Create an untrained model for a task, and all it reads.

    Raises:
        ConfigError: There is no such checkpoint, or some options do not go together.
        PromptTooLongError: One history item does not fit into ``tree.max_tokens``.
    """
    source, kind = task.knowledge, options.index
    trees = task.knowledge_change(source.trees(0))
    templates = (*training_templates(source.pack, task.config.prompts.mpp), recommending_template(task))
    items = task.catalogue.item_of_entity() if kind == "token" else {}
    tokenizer = build_tokenizer(options, source, templates, items, names=index_names(kind, task))
    index = build_index(kind, task, tokenizer)
    knowledge = CompiledKnowledge(trees, source.tokens(tokenizer), source.pool.keys)
    users = [tokenizer.encode((Segment(str(user), "text"),)) for user in task.user_ids]
    user_tokens = TokenPool.of([(entry.ids, entry.starts) for entry in users])
    limits = {
        "max_tokens": task.config.tree.max_tokens,
        "history": task.config.data.history or options.default_history,
    }
    assembler = PromptAssembler(knowledge, index.tokens, user_tokens, templates, tokenizer, **limits)
    t5 = build_t5(options, tokenizer, task, index.symbols, lambda names: index.pieces(names, tokenizer.size))
    model = TreeT5(
        t5,
        fresh=options.checkpoint is None,
        output_tokens=index.output_tokens(tokenizer.sentinels),
        mask=options.mask,
        entities_from=tokenizer.entities_from,
    )
    model.negatives = options.negatives
    return Kp4srState(model, tokenizer, assembler, templates, user_tokens, index)


def load_state(folder: Path, options: Kp4srOptions) -> Kp4srState:
    """Read what :meth:`Kp4srState.save` wrote.

    Raises:
        RunError: A file is missing or damaged, a weight is not a number, or the item index is another.
    """
    try:
        described = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
        tokenizer = load_tokenizer(folder / "tokenizer")
        index = ItemIndex.load(folder / "index", tokenizer.size, described["n_items"])
        output = index.output_tokens(tokenizer.sentinels)
        t5 = saved_t5(folder, options)
        entities = tokenizer.entities_from
        model = TreeT5(t5, fresh=True, output_tokens=output, mask=options.mask, entities_from=entities)
        safetensors.torch.load_model(model, str(folder / WEIGHTS))
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    if index.kind != options.index:
        raise RunError(f"{folder} was trained with model.index = '{index.kind}', not '{options.index}'")
    to_device(model, folder)
    users = TokenPool.load(folder / "users")
    templates = tuple(MppTemplate(**entry) for entry in described["templates"])
    knowledge = CompiledKnowledge.load(folder / "knowledge")
    limits = {"max_tokens": described["max_tokens"], "history": described["history"]}
    assembler = PromptAssembler(knowledge, index.tokens, users, templates, tokenizer, **limits)
    return Kp4srState(model, tokenizer, assembler, templates, users, index)


def prompt_tensors(batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    """The prompts of a batch as arguments of :meth:`TreeT5.encode`, each ``(B, L)``."""
    return {
        "input_ids": torch.from_numpy(batch.input_ids).to(device).long(),
        "node": torch.from_numpy(batch.node).to(device),
        "parent": torch.from_numpy(batch.parent).to(device),
        "whole_word": torch.from_numpy(batch.whole_word).to(device).long(),
    }
