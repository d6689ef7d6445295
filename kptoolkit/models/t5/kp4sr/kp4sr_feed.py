"""Training batches of the backend ``kp4sr``: prompts of random windows of the histories, and the items after them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from kptoolkit.data.buckets import bucketed
from kptoolkit.data.histories import Histories
from kptoolkit.data.windows import Windows
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.kp4sr.item_index import IGNORED
from kptoolkit.models.t5.kp4sr.kp4sr_state import Kp4srState, prompt_tensors
from kptoolkit.models.t5.options import Kp4srOptions

_ORDER = 1
"""Seeds the order of the samples apart from their windows, under the same seed and epoch."""


class Kp4srFeed:
    """Assembles the training batches, and counts what the token budget leaves out.

    Args:
        state: The model's prompts and index.
        task: Training histories, knowledge and seed.
        options: Options of the backend.
    """

    def __init__(self, state: Kp4srState, task: FitTask, options: Kp4srOptions) -> None:
        self.state, self.task, self.targets = state, task, options.targets
        self.histories: Histories = task.split.train
        self.windows = Windows.of(
            self.histories,
            seed=task.config.training.seed,
            templates=max(1, len(state.templates) - 1),
            targets=options.targets if options.windows == "all" else None,
        )
        self.position, self.template = self.windows.draw(0)
        self.assembler = state.assembler
        self.prompts = self.tokens = self.places = self.left_out = 0

    def figures(self) -> dict[str, float]:
        """Tokens per prompt, the share of padding, and triplets per prompt that the budget left out, so far."""
        prompts = max(1, self.prompts)
        return {
            "tokens_per_prompt": self.tokens / prompts,
            "padding": 1 - self.tokens / max(1, self.places),
            "triplets_left_out_per_prompt": self.left_out / prompts,
        }

    def start_epoch(self, epoch: int) -> None:
        """Draw the epoch's windows, and its knowledge where it varies."""
        self.position, self.template = self.windows.draw(epoch)
        source = self.task.knowledge
        if not source.varies:
            return
        known = len(source.pool)
        trees = self.task.knowledge_change(source.trees(epoch))
        knowledge = self.assembler.knowledge
        new = source.tokens(self.state.tokenizer, known)
        if self.assembler is self.state.assembler:
            self.assembler = self.state.new_assembler(knowledge)
        self.assembler.use(CompiledKnowledge(trees, TokenPool.concat([knowledge.pool, new])))

    def order(self, epoch: int, together: int) -> NDArray[np.int64]:
        """The epoch's samples, those of similar prompt length next to each other; see :func:`bucketed`."""
        lengths = self.assembler.lengths_at_most(self.windows.users, self.histories, self.position, self.template)
        return bucketed(lengths, together, np.random.default_rng([self.windows.seed, epoch, _ORDER]))

    def collate(self, samples: list[int]) -> dict[str, torch.Tensor]:
        """Assemble the tensors of one batch: prompts, decoder inputs and labels."""
        chosen = np.array(samples)
        users, position = self.windows.users[chosen], self.position[chosen]
        history = self.histories.before(position, users)
        batch = self.assembler.assemble(users, history, self.template[chosen])
        self.prompts += len(samples)
        self.tokens += int((batch.node >= 0).sum())
        self.places += batch.node.size
        self.left_out += batch.left_out
        targets = self.histories.after(position, users, self.targets)
        return prompt_tensors(batch, torch.device("cpu")) | self._decoded(targets)

    def _decoded(self, items: Histories) -> dict[str, torch.Tensor]:
        labels = torch.from_numpy(self.state.index.labels(items, self.state.tokenizer.sentinels))
        shifted = torch.cat([torch.full_like(labels[:, :1], self.state.start[0]), labels[:, :-1]], dim=1)
        return {
            "decoder_input_ids": shifted.masked_fill(shifted == IGNORED, self.state.tokenizer.pad_id),
            "labels": labels,
        }
