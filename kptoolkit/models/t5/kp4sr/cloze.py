"""The objective ``cloze``: T5 names the masked item of a prompt under the tree mask (KP4SR, arXiv 2308.08459)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from transformers.modeling_outputs import BaseModelOutput

from kptoolkit.data.buckets import bucketed
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.windows import Windows
from kptoolkit.errors import RunError
from kptoolkit.knowledge.batch import Batch
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_batches import PromptAssembler
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitResult, FitTask
from kptoolkit.models.t5.base import UNREADABLE, WEIGHTS, Objective, chunks, made_ready, saved_t5, unreadable
from kptoolkit.models.t5.building import (
    asking_template,
    build_t5,
    build_tokenizer,
    training_templates,
)
from kptoolkit.models.t5.kp4sr.item_index import IGNORED, ItemIndex, build_index, index_names
from kptoolkit.models.t5.kp4sr.string_decoder import StringDecoder
from kptoolkit.models.t5.kp4sr.trie import Trie
from kptoolkit.models.t5.options import T5Options
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer, load_tokenizer
from kptoolkit.models.t5.tree_t5 import TreeT5
from kptoolkit.models.training import Epochs, train_and_report
from kptoolkit.prompts import MppTemplate, Segment

_ORDER = 1
"""Sets the draws of the order apart from those of the windows, under the same seed and epoch."""


@dataclass
class _Fitted:
    """What :meth:`Cloze.score` needs."""

    model: TreeT5
    tokenizer: PhraseTokenizer | SubwordTokenizer
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
        """Decodes the items' strings by the weights of the moment."""
        return StringDecoder(self.model.t5, self.trie, self.start, self.index.spoken(self.tokenizer.sentinels))


