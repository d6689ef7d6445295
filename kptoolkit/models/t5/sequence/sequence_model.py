"""Knowledge once per item: a T5 decoder over a history's item vectors, each with its knowledge in it.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459.
    T5: Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, arXiv 1910.10683.
    SASRec, next item at every position: arXiv 1808.09781.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from kptoolkit.data.slices import NOTHING
from kptoolkit.models.t5.sequence.item_encoders import AlikeHead, FactBag, TreeTable, TreeTokens
from kptoolkit.models.t5.tree_mask import additive
from kptoolkit.models.t5.tree_t5 import SHARED_BIAS, TreeT5, still, token_loss

HELD_LOGITS = 2**26
"""Scores of a training batch that are held at once: a quarter of a GiB of floats, and a few times as much around it."""

ENCODING = ("tree.t5.encoder.", "tree.whole_word.", "knowledge.")
"""How the names of the weights begin that only the trees' vectors depend on."""


class SequenceT5(nn.Module):
    """Predicts the next item behind every item of a history; input and output share the items' vectors.

    Args:
        tree: T5 with the item tokens behind its vocabulary; its encoder reads trees, if ``knowledge`` has it do so.
        first_item: Token of catalogue row 0.
        trained: ``(n,)`` 1 for items with training events; the token of another item counts as zero.
        knowledge: Knowledge vectors of the catalogue.
        alike: What is added to the scores of items that the graph makes alike, or ``None``.
        cross_attention: Whether the decoder also attends to the knowledge of the items read so far.
    """

    trained: torch.Tensor

    def __init__(
        self,
        tree: TreeT5,
        first_item: int,
        trained: torch.Tensor,
        knowledge: FactBag | TreeTable,
        alike: AlikeHead | None,
        *,
        cross_attention: bool = False,
    ) -> None:
        super().__init__()
        self.tree, self.first_item, self.cross_attention = tree, first_item, cross_attention
        self.knowledge, self.graph_similarity = knowledge, alike
        self.register_buffer("trained", trained)
        scaled = getattr(tree.config, "scale_decoder_outputs", False)  # as checkpoints with tied output weights are
        self.output_scale = tree.config.d_model**-0.5 if scaled else 1.0
        self._settle_parts()

    def _settle_parts(self) -> None:
        t5 = self.tree.t5
        t5.lm_head = nn.Identity()  # the output is tied to the items' vectors
        if isinstance(self.knowledge, FactBag):
            t5.encoder.requires_grad_(False)
            self.tree.whole_word.requires_grad_(False)
        else:
            still(t5.encoder)
        t5.shared.requires_grad_(True)
        if not self.cross_attention:
            for block in t5.decoder.block:
                block.layer[1].requires_grad_(False)

    @property
    def n_items(self) -> int:
        """Catalogue size."""
        return len(self.trained)

    def item_vectors(self, trees: TreeTokens | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of the catalogue.

        Args:
            trees: Trees to encode anew, where an encoder reads them.

        Returns:
            ``(n, d)`` token and knowledge of every item together, and the knowledge alone.
        """
        tokens = self.tree.t5.shared.weight[self.first_item : self.first_item + self.n_items]
        if isinstance(self.knowledge, FactBag):
            knowledge: torch.Tensor = self.knowledge(tokens)
        else:
            knowledge = self.knowledge(self.tree, trees)
        return tokens * self.trained[:, None] + knowledge, knowledge

    def read(
        self, vectors: torch.Tensor, knowledge: torch.Tensor, items: torch.Tensor, words: torch.Tensor
    ) -> torch.Tensor:
        """Decoder states behind every item.

        Args:
            vectors: ``(n, d)`` of the items.
            knowledge: ``(n, d)`` knowledge in them.
            items: ``(B, L)`` catalogue rows, -1 on the right where a row is shorter.
            words: ``(B, P)`` tokens of the MPP before the history, or ``(1, P)`` for all.

        Returns:
            ``(B, L, d)``; state t has seen items up to t.
        """
        embedded = self._embedded(vectors, items, words)
        told: dict[str, torch.Tensor] = {}
        if self.cross_attention:
            mask = _causal(embedded).expand(len(items), -1, -1, -1)  # (B, 1, P + L, P + L)
            told = {
                "encoder_hidden_states": self._embedded(knowledge, items, words),
                "encoder_attention_mask": mask,
            }
        states: torch.Tensor = self.tree.t5.decoder(inputs_embeds=embedded, use_cache=False, **told).last_hidden_state
        return states[:, words.shape[1] :] * self.output_scale

    def read_last(
        self, vectors: torch.Tensor, knowledge: torch.Tensor, items: torch.Tensor, words: torch.Tensor
    ) -> torch.Tensor:
        """Decoder states behind the last item of each row, ``(B, d)``; arguments as in :meth:`read`.

        The last layer computes no more than these states.
        """
        last = words.shape[1] + (items >= 0).sum(dim=1) - 1  # (B,) place of the last item
        everyone = torch.arange(len(items), device=items.device)
        if self.cross_attention or self.tree.config.model_type not in SHARED_BIAS:
            return self.read(vectors, knowledge, items, words)[everyone, (last - words.shape[1]).clamp(min=0)]
        last = last.clamp(min=0)
        decoder, hidden = self.tree.t5.decoder, self._embedded(vectors, items, words)  # (B, T, d)
        places = hidden.shape[1]
        mask = _causal(hidden)
        bias = decoder.block[0].layer[0].SelfAttention.compute_bias(places, places)  # (1, H, T, T)
        for block in decoder.block[:-1]:
            hidden = block(hidden, attention_mask=mask, position_bias=bias)[0]
        attention, feed_forward = decoder.block[-1].layer[0], decoder.block[-1].layer[-1]
        normed, own = attention.layer_norm(hidden), hidden[everyone, last].unsqueeze(1)
        told = attention.SelfAttention(
            normed[everyone, last].unsqueeze(1),
            mask=mask[0, 0, last][:, None, None],  # (B, 1, 1, T)
            key_value_states=normed,
            position_bias=bias[0, :, last].transpose(0, 1).unsqueeze(2),  # (B, H, 1, T)
        )[0]
        result: torch.Tensor = decoder.final_layer_norm(feed_forward(own + told))[:, 0] * self.output_scale
        return result

    def _embedded(self, table: torch.Tensor, items: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Words and rows of a table, ``(B, P + L, d)``; zero where a row is shorter."""
        before = self.tree.t5.shared(words).expand(len(items), -1, -1)  # (B, P, d)
        rows = nn.functional.embedding(items.clamp(min=0), table)  # (B, L, d)
        return torch.cat([before, rows * (items >= 0).unsqueeze(-1)], dim=1)

    def forward(
        self,
        items: torch.Tensor,
        words: torch.Tensor,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        trees: dict[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Scores of the catalogue behind every place that has a label, or behind all.

        Args:
            items: ``(B, L)`` catalogue rows, -1 on the right where a row is shorter.
            words: ``(B, P)`` tokens of the MPP before the history, or ``(1, P)`` for all.
            labels: ``(B, L)`` rows of the next items, -100 where there is none.
            num_items_in_batch: Labels over all processes and accumulated batches; the loss is divided by it.
            trees: Fields of :class:`~kptoolkit.models.t5.sequence.item_encoders.TreeTokens` to encode in this step.

        Returns:
            ``logits`` ``(M, n)`` of the M labelled places, and ``loss``; without labels ``(B, L, n)`` and no loss.
            Where that is more than :data:`HELD_LOGITS`, the loss alone: it is computed part by part of the batch, and
            each part anew in the backward pass.
        """
        vectors, knowledge = self.item_vectors(None if trees is None else TreeTokens(**trees))
        states = self.read(vectors, knowledge, items, words)
        if labels is None:
            logits = states @ vectors.T
            return {"logits": logits if self.graph_similarity is None else logits + self.graph_similarity(items)}
        size = max(1, HELD_LOGITS // (items.shape[1] * self.n_items))
        if size >= len(items):
            logits, targets = self._labelled(states, vectors, items, labels)
            return {"logits": logits, "loss": token_loss(logits, targets, num_items_in_batch)}
        count = (labels != NOTHING).sum() if num_items_in_batch is None else num_items_in_batch
        parts = zip(*(torch.split(each, size) for each in (states, items, labels)), strict=True)
        losses = [
            checkpoint(self._loss_of_part, part, vectors, read, named, count, use_reentrant=False)
            for part, read, named in parts
        ]
        return {"loss": torch.stack(losses).sum()}

    def _labelled(
        self, states: torch.Tensor, vectors: torch.Tensor, items: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores ``(M, n)`` behind the M labelled places, and their labels."""
        places = (labels.flatten() != NOTHING).nonzero().squeeze(1)  # (M,)
        logits = states.flatten(0, 1).index_select(0, places) @ vectors.T
        if self.graph_similarity is not None:
            logits = logits + self.graph_similarity(items).flatten(0, 1).index_select(0, places)
        return logits, labels.flatten()[places]

    def _loss_of_part(
        self,
        states: torch.Tensor,
        vectors: torch.Tensor,
        items: torch.Tensor,
        labels: torch.Tensor,
        count: torch.Tensor | int,
    ) -> torch.Tensor:
        return token_loss(*self._labelled(states, vectors, items, labels), count)


def _causal(embedded: torch.Tensor) -> torch.Tensor:
    """Mask ``(1, 1, T, T)`` under which a place of ``(B, T, d)`` sees itself and what is before it."""
    places = embedded.shape[1]
    return additive(torch.ones(1, places, places, dtype=torch.bool, device=embedded.device).tril(), embedded.dtype)
