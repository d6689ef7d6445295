"""The published procedure of KP4SR (arXiv 2308.08459), written from its description: the baseline of the benchmarks.

An epoch is one random window per user. A sample draws neighbours hop by hop, renders each triple, tokenizes word by
word, and builds an integer matrix of L x L for the tree mask; T5 learns the item's name between two sentinels. Word
numbers are embedded in training only. To recommend, 20 unconstrained beams are decoded, and their strings are looked up
among the titles.

It does no unnecessary work: drawing stops once the prompt is full, the matrix is built by broadcasting, and words go to
the tokenizer's compiled core. :data:`PUBLISHED` has the figures measured with the published code itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from benchmarks.worlds import World
from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.t5.building import training_templates
from kptoolkit.models.t5.tokenizers import SENTINELS, SubwordTokenizer
from kptoolkit.prompts import MppTemplate, Slot

BEAMS = 20
HISTORY = 5
WORDS = 512
Triple = tuple[int, int, int, bool, int]
"""Near node, relation, far node, whether the near end is the head, and the number of its parent node."""


@dataclass(frozen=True)
class Shape:
    """Size of a T5.

    Attributes:
        name: For the table.
        d_model: Width; the feed-forward layers have four times as much.
        layers: Encoder layers, and decoder layers.
        heads: Attention heads.
        batch: Samples per step.
    """

    name: str
    d_model: int
    layers: int
    heads: int
    batch: int


TINY = Shape("tiny", 128, 2, 4, 16)
SMALL = Shape("small", 512, 6, 8, 8)
VOCABULARY = 8100
MAX_TOKENS = 440
DEGREE = 8
PUBLISHED = {
    "samples made": (138.0, 144.0),
    "training step, tiny": (12.9, 12.9),
    "training step, small": (0.93, 0.93),
    "users, tiny": (5.3, 5.3),
    "users, small": (0.44, 0.44),
}
"""Of the published code itself on movies, a CPU second: lowest and highest figure."""


@dataclass(frozen=True)
class Sample:
    """One prompt and its target.

    Attributes:
        ids: ``(L,)`` prompt tokens.
        words: ``(L,)`` word of each token, from 1.
        mask: ``(L, L)`` int64, 1 where a token sees another.
        target: ``(T,)`` target tokens.
    """

    ids: NDArray[np.int64]
    words: NDArray[np.int64]
    mask: NDArray[np.int64]
    target: NDArray[np.int64]


class Samples:
    """Assembles samples one by one.

    Args:
        world: Events and knowledge.
        histories: Training histories, by user number.
        seed: Seed of windows and draws.
        max_tokens: Longest prompt.
    """

    def __init__(self, world: World, histories: Histories, seed: int, max_tokens: int = MAX_TOKENS) -> None:
        self.world, self.histories, self.max_tokens = world, histories, max_tokens
        self.users = np.flatnonzero(histories.lengths >= 2)
        self.draw = np.random.default_rng(seed)
        around = world.neighbourhoods
        self.names = [str(name) for name in around.names]
        self.rows: list[int] = np.asarray(around.indptr).tolist()
        self.relation, self.far, self.forward = (
            np.asarray(c).tolist() for c in (around.relation, around.far, around.forward)
        )
        self.templates: tuple[MppTemplate, ...] = training_templates(world.pack, None)
        self.tokenizer = _tokenizer(world)
        self._core = self.tokenizer.tokenizer.backend_tokenizer

    def epoch(self, batch: int) -> Iterator[dict[str, torch.Tensor]]:
        """One random window of every history, in batches."""
        order = self.draw.permutation(self.users)
        for first in range(0, len(order), batch):
            yield self.collate([self.window(int(user)) for user in order[first : first + batch]])

    def window(self, user: int) -> Sample:
        """A sample of one random window of a user's history."""
        history = self.histories[user]
        position = int(self.draw.integers(1, len(history)))
        return self.sample(user, history[max(0, position - HISTORY) : position].tolist(), int(history[position]))

    def sample(self, user: int, items: Sequence[int], target: int | None = None) -> Sample:
        """Prompt, mask and target of one history; ``target`` is unknown when recommending."""
        ids, words, node, parent = self._mpp(user, items)
        for number, triple in enumerate(self._draw(items), 1 + len(items)):
            pieces = self._tokenize(self._sentence(triple))
            if len(ids) + sum(map(len, pieces)) >= self.max_tokens:
                break
            _append(ids, words, node, parent, pieces, number, triple[4])
        _append(ids, words, node, parent, [[self.tokenizer.eos_id]], 0, -1)
        return Sample(np.array(ids), np.array(words), _mask(np.array(node), np.array(parent)), self._target(target))

    def collate(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        """Pad samples to the longest."""
        length, width = max(len(s.ids) for s in samples), max(len(s.target) for s in samples)
        ids = np.full((len(samples), length), self.tokenizer.pad_id)
        words = np.zeros_like(ids)
        mask = np.zeros((len(samples), length, length), dtype=np.int64)
        labels = np.full((len(samples), width), -100)
        for row, sample in enumerate(samples):
            size = len(sample.ids)
            ids[row, :size], words[row, :size], mask[row, :size, :size] = sample.ids, sample.words, sample.mask
            labels[row, : len(sample.target)] = sample.target
        named = {"ids": ids, "words": words, "mask": mask, "labels": labels}
        return {name: torch.from_numpy(array) for name, array in named.items()}

    def _mpp(self, user: int, items: Sequence[int]) -> tuple[list[int], list[int], list[int], list[int]]:
        template = self.templates[int(self.draw.integers(len(self.templates)))]
        said = {Slot.MASK: SENTINELS[0], Slot.USER: str(self.world.interactions.user_ids[user])}
        columns: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])
        for part in template.parts:
            if part is not Slot.HISTORY:
                _append(*columns, self._tokenize(said[part] if isinstance(part, Slot) else part), 0, -1)
                continue
            for number, item in enumerate(items, 1):
                if number > 1:
                    between = template.last_separator if number == len(items) else template.separator
                    _append(*columns, self._tokenize(between), 0, -1)
                _append(*columns, self._tokenize(str(self.world.catalogue.titles[item])), number, 0)
        return columns

    def _draw(self, items: Sequence[int]) -> Iterator[Triple]:
        """Triples hop by hop, latest item first; each is numbered by its place and has the number of its parent."""
        roots = np.asarray(self.world.neighbourhoods.roots)
        frontier = [(int(roots[item]), place, -1) for place, item in enumerate(items, 1) if roots[item] >= 0]
        frontier.reverse()
        number = len(items)
        for _ in range(2):
            beyond = []
            for near, under, back in frontier:
                for row in self._some(near):
                    if self.far[row] != back:
                        number += 1
                        beyond.append((self.far[row], number, near))
                        yield near, self.relation[row], self.far[row], self.forward[row], under
            frontier = beyond

    def _some(self, node: int) -> list[int]:
        first, last = self.rows[node], self.rows[node + 1]
        if last - first <= DEGREE:
            return list(range(first, last))
        chosen: list[int] = (first + self.draw.choice(last - first, DEGREE, replace=False)).tolist()
        return chosen

    def _sentence(self, triple: Triple) -> str:
        near, relation, far, forward, _ = triple
        head, tail = (near, far) if forward else (far, near)
        name = self.world.neighbourhoods.relations[relation]
        return self.world.pack.sentence(self.names[head], name, self.names[tail], inverse=not forward)

    def _tokenize(self, text: str) -> list[list[int]]:
        return [self._core.encode(word, add_special_tokens=False).ids for word in text.split()]

    def _target(self, item: int | None) -> NDArray[np.int64]:
        if item is None:
            return np.zeros(0, dtype=np.int64)
        title = self._tokenize(str(self.world.catalogue.titles[item]))
        first, second = self.tokenizer.sentinels
        return np.array([first, *(i for word in title for i in word), second, self.tokenizer.eos_id])


