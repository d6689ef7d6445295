"""Training batches of the backend ``sequence``: slices of whole histories, the next item at every position."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kptoolkit.data.buckets import bucketed
from kptoolkit.data.slices import Slices
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import PromptFacts
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.sequence.sequence_state import SequenceState, prompt_tokens, tree_tensors

_ORDER, _TEMPLATES, _TREES = 1, 2, 3
"""Seed the order, the templates and the trees apart from the slices, under the same seed."""


class SequenceFeed:
    """Assembles the training batches.

    Args:
        state: The model and what it reads.
        task: Training histories, knowledge and seed.
        options: Options of the backend.
    """

    def __init__(self, state: SequenceState, task: FitTask, options: SequenceOptions) -> None:
        self.state, self.task, self.options = state, task, options
        self.slices = Slices.of(task.split.train, length=state.history, seed=task.config.training.seed)
        self.prefix_tokens = np.array(state.prefix_tokens, dtype=np.int64)  # (M, P)
        self.epoch, self.ends, self.template = 0, self.slices.draw(0), self._templates(0)
        self.first = self.latest = (state.knowledge, state.facts)
        """Knowledge and facts of the first epoch, by which the model ranks, and of the latest one."""
        self.assembler = state.assembler()
        self.turns = -(-state.model.n_items // (options.trees_per_step or state.model.n_items))
        """Steps in which every tree is encoded once."""
        self.step_of = np.zeros(len(self.slices), dtype=np.int64)
        self.filled = self.padded = 0

    def figures(self) -> dict[str, float]:
        """Positions predicted per epoch, and the share of the padded batches that they fill."""
        return {"positions_per_epoch": float(self.slices.positions), "filled_share": self.filled / max(1, self.padded)}

    def start_epoch(self, epoch: int) -> None:
        """Cut the epoch's slices, and read its knowledge where it varies."""
        self.epoch, self.ends, self.template = epoch, self.slices.draw(epoch), self._templates(epoch)
        source, state = self.task.knowledge, self.state
        if not source.varies:
            return
        trees = self.task.knowledge_change(source.trees(epoch))
        known, facts = self.latest
        new = prompt_tokens(source, state.tokenizer, state.parts.reads, len(known.pool))
        compiled = CompiledKnowledge(trees, TokenPool.concat([known.pool, new]), source.pool.keys)
        items = self.task.catalogue.item_of_entity()
        facts = PromptFacts.of(source.pool, items, len(self.task.catalogue), known=facts)
        self.latest = (compiled, facts)
        self._read(*self.latest)

    def read_first(self) -> None:
        """Let the model read the knowledge of the first epoch, by which it ranks, is saved and is explained."""
        if self.state.knowledge is not self.first[0]:
            self._read(*self.first)

    def _read(self, knowledge: CompiledKnowledge, facts: PromptFacts) -> None:
        self.state.read_knowledge(knowledge, facts)
        self.assembler = self.state.assembler()

    def _templates(self, epoch: int) -> NDArray[np.int64]:
        """``(N,)`` MPP template of each slice at an epoch; the last of ``prefix_tokens`` is for recommending only."""
        draw = np.random.default_rng([self.task.config.training.seed, epoch, _TEMPLATES])
        return draw.integers(0, max(1, len(self.prefix_tokens) - 1), len(self.slices))

    def order(self, epoch: int, together: int) -> NDArray[np.int64]:
        """The epoch's slices, with ``buckets`` those of similar length next to each other; see :func:`bucketed`."""
        generator = np.random.default_rng([self.task.config.training.seed, epoch, _ORDER])
        if self.options.buckets:
            order = bucketed(self.slices.lengths(self.ends), together, generator)
        else:
            order = generator.permutation(len(self.slices))
        steps = -(-len(order) // together)
        self.step_of[order] = epoch * steps + np.arange(len(order)) // together
        return order

    def collate(self, samples: list[int]) -> dict[str, Any]:
        """Assemble one batch: items, labels, the words before them, and the trees encoded in this step."""
        self.state.forget()
        chosen = np.array(samples)
        items, labels = self.slices.batch(chosen, self.ends)
        self.filled += int((items >= 0).sum())
        self.padded += items.size
        batch: dict[str, Any] = {
            "items": torch.from_numpy(items),
            "labels": torch.from_numpy(labels),
            "prefix_tokens": torch.from_numpy(self.prefix_tokens[self.template[chosen]]),
        }
        if self.state.parts.reads == "tree":
            batch["trees"] = self._trees(int(self.step_of[samples[0]]))
        return batch

    def _trees(self, step: int) -> dict[str, torch.Tensor]:
        """Trees of a step's part of the catalogue; all processes draw the same, and draw again after each cycle."""
        cycle, turn = divmod(step, self.turns)
        drawn = np.random.default_rng([self.task.config.training.seed, cycle, _TREES])
        rows = np.sort(np.array_split(drawn.permutation(self.state.model.n_items), self.turns)[turn])
        return tree_tensors(rows, self.assembler.assemble(rows))