class Cloze(Objective[_Fitted]):
    """Learns to name the masked item of a prompt whose history items carry their knowledge trees."""

    def fit(self, task: FitTask) -> FitResult:
        """Train on one random window of every history an epoch; keep the weights best on validation.

        Raises:
            TrainingError: The loss is not a number.
            PromptTooLongError: One history item does not fit into ``tree.max_tokens``.
        """
        self._fitted = self._build(task)
        feed = _Feed(self._fitted, task)
        data = Epochs(len(feed.windows), feed.start_epoch, feed.order if self.options.buckets else None)
        return train_and_report(self._fitted.model, data, feed.collate, self.score, task, feed.figures)

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item behind the first sentinel, ``(N, n_items)``.

        One decoder step where an item is a token; else that of the item's whole string, its end included.
        """
        state = self.fitted
        out = np.empty((len(cases), state.n_items), dtype=np.float32)
        decoder = None if state.index.kind == "token" else state.decoder()
        for rows, states, real in self._encode(cases):
            with torch.inference_mode():
                scores = decoder.scores(states, real) if decoder else self._token_scores(states, real)
            out[rows] = scores.cpu().numpy()
        return out

    def beam_search(self, cases: Cases, k: int, beams: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The paper's way to recommend: items found by beam search over the strings of the catalogue, best first.

        The history's items are not offered. There are ``k`` different items, or all outside the history.

        Returns:
            Items and their log-likelihoods, both ``(N, k)``; -1 and -inf fill up. The best ``k`` of ``beams`` beams, of
            ``k`` where ``beams`` is less.
        """
        state = self.fitted
        found = np.full((len(cases), k), -1, dtype=np.int64)
        scores = np.full((len(cases), k), -np.inf, dtype=np.float32)
        width, decoder = min(max(k, beams), state.n_items), state.decoder()
        for rows, states, real in self._encode(cases):
            items, values = decoder.beam_search(states, real, cases.histories.take(rows), width)
            take = min(k, items.shape[1])
            found[rows, :take] = items[:, :take].cpu().numpy()
            scores[rows, :take] = values[:, :take].cpu().numpy()
        return found, scores

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model, e.g. take it away to see how far the model relies on it."""
        state = self.fitted
        state.assembler.use(state.assembler.knowledge.with_trees(change(state.assembler.trees)))

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer, compiled knowledge and templates into ``folder``."""
        state = self.fitted
        safetensors.torch.save_model(state.model, str(folder / WEIGHTS))
        state.model.config.save_pretrained(folder / "t5")
        (folder / "tokenizer").mkdir(exist_ok=True)
        state.tokenizer.save(folder / "tokenizer")
        state.assembler.knowledge.save(folder / "knowledge")
        state.user_tokens.save(folder / "users")
        state.index.save(folder / "index")
        templates = [
            {"id": t.id, "split": t.split, "text": t.text, "separator": t.separator, "last_separator": t.last_separator}
            for t in state.templates
        ]
        described = {
            "n_items": state.n_items,
            "max_tokens": state.assembler.max_tokens,
            "history": state.assembler.history,
            "templates": templates,
        }
        (folder / "prompts.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, options: T5Options) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged, a weight is not a number, or the items are called otherwise.
        """
        try:
            described = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
            tokenizer = load_tokenizer(folder / "tokenizer")
            index = ItemIndex.load(folder / "index", tokenizer.size, described["n_items"])
            model = TreeT5(saved_t5(folder, options), fresh=True, spoken=index.spoken(tokenizer.sentinels))
            safetensors.torch.load_model(model, str(folder / WEIGHTS))
        except UNREADABLE as error:
            raise unreadable(folder, error) from error
        if index.kind != options.index:
            raise RunError(f"{folder} was trained with model.index = '{index.kind}', not '{options.index}'")
        made_ready(model, folder)
        users = TokenPool.load(folder / "users")
        templates = tuple(MppTemplate(**entry) for entry in described["templates"])
        knowledge = CompiledKnowledge.load(folder / "knowledge")
        backend = cls(options)
        limits = {"max_tokens": described["max_tokens"], "history": described["history"]}
        assembler = PromptAssembler(knowledge, index.tokens, users, templates, tokenizer, **limits)
        backend._fitted = _Fitted(model, tokenizer, assembler, templates, users, index)
        return backend

    def _build(self, task: FitTask) -> _Fitted:
        source, kind = task.knowledge, self.options.index
        trees = task.knowledge_change(source.trees(0))
        templates = (*training_templates(source.pack, task.config.prompts.mpp), asking_template(task))
        items = task.catalogue.item_of_entity() if kind == "token" else {}
        tokenizer = build_tokenizer(self.options, source, templates, items, names=index_names(kind, task))
        index = build_index(kind, task, tokenizer)
        knowledge = CompiledKnowledge(trees, source.tokens(tokenizer), source.pool.sentences)
        users = [tokenizer.encode((Segment(str(user), "text"),)) for user in task.user_ids]
        user_tokens = TokenPool.of([(entry.ids, entry.starts) for entry in users])
        limits = {
            "max_tokens": task.config.tree.max_tokens,
            "history": task.config.data.history or self.options.default_history,
        }
        assembler = PromptAssembler(knowledge, index.tokens, user_tokens, templates, tokenizer, **limits)
        t5, spoken = build_t5(self.options, tokenizer, task, index), index.spoken(tokenizer.sentinels)
        model = TreeT5(t5, fresh=self.options.checkpoint is None, spoken=spoken)
        return _Fitted(model, tokenizer, assembler, templates, user_tokens, index)

    def prompts(self, cases: Cases, rows: NDArray[np.int64]) -> Batch:
        """The prompts that some of the cases are asked with."""
        state = self.fitted
        template = np.full(len(rows), len(state.templates) - 1)
        return state.assembler.assemble(cases.user[rows], cases.histories.take(rows), template)

    def _token_scores(self, states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Log-likelihoods of items that are one token, ``(B, n_items)``."""
        state = self.fitted
        decoded = state.model.t5(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=real,
            decoder_input_ids=torch.tensor([state.start], device=states.device).expand(len(states), -1),
            use_cache=False,
        )
        likely: torch.Tensor = decoded.logits[:, 1, :].float().log_softmax(-1)  # (B, V)
        return likely[:, state.tokenizer.size : state.tokenizer.size + state.n_items]

    def _encode(self, cases: Cases) -> Iterator[tuple[NDArray[np.int64], torch.Tensor, torch.Tensor]]:
        """Encoder states of cases in chunks: rows, states ``(B, L, D)``, mask of real tokens ``(B, L)``."""
        state = self.fitted
        state.model.eval()
        device = next(state.model.parameters()).device
        for rows in chunks(np.arange(len(cases)), device):
            tensors = _tensors(self.prompts(cases, rows), device)
            with torch.inference_mode():
                states = state.model.encode(**tensors)
            yield rows, states, tensors["node"] >= 0


class _Feed:
    """Gives the Trainer its batches and counts what the budget left out."""

    def __init__(self, state: _Fitted, task: FitTask) -> None:
        self.state, self.task = state, task
        self.histories: Histories = task.split.train
        self.windows = Windows.of(
            self.histories, seed=task.config.training.seed, templates=max(1, len(state.templates) - 1)
        )
        self.position, self.template = self.windows.draw(0)
        self.assembler = state.assembler
        self.prompts = self.tokens = self.places = self.left_out = 0

    def figures(self) -> dict[str, float]:
        """Tokens a prompt, the share of padding, and triplets a prompt that the budget left out, so far."""
        prompts = max(1, self.prompts)
        return {
            "tokens_a_prompt": self.tokens / prompts,
            "padding": 1 - self.tokens / max(1, self.places),
            "triplets_left_out_a_prompt": self.left_out / prompts,
        }

    def start_epoch(self, epoch: int) -> None:
        """Draw the epoch's windows, and its knowledge where it varies."""
        self.position, self.template = self.windows.draw(epoch)
        source = self.task.knowledge
        if source.varies:
            known = len(source.pool)
            trees = self.task.knowledge_change(source.trees(epoch))
            knowledge = self.assembler.knowledge
            new = source.tokens(self.state.tokenizer, known)
            if self.assembler is self.state.assembler:
                limits = {"max_tokens": self.assembler.max_tokens, "history": self.assembler.history}
                self.assembler = PromptAssembler(
                    knowledge,
                    self.state.index.tokens,
                    self.state.user_tokens,
                    self.state.templates,
                    self.state.tokenizer,
                    **limits,
                )
            self.assembler.use(CompiledKnowledge(trees, knowledge.pool.joined(new)))

    def order(self, epoch: int, together: int) -> NDArray[np.int64]:
        """The epoch's samples, those of similar prompt length next to each other; see :func:`bucketed`."""
        lengths = self.assembler.lengths_at_most(self.windows.users, self.histories, self.position, self.template)
        return bucketed(lengths, together, np.random.default_rng([self.windows.seed, epoch, _ORDER]))

    def collate(self, samples: list[int]) -> dict[str, torch.Tensor]:
        """Tensors of one batch: prompts, decoder inputs and labels."""
        chosen = np.array(samples)
        users, position = self.windows.users[chosen], self.position[chosen]
        history = self.histories.before(position, users)
        batch = self.assembler.assemble(users, history, self.template[chosen])
        self.prompts += len(samples)
        self.tokens += int((batch.node >= 0).sum())
        self.places += batch.node.size
        self.left_out += batch.left_out
        target = self.histories.items[self.histories.indptr[users] + position]
        return _tensors(batch, torch.device("cpu")) | self._targets(target)

    def _targets(self, items: NDArray[np.int32]) -> dict[str, torch.Tensor]:
        labels = torch.from_numpy(self.state.index.labels(items, self.state.tokenizer.sentinels))
        shifted = torch.cat([torch.full_like(labels[:, :1], self.state.start[0]), labels[:, :-1]], dim=1)
        return {
            "decoder_input_ids": shifted.masked_fill(shifted == IGNORED, self.state.tokenizer.pad_id),
            "labels": labels,
        }


def _tensors(batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.from_numpy(batch.input_ids).to(device).long(),
        "node": torch.from_numpy(batch.node).to(device),
        "parent": torch.from_numpy(batch.parent).to(device),
        "whole_word": torch.from_numpy(batch.whole_word).to(device).long(),
    }