def _append(
    ids: list[int],
    words: list[int],
    node: list[int],
    parent: list[int],
    pieces: list[list[int]],
    number: int,
    above: int,
) -> None:
    """Add words to a prompt under one node of its tree."""
    word = words[-1] if words else 0
    for piece in pieces:
        word += 1
        ids += piece
        words += [word] * len(piece)
        node += [number] * len(piece)
        parent += [above] * len(piece)


def _mask(node: NDArray[np.int64], parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 where a token sees another: same node, parent, child, sibling."""
    down, up = node[:, None], parent[:, None]
    seen = (down == node) | (up == node) | (down == parent) | (up == parent)
    return np.asarray(seen, dtype=np.int64)


def _tokenizer(world: World) -> SubwordTokenizer:
    """A subword tokenizer of the size that was measured, trained on the prompts that a first epoch may draw."""
    source = KnowledgeSource(
        world.neighbourhoods,
        world.catalogue,
        world.pack,
        TreeConfig(hops=2, degree=DEGREE, ranking="random"),
        PromptsConfig(),
        1000,
    )
    source.trees(0)
    texts = [prompt.text for prompt in source.pool] + [template.text for template in world.pack.mpp]
    return SubwordTokenizer.train([*texts, *map(str, world.catalogue.titles)], VOCABULARY)


class PublishedT5(nn.Module):
    """T5 under the integer tree mask, with word embeddings in training only.

    Args:
        shape: Its size.
        tokenizer: Vocabulary and special tokens.
    """

    def __init__(self, shape: Shape, tokenizer: SubwordTokenizer) -> None:
        super().__init__()
        config = T5Config(
            vocab_size=tokenizer.size,
            d_model=shape.d_model,
            d_kv=shape.d_model // shape.heads,
            d_ff=4 * shape.d_model,
            num_layers=shape.layers,
            num_heads=shape.heads,
            dropout_rate=0.1,
            pad_token_id=tokenizer.pad_id,
            eos_token_id=tokenizer.eos_id,
            decoder_start_token_id=tokenizer.pad_id,
        )
        self.t5 = T5ForConditionalGeneration._from_config(config, attn_implementation="eager")
        self.whole_word = nn.Embedding(WORDS, shape.d_model)

    def encode(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Encoder states ``(B, L, D)``."""
        embedded = self.t5.shared(batch["ids"])
        if self.training:
            embedded = embedded + self.whole_word(batch["words"])
        blocked = (1.0 - batch["mask"].unsqueeze(1).to(embedded.dtype)) * torch.finfo(embedded.dtype).min  # (B,1,L,L)
        states: torch.Tensor = self.t5.encoder(inputs_embeds=embedded, attention_mask=blocked).last_hidden_state
        return states

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean cross entropy of the target's tokens."""
        states = BaseModelOutput(last_hidden_state=self.encode(batch))
        real = batch["ids"] != self.t5.config.pad_token_id
        loss: torch.Tensor = self.t5(encoder_outputs=states, attention_mask=real, labels=batch["labels"]).loss
        return loss


class Procedure:
    """Samples, model and optimizer together.

    Args:
        world: Events and knowledge.
        shape: Size of the model.
        seed: Seed of weights, windows and draws.
        device: Device of the model.
        min_events: Users with fewer events are left out.
    """

    def __init__(self, world: World, shape: Shape, seed: int, device: str, min_events: int = 0) -> None:
        torch.manual_seed(seed)
        self.shape, self.device, self.world = shape, device, world
        self.samples = Samples(world, world.split(min_events).train, seed)
        self.model = PublishedT5(shape, self.samples.tokenizer).to(device)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.by_title: dict[str, int] = {}
        for row, title in enumerate(world.catalogue.titles):
            self.by_title.setdefault(_plain(str(title)), row)

    def step(self, batch: dict[str, torch.Tensor]) -> float:
        """Take one step of AdamW and return the loss."""
        self.model.train()
        loss = self.model(self.to_device(batch))
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return float(loss.detach())

    def batches(self) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of epoch after epoch."""
        while True:
            yield from self.samples.epoch(self.shape.batch)

    def to_device(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Move a batch to the device of the model."""
        return {name: tensor.to(self.device) for name, tensor in batch.items()}

    def recommend(self, cases: Cases, k: int, tokens: int = 24) -> list[list[int | None]]:
        """The strings of the beams as items, best first; ``None`` for a string that is not a title.

        Args:
            cases: Histories.
            k: Strings per case.
            tokens: Tokens to decode, at most; beams of a trained model end sooner.
        """
        found: list[list[int | None]] = []
        for first in range(0, len(cases), self.shape.batch):
            found += self._beams(cases.take(slice(first, first + self.shape.batch)), k, tokens)
        return found

    @torch.inference_mode()
    def _beams(self, cases: Cases, k: int, tokens: int) -> list[list[int | None]]:
        self.model.eval()
        histories = cases.histories.latest(HISTORY)
        made = [self.samples.sample(int(user), histories[row].tolist()) for row, user in enumerate(cases.user)]
        batch = self.to_device(self.samples.collate(made))
        out = self.model.t5.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.model.encode(batch)),
            attention_mask=batch["ids"] != self.samples.tokenizer.pad_id,
            num_beams=BEAMS,
            num_return_sequences=BEAMS,
            max_new_tokens=tokens,
            do_sample=False,
            early_stopping=True,
        )
        texts = self.samples.tokenizer.tokenizer.batch_decode(out, skip_special_tokens=True)
        items = [self.by_title.get(_plain(text)) for text in texts]
        return [items[row * BEAMS : (row + 1) * BEAMS][:k] for row in range(len(cases))]


