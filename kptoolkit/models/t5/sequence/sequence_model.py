"""Knowledge once per item: a T5 decoder over a history's item vectors, each with its knowledge in it.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459.
    T5: Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, arXiv 1910.10683.
    SASRec, next item at every position: arXiv 1808.09781.
"""

from __future__ import annotations

import torch
from torch import nn

from kptoolkit.data.slices import NOTHING
from kptoolkit.models.t5.catalogue_loss import catalogue_loss
from kptoolkit.models.t5.sequence.item_encoders import ItemEncoder, TreeTokens
from kptoolkit.models.t5.tree_t5 import SHARED_BIAS, TreeT5
from kptoolkit.models.tree_mask import additive

_KNOWLEDGE_WEIGHTS = ("tree.t5.encoder.", "tree.whole_word.", "knowledge.")
"""Prefixes of the weights that only knowledge vectors use."""
_PROJECTION_STD = 0.05
"""Of fresh weights that project vectors of text, whose length is 1: projected, they are as long as fresh tokens."""


class SequenceT5(nn.Module):
    """Predicts the next item after every item of a history; input and output share the items' vectors.

    Args:
        tree: T5 whose vocabulary ends with the item tokens; its encoder reads trees if ``knowledge`` uses them.
        first_item: Token of catalogue row 0.
        trained: ``(n,)`` 1 for items with training events; the token of another item counts as zero.
        knowledge: Encoder of the catalogue's knowledge.
        cross_attention: Whether the decoder also attends to the knowledge of the items read so far.
        text: ``(n, D)`` vectors of the items' texts, which are projected into the items' vectors; ``None``: none.
    """

    trained: torch.Tensor
    text: torch.Tensor | None

    def __init__(
        self,
        tree: TreeT5,
        first_item: int,
        trained: torch.Tensor,
        knowledge: ItemEncoder,
        *,
        cross_attention: bool = False,
        text: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.tree, self.first_item, self.cross_attention = tree, first_item, cross_attention
        self.knowledge = knowledge
        self.register_buffer("trained", trained)
        self.register_buffer("text", text)
        if text is not None:
            self.projection = nn.Linear(text.shape[1], tree.config.d_model, bias=False)
            nn.init.normal_(self.projection.weight, std=_PROJECTION_STD)
        self.output_scale = tree.output_scale
        self._set_trainable()

    def _set_trainable(self) -> None:
        t5 = self.tree.t5
        t5.lm_head = nn.Identity()  # the output is tied to the items' vectors
        self.knowledge.set_trainable(self.tree)
        t5.shared.requires_grad_(True)
        if not self.cross_attention:
            for block in t5.decoder.block:
                block.layer[1].requires_grad_(False)

    @property
    def n_items(self) -> int:
        """Catalogue size."""
        return len(self.trained)

    def learning_rate_shares(self, turns: int) -> dict[str, float]:
        """Share of the learning rate by how the names of weights begin; see :class:`ItemEncoder`."""
        return dict.fromkeys(_KNOWLEDGE_WEIGHTS, self.knowledge.learning_rate_share(turns))

    @property
    def tokens(self) -> torch.Tensor:
        """``(n, d)`` token vectors of the items."""
        tokens: torch.Tensor = self.tree.t5.shared.weight[self.first_item : self.first_item + self.n_items]
        return tokens

    def item_vectors(self, trees: TreeTokens | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of the catalogue.

        Args:
            trees: Trees to encode, where they are read.

        Returns:
            ``(n, d)`` token, text and knowledge of every item together, and the knowledge alone.
        """
        knowledge: torch.Tensor = self.knowledge(self.tree, self.tokens, trees)
        return self.own_vectors() + knowledge, knowledge

    def own_vectors(self) -> torch.Tensor:
        """``(n, d)`` what is in the items' vectors without their knowledge: their tokens, and their projected texts."""
        own = self.tokens * self.trained[:, None]
        return own if self.text is None else own + self.projection(self.text)

    def read(
        self, vectors: torch.Tensor, knowledge: torch.Tensor, items: torch.Tensor, prefix_tokens: torch.Tensor
    ) -> torch.Tensor:
        """Decoder states after every item.

        Args:
            vectors: ``(n, d)`` of the items.
            knowledge: ``(n, d)`` knowledge in them.
            items: ``(B, L)`` catalogue rows, -1 on the right where a row is shorter.
            prefix_tokens: ``(B, P)`` tokens of the MPP before the history, or ``(1, P)`` for all.

        Returns:
            ``(B, L, d)``; state t has seen items up to t.
        """
        embedded = self._embedded(vectors, items, prefix_tokens)
        attended: dict[str, torch.Tensor] = {}
        if self.cross_attention:
            mask = _causal(embedded).expand(len(items), -1, -1, -1)  # (B, 1, P + L, P + L)
            attended = {
                "encoder_hidden_states": self._embedded(knowledge, items, prefix_tokens),
                "encoder_attention_mask": mask,
            }
        states: torch.Tensor = self.tree.t5.decoder(
            inputs_embeds=embedded, use_cache=False, **attended
        ).last_hidden_state
        return states[:, prefix_tokens.shape[1] :] * self.output_scale

    def read_last(
        self, vectors: torch.Tensor, knowledge: torch.Tensor, items: torch.Tensor, prefix_tokens: torch.Tensor
    ) -> torch.Tensor:
        """Decoder states after the last item of each row, ``(B, d)``; arguments as in :meth:`read`.

        The last layer computes only these states.
        """
        last = prefix_tokens.shape[1] + (items >= 0).sum(dim=1) - 1  # (B,) place of the last item
        everyone = torch.arange(len(items), device=items.device)
        if self.cross_attention or self.tree.config.model_type not in SHARED_BIAS:
            return self.read(vectors, knowledge, items, prefix_tokens)[
                everyone, (last - prefix_tokens.shape[1]).clamp(min=0)
            ]
        last = last.clamp(min=0)
        decoder, hidden = self.tree.t5.decoder, self._embedded(vectors, items, prefix_tokens)  # (B, T, d)
        places = hidden.shape[1]
        mask = _causal(hidden)
        bias = decoder.block[0].layer[0].SelfAttention.compute_bias(places, places)  # (1, H, T, T)
        for block in decoder.block[:-1]:
            hidden = block(hidden, attention_mask=mask, position_bias=bias)[0]
        attention, feed_forward = decoder.block[-1].layer[0], decoder.block[-1].layer[-1]
        normed, own = attention.layer_norm(hidden), hidden[everyone, last].unsqueeze(1)
        attended = attention.SelfAttention(
            normed[everyone, last].unsqueeze(1),
            mask=mask[0, 0, last][:, None, None],  # (B, 1, 1, T)
            key_value_states=normed,
            position_bias=bias[0, :, last].transpose(0, 1).unsqueeze(2),  # (B, H, 1, T)
        )[0]
        result: torch.Tensor = decoder.final_layer_norm(feed_forward(own + attended))[:, 0] * self.output_scale
        return result

    def _embedded(self, table: torch.Tensor, items: torch.Tensor, prefix_tokens: torch.Tensor) -> torch.Tensor:
        """Words and rows of a table, ``(B, P + L, d)``; zero where a row is shorter."""
        before = self.tree.t5.shared(prefix_tokens).expand(len(items), -1, -1)  # (B, P, d)
        rows = nn.functional.embedding(items.clamp(min=0), table)  # (B, L, d)
        return torch.cat([before, rows * (items >= 0).unsqueeze(-1)], dim=1)

    def forward(
        self,
        items: torch.Tensor,
        prefix_tokens: torch.Tensor,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        trees: dict[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Loss of the next items after every place that has a label, or the scores of the catalogue after all places.

        Args:
            items: ``(B, L)`` catalogue rows, -1 on the right where a row is shorter.
            prefix_tokens: ``(B, P)`` tokens of the MPP before the history, or ``(1, P)`` for all.
            labels: ``(B, L)`` rows of the next items, -100 where there is none.
            num_items_in_batch: Labels over all processes and accumulated batches; the loss is divided by it.
            trees: Fields of :class:`~kptoolkit.models.t5.sequence.item_encoders.TreeTokens` to encode in this step.

        Returns:
            ``loss`` with labels, else ``logits`` ``(B, L, n)``.
        """
        vectors, knowledge = self.item_vectors(None if trees is None else TreeTokens(**trees))
        states = self.read(vectors, knowledge, items, prefix_tokens)
        if labels is None:
            return {"logits": states @ vectors.T}
        places = (labels.flatten() != NOTHING).nonzero().squeeze(1)  # (M,)
        count = len(places) if num_items_in_batch is None else num_items_in_batch
        targets = labels.flatten()[places]
        chosen = states.flatten(0, 1).index_select(0, places)
        return {"loss": catalogue_loss(chosen, vectors, targets, count, self.tree.negatives if self.training else 0)}


def _causal(embedded: torch.Tensor) -> torch.Tensor:
    """Mask ``(1, 1, T, T)`` under which a place of ``(B, T, d)`` sees itself and the places before it."""
    places = embedded.shape[1]
    return additive(torch.ones(1, places, places, dtype=torch.bool, device=embedded.device).tril(), embedded.dtype)
