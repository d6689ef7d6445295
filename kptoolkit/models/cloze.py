"""The objective ``cloze``: T5 names the masked item of a prompt under the tree mask (KP4SR, arXiv 2308.08459)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from transformers.modeling_outputs import BaseModelOutput

from kptoolkit.data.buckets import bucketed
from kptoolkit.data.knowledge import CompiledKnowledge, ItemTrees, TokenPool, encode_prompts
from kptoolkit.data.samples import Batch, PromptAssembler, Windows
from kptoolkit.data.splits import Cases, Histories
from kptoolkit.models.backend import FitResult, FitTask
from kptoolkit.models.building import (
    asking_template,
    build_t5,
    build_tokenizer,
    training_templates,
)
from kptoolkit.models.objective import UNREADABLE, WEIGHTS, Objective, chunks, made_ready, saved_t5, unreadable
from kptoolkit.models.t5_model import TreeT5
from kptoolkit.models.t5_options import T5Options
from kptoolkit.models.tokenizers import PhraseTokenizer, SubwordTokenizer, load_tokenizer
from kptoolkit.models.training import Epochs, train_and_report
from kptoolkit.prompts import MppTemplate, Segment

_ORDER = 1
"""Sets the draws of the order apart from those of the windows, under the same seed and epoch."""
_IDLE_BEAM = -1e8
"""Beams that ran out of items score below this: all but the first start at -1e9."""


@dataclass
class _Fitted:
    """What :meth:`Cloze.score` needs."""

    model: TreeT5
    tokenizer: PhraseTokenizer | SubwordTokenizer
    assembler: PromptAssembler
    templates: tuple[MppTemplate, ...]
    user_tokens: TokenPool
    n_items: int

    @property
    def first_item(self) -> int:
        return self.tokenizer.size


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
        """Log-likelihood of every item, ``(N, n_items)``: one decoder step behind the first sentinel."""
        state = self.fitted
        out = np.empty((len(cases), state.n_items), dtype=np.float32)
        for rows, states, mask in self._encode(cases):
            start = self._start(len(rows), states.device)
            with torch.inference_mode():
                decoded = state.model.t5(
                    encoder_outputs=BaseModelOutput(last_hidden_state=states),
                    attention_mask=mask,
                    decoder_input_ids=start,
                    use_cache=False,
                )
                logits = decoded.logits[:, 1, :].float().log_softmax(-1)  # (B, V)
            out[rows] = logits[:, state.first_item : state.first_item + state.n_items].cpu().numpy()
        return out

    def beam_search(self, cases: Cases, k: int, beams: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The paper's way to recommend: items found by beam search, best first.

        The history's items are not offered, and every string is an item.

        Returns:
            Items and sequence scores, both ``(N, k)``; ``k`` is at most ``beams`` and the items outside the history,
            -1 and -inf fill up.
        """
        state = self.fitted
        found = np.full((len(cases), k), -1, dtype=np.int64)
        scores = np.full((len(cases), k), -np.inf, dtype=np.float32)
        histories = cases.histories
        first, second = state.tokenizer.sentinels
        all_items = np.arange(state.n_items)
        for rows, states, mask in self._encode(cases):
            allowed = [state.first_item + np.setdiff1d(all_items, histories[r]) for r in rows]
            steps = _Steps(first, second, [entry.tolist() for entry in allowed])
            width = min(beams, max(len(entry) for entry in allowed))
            with torch.inference_mode():
                out = state.model.t5.generate(
                    encoder_outputs=BaseModelOutput(last_hidden_state=states),
                    attention_mask=mask,
                    num_beams=width,
                    num_return_sequences=width,
                    min_new_tokens=3,
                    max_new_tokens=3,
                    do_sample=False,
                    length_penalty=0.0,
                    early_stopping=True,
                    prefix_allowed_tokens_fn=steps,
                    return_dict_in_generate=True,
                    output_scores=True,
                )
            items = (out.sequences[:, 2] - state.first_item).view(len(rows), width).cpu().numpy()
            values = out.sequences_scores.view(len(rows), width).float().cpu().numpy()
            real, take = values > _IDLE_BEAM, min(k, width)
            found[rows, :take] = np.where(real, items, -1)[:, :take]
            scores[rows, :take] = np.where(real, values, -np.inf)[:, :take]
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
            RunError: A file is missing or damaged, or a weight is not a number.
        """
        try:
            described = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
            model = TreeT5(saved_t5(folder, options), fresh=True)
            safetensors.torch.load_model(model, str(folder / WEIGHTS))
        except UNREADABLE as error:
            raise unreadable(folder, error) from error
        made_ready(model, folder)
        users = TokenPool.load(folder / "users")
        templates = tuple(MppTemplate(**entry) for entry in described["templates"])
        tokenizer = load_tokenizer(folder / "tokenizer")
        knowledge = CompiledKnowledge.load(folder / "knowledge")
        backend = cls(options)
        limits = {"max_tokens": described["max_tokens"], "history": described["history"]}
        assembler = _assembler(knowledge, tokenizer, described["n_items"], users, templates, limits)
        backend._fitted = _Fitted(model, tokenizer, assembler, templates, users, described["n_items"])
        return backend

    def _build(self, task: FitTask) -> _Fitted:
        source, n_items = task.knowledge, len(task.catalogue.item_ids)
        trees = task.knowledge_change(source.trees(0))
        templates = (*training_templates(source.pack, task.config.prompts.mpp), asking_template(task))
        tokenizer = build_tokenizer(self.options, source, templates, task.catalogue.item_of_entity())
        knowledge = CompiledKnowledge(trees, encode_prompts(source.pool, tokenizer), tuple(p.text for p in source.pool))
        users = [tokenizer.encode((Segment(str(user), "text"),)) for user in task.user_ids]
        user_tokens = TokenPool.of([(entry.ids, entry.starts) for entry in users])
        limits = {
            "max_tokens": task.config.tree.max_tokens,
            "history": task.config.data.history or self.options.default_history,
        }
        assembler = _assembler(knowledge, tokenizer, n_items, user_tokens, templates, limits)
        model = TreeT5(build_t5(self.options, tokenizer, task), fresh=self.options.checkpoint is None)
        return _Fitted(model, tokenizer, assembler, templates, user_tokens, n_items)

    def _start(self, size: int, device: torch.device) -> torch.Tensor:
        state = self.fitted
        begin = state.model.config.decoder_start_token_id
        return torch.tensor([[begin, state.tokenizer.sentinels[0]]], device=device).expand(size, -1)

    def _encode(self, cases: Cases) -> Iterator[tuple[NDArray[np.int64], torch.Tensor, torch.Tensor]]:
        """Encoder states of cases in chunks: rows, states ``(B, L, D)``, mask of real tokens ``(B, L)``."""
        state = self.fitted
        state.model.eval()
        device = next(state.model.parameters()).device
        histories = cases.histories
        for rows in chunks(np.arange(len(cases)), device):
            template = np.full(len(rows), len(state.templates) - 1)
            batch = state.assembler.assemble(cases.user[rows], histories.take(rows), template)
            tensors = _tensors(batch, device)
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
            new = encode_prompts(source.pool[known:], self.state.tokenizer)
            if self.assembler is self.state.assembler:
                limits = {"max_tokens": self.assembler.max_tokens, "history": self.assembler.history}
                self.assembler = _assembler(
                    knowledge,
                    self.state.tokenizer,
                    self.state.n_items,
                    self.state.user_tokens,
                    self.state.templates,
                    limits,
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
        first, second = self.state.tokenizer.sentinels
        begin = self.state.model.config.decoder_start_token_id
        named = torch.from_numpy(items.astype(np.int64)) + self.state.first_item
        labels = torch.stack([torch.full_like(named, first), named, torch.full_like(named, second)], dim=1)
        shifted = torch.cat([torch.full_like(labels[:, :1], begin), labels[:, :-1]], dim=1)
        return {"decoder_input_ids": shifted, "labels": labels}


@dataclass(frozen=True)
class _Steps:
    """Which tokens may follow: the first sentinel, an item outside the history, the second sentinel."""

    first: int
    second: int
    items: list[list[int]]

    def __call__(self, case: int, ids: torch.Tensor) -> list[int]:
        return ([self.first], self.items[case], [self.second])[min(len(ids) - 1, 2)]


def _tensors(batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.from_numpy(batch.input_ids).to(device).long(),
        "node": torch.from_numpy(batch.node).to(device),
        "parent": torch.from_numpy(batch.parent).to(device),
        "whole_word": torch.from_numpy(batch.whole_word).to(device).long(),
    }


def _assembler(
    knowledge: CompiledKnowledge,
    tokenizer: PhraseTokenizer | SubwordTokenizer,
    n_items: int,
    user_tokens: TokenPool,
    templates: tuple[MppTemplate, ...],
    limits: dict[str, int],
) -> PromptAssembler:
    ids = np.arange(tokenizer.size, tokenizer.size + n_items, dtype=np.int32)
    items = TokenPool(ids, np.ones(n_items, dtype=np.bool_), np.arange(n_items + 1, dtype=np.int64))
    return PromptAssembler(knowledge, items, user_tokens, templates, tokenizer, **limits)