def _plain(text: str) -> str:
    return " ".join(text.split())


def closeness(name: str, measured: float) -> str:
    """Compare a figure of this baseline with that of the published code, in one line."""
    low, high = PUBLISHED[name]
    shown = f"{low:g}" if low == high else f"{low:g}-{high:g}"
    middle = (low + high) / 2
    return f"baseline {measured:.3g} per CPU s; the published code {shown}: {measured / middle:.2f} times"


def kp_settings(shape: Shape, seed: int, **more: Any) -> dict[str, Any]:
    """kptoolkit's settings for the same knowledge, length and shape; ``more`` such as ``training__epochs=3``."""
    return {
        "tree.hops": 2,
        "tree.degree": DEGREE,
        "tree.ranking": "random",
        "tree.max_tokens": MAX_TOKENS,
        "tree.seed": seed,
        "data.history": HISTORY,
        "model.backend": "kp4sr",
        "model.windows": "one",
        "model.targets": 1,
        "model.tokens": "subword",
        "model.vocabulary": VOCABULARY,
        "model.d_model": shape.d_model,
        "model.layers": shape.layers,
        "model.decoder_layers": shape.layers,
        "model.heads": shape.heads,
        "model.relative_bias": "frozen",
        "training.batch_size": shape.batch,
        "training.learning_rate": 1e-3,
        "training.seed": seed,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
