"""The objective ``sequence``: knowledge once per item, the next item at every position in one pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from kptoolkit.data.buckets import bucketed
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.data.slices import Slices, padded
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import Alikeness, PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitResult, FitTask
from kptoolkit.models.t5.base import UNREADABLE, WEIGHTS, Objective, chunks, made_ready, saved_t5, unreadable
from kptoolkit.models.t5.options import T5Options
from kptoolkit.models.t5.sequence.item_encoders import TreeTable
from kptoolkit.models.t5.sequence.sequence_model import ENCODING
from kptoolkit.models.t5.sequence.sequence_state import (
    SequenceState,
    Shape,
    build_model,
    build_state,
    grow_items,
    item_names,
    prompt_tokens,
    tree_tensors,
)
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, load_tokenizer
from kptoolkit.models.training import Epochs, train_and_report

_ORDER, _TEMPLATES, _TREES = 1, 2, 3
"""Set the draws of the order, of the templates and of the trees apart from those of the slices, under one seed."""


class Sequence(Objective[SequenceState]):
    """Learns the next item behind every item of every history; an item's knowledge is read once for all users."""

    def fit(self, task: FitTask) -> FitResult:
        """Train on every event of every history but the first; keep the weights best on validation.

        Raises:
            TrainingError: The loss is not a number.
            PromptTooLongError: An item's name does not fit into ``tree.max_tokens``.
        """
        self._fitted = build_state(self.options, task)
        feed = _Feed(self._fitted, task, self.options)
        data = Epochs(len(feed.slices), feed.start_epoch, feed.order)
        model, rates = self._fitted.model, dict[str, float]()
        if isinstance(model.knowledge, TreeTable):
            self._fitted.encode_all(model.knowledge)
            rates = dict.fromkeys(ENCODING, 1 / feed.turns)
        result = train_and_report(model, data, feed.collate, self.score, task, feed.figures, rates)
        self._fitted.forget()
        return result

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item as the next one, ``(N, n_items)``."""
        state = self.fitted
        vectors, knowledge = state.current()
        words = torch.tensor(state.words[-1:], dtype=torch.long, device=state.device)  # (1, P)
        out = np.empty((len(cases), state.model.n_items), dtype=np.float32)
        by_length = np.argsort(cases.histories.lengths, kind="stable")
        for rows in chunks(by_length, state.device):
            items = padded(cases.histories.take(rows), state.history)
            with torch.inference_mode():
                states = state.model.read_last(vectors, knowledge, torch.from_numpy(items).to(state.device), words)
                logits = states @ vectors.T  # (B, n)
                if (alike := state.model.alike) is not None:
                    added = np.float32(alike.weight.item()) * np.log1p(state.seen(items))
                    logits += torch.from_numpy(added).to(state.device)
                out[rows] = logits.float().log_softmax(-1).cpu().numpy()
        return out

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model, e.g. take it away to see how far the model relies on it."""
        state = self.fitted
        state.read_knowledge(state.knowledge.with_trees(change(state.knowledge.trees)), state.facts)

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Read the knowledge of a catalogue that extends the one trained on; nothing is trained.

        A new item has no token of its own: its vector is its knowledge. Relations and entities that training never saw
        say nothing.

        Args:
            catalogue: The trained catalogue's items in their order, then new ones.
            source: Chooses and words their triples.
        """
        state, items = self.fitted, catalogue.item_of_entity()
        trees = source.trees(0)
        new = len(catalogue) - state.model.n_items
        if isinstance(state.tokenizer, PhraseTokenizer):
            known = PhraseTokenizer(state.tokenizer.phrases, state.tokenizer.entities, {})
            named = {entity: row for entity, row in items.items() if not known.knows(entity)}
            state.tokenizer = PhraseTokenizer(known.phrases, known.entities, named)
        grow_items(state.model, new)
        state.names = item_names(catalogue, state.tokenizer)
        tokens = prompt_tokens(source, state.tokenizer, state.shape.reads)
        compiled = CompiledKnowledge(trees, tokens, source.pool.sentences)
        facts = PromptFacts.of(source.pool, items, len(catalogue), known=state.facts)
        state.read_knowledge(compiled, facts)

    def save(self, folder: Path) -> None:
        """Write weights, item vectors, tokenizer and compiled knowledge into ``folder``."""
        state = self.fitted
        vectors, knowledge = (tensor.cpu().contiguous() for tensor in state.current())
        safetensors.torch.save_model(state.model, str(folder / WEIGHTS))
        safetensors.torch.save_file({"items": vectors, "knowledge": knowledge}, str(folder / "vectors.safetensors"))
        state.model.tree.config.save_pretrained(folder / "t5")
        (folder / "tokenizer").mkdir(exist_ok=True)
        state.tokenizer.save(folder / "tokenizer")
        state.knowledge.save(folder / "knowledge")
        state.facts.save(folder / "facts")
        state.names.save(folder / "names")
        described = {
            "words": state.words,
            "history": state.history,
            "max_tokens": state.max_tokens,
            "shape": asdict(state.shape),
        }
        (folder / "sequence.json").write_text(json.dumps(described, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, options: T5Options) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged, or a weight is not a number.
        """
        try:
            described = json.loads((folder / "sequence.json").read_text(encoding="utf-8"))
            facts = PromptFacts.load(folder / "facts")
            knowledge = CompiledKnowledge.load(folder / "knowledge")
            tokenizer = load_tokenizer(folder / "tokenizer")
            shape, around = Shape(**described["shape"]), facts.around(knowledge.trees)
            pairs = Alikeness.of(around) if shape.alike else None
            trained = torch.zeros(facts.n_items)  # read with the weights
            model = build_model(saved_t5(folder, options), trained, around, pairs, shape, fresh=True)
            safetensors.torch.load_model(model, str(folder / WEIGHTS))
            kept = safetensors.torch.load_file(str(folder / "vectors.safetensors"))
            vectors = (kept["items"], kept["knowledge"])
        except UNREADABLE as error:
            raise unreadable(folder, error) from error
        device = made_ready(model, folder, *vectors)
        backend = cls(options)
        backend._fitted = SequenceState(
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
        backend._fitted.vectors = (vectors[0].to(device), vectors[1].to(device))
        return backend


class _Feed:
    """Gives the Trainer its batches."""

    def __init__(self, state: SequenceState, task: FitTask, options: T5Options) -> None:
        self.state, self.task, self.options = state, task, options
        self.slices = Slices.of(task.split.train, length=state.history, seed=task.config.training.seed)
        self.words = np.array(state.words, dtype=np.int64)  # (M, P)
        self.epoch, self.ends, self.template = 0, self.slices.draw(0), self._templates(0)
        self.assembler = state.assembler()
        self.turns = -(-state.model.n_items // (options.trees_a_step or state.model.n_items))
        """Steps after which every tree was encoded once."""
        self.step_of = np.zeros(len(self.slices), dtype=np.int64)
        self.places = self.room = 0

    def figures(self) -> dict[str, float]:
        """Positions predicted an epoch, and the share of them in the padded batches."""
        return {"positions_an_epoch": float(self.slices.positions), "filled_share": self.places / max(1, self.room)}

    def start_epoch(self, epoch: int) -> None:
        """Cut the epoch's slices, and read its knowledge where it varies."""
        self.epoch, self.ends, self.template = epoch, self.slices.draw(epoch), self._templates(epoch)
        source, state = self.task.knowledge, self.state
        if not source.varies:
            return
        trees = self.task.knowledge_change(source.trees(epoch))
        known = state.knowledge
        new = prompt_tokens(source, state.tokenizer, state.shape.reads, len(known.pool))
        compiled = CompiledKnowledge(trees, known.pool.joined(new), source.pool.sentences)
        items = self.task.catalogue.item_of_entity()
        facts = PromptFacts.of(source.pool, items, len(self.task.catalogue), known=state.facts)
        state.read_knowledge(compiled, facts)
        self.assembler = state.assembler()

    def _templates(self, epoch: int) -> NDArray[np.int64]:
        """``(N,)`` MPP template of each slice at an epoch; the last of ``words`` is only asked with."""
        draw = np.random.default_rng([self.task.config.training.seed, epoch, _TEMPLATES])
        return draw.integers(0, max(1, len(self.words) - 1), len(self.slices))

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
        """Tensors of one batch: items, labels, the words before them, and the trees that are encoded in this step."""
        self.state.forget()
        chosen = np.array(samples)
        items, labels = self.slices.batch(chosen, self.ends)
        self.places += int((items >= 0).sum())
        self.room += items.size
        batch: dict[str, Any] = {
            "items": torch.from_numpy(items),
            "labels": torch.from_numpy(labels),
            "words": torch.from_numpy(self.words[self.template[chosen]]),
        }
        if self.state.shape.reads == "tree":
            batch["trees"] = self._trees(int(self.step_of[samples[0]]))
        return batch

    def _trees(self, step: int) -> dict[str, torch.Tensor]:
        """Trees of a step's part of the catalogue: parts drawn anew once all had their turn, alike in all processes."""
        cycle, turn = divmod(step, self.turns)
        drawn = np.random.default_rng([self.task.config.training.seed, cycle, _TREES])
        rows = np.sort(np.array_split(drawn.permutation(self.state.model.n_items), self.turns)[turn])
        return tree_tensors(rows, self.assembler.assemble(rows))
