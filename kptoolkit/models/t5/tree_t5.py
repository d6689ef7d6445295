"""T5 under the knowledge tree mask: one module, one ``forward``, no fork of T5.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459.
    T5: Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, arXiv 1910.10683.
    P5, whole-word embeddings: arXiv 2203.13366.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.attention.flex_attention import BlockMask
from transformers import T5Config, T5ForConditionalGeneration

from kptoolkit.errors import ConfigError
from kptoolkit.models.t5.catalogue_loss import catalogue_loss
from kptoolkit.models.t5.flex import attentions, tree_block_mask, uses_flex
from kptoolkit.models.t5.t5_backend import output_scale
from kptoolkit.models.tree_mask import additive, linked, masked, visible
from kptoolkit.tree.visibility import MaskKind

MAX_WORDS = 1024
SHARED_BIAS = ("t5", "mt5")
"""Models whose layers share the first one's relative position bias."""


class TreeT5(nn.Module):
    """A T5 whose encoder attends under the tree mask and adds whole-word embeddings.

    Args:
        t5: Any T5 for conditional generation whose vocabulary contains the item tokens.
        fresh: Whether ``t5`` has random weights; whole-word embeddings are random then, else zero, so that a checkpoint
            starts as it was trained.
        output_tokens: ``(S,)`` the tokens that targets consist of, among which probabilities sum to 1; unset: all.
        mask: What a token of the encoder attends to.
        entities_from: The first token that is an entity, all after it too; ``None`` where entities are several tokens.

    Raises:
        ConfigError: The mask is ``linked``, and an entity is no token, or attention is ``flex``.

    Attributes:
        negatives: Items drawn per batch for the loss, see :func:`~kptoolkit.models.t5.catalogue_loss.catalogue_loss`.
    """

    negatives: int = 0
    outputs: torch.Tensor | None
    place: torch.Tensor | None

    def __init__(
        self,
        t5: T5ForConditionalGeneration,
        *,
        fresh: bool,
        output_tokens: NDArray[np.int64] | None = None,
        mask: MaskKind = "tree",
        entities_from: int | None = None,
    ) -> None:
        super().__init__()
        if mask == "linked" and (entities_from is None or uses_flex(t5)):
            raise ConfigError(
                "setting model.mask: linked needs model.tokens=phrase, where an entity is one token, and an attention "
                "other than flex"
            )
        self.entities_from = entities_from or 0
        self.t5, self.mask, self.output_scale = t5, mask, output_scale(t5.config.to_dict())
        outputs, place = None, None
        if output_tokens is not None:
            outputs = torch.from_numpy(output_tokens)
            place = torch.full((t5.config.vocab_size,), -1)
            place[outputs] = torch.arange(len(outputs))
        self.register_buffer("outputs", outputs, persistent=False)
        self.register_buffer("place", place, persistent=False)
        self.whole_word = nn.Embedding(MAX_WORDS, t5.config.d_model, padding_idx=0)
        nn.init.normal_(self.whole_word.weight, std=0.1 if fresh else 0.0)

    @property
    def config(self) -> T5Config:
        """The T5's configuration."""
        return self.t5.config

    def encode(
        self, input_ids: torch.Tensor, node: torch.Tensor, parent: torch.Tensor, whole_word: torch.Tensor
    ) -> torch.Tensor:
        """Encoder states ``(B, L, D)`` of prompts given as ``(B, L)`` integers."""
        embedded = self.t5.shared(input_ids) + self.whole_word(whole_word.clamp(max=MAX_WORDS - 1))  # (B, L, D)
        if uses_flex(self.t5):
            return self._stack(embedded, tree_block_mask(node, parent, self.mask))
        mask = visible(node, parent, kind=self.mask)
        if self.mask == "linked":
            mask = linked(mask, input_ids, self.entities_from)
        if self.config.model_type in SHARED_BIAS:
            return self._blocks(embedded, mask)
        return self._stack(embedded, additive(mask, embedded.dtype))

    def _stack(self, embedded: torch.Tensor, mask: torch.Tensor | BlockMask) -> torch.Tensor:
        """Run the encoder of transformers, ``(B, L, D)``: every layer adds its bias to the mask."""
        states: torch.Tensor = self.t5.encoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        return states

    def _blocks(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Run the encoder layer by layer, ``(B, L, D)``: the bias that all layers share is added to the mask once."""
        encoder, length = self.t5.encoder, embedded.shape[1]
        bias = encoder.block[0].layer[0].SelfAttention.compute_bias(length, length).to(embedded.dtype)  # (1, H, L, L)
        biased = masked(bias.contiguous(), mask.unsqueeze(1))  # (B, H, L, L)
        states = encoder.dropout(embedded)
        for block in encoder.block:
            states = block(states, position_bias=biased)[0]
        result: torch.Tensor = encoder.dropout(encoder.final_layer_norm(states))
        return result

    def decode(self, states: torch.Tensor, real: torch.Tensor, decoder_input_ids: torch.Tensor) -> torch.Tensor:
        """Decoder states ``(B, T, D)``, whose product with the output layer's weights are logits.

        Args:
            states: ``(B, L, D)`` encoder states.
            real: ``(B, L)`` which of them are not padding; the decoder reads all of these.
            decoder_input_ids: ``(B, T)`` tokens.
        """
        return decoder_states(self.t5, states, real, decoder_input_ids) * self.output_scale

    def forward(
        self,
        input_ids: torch.Tensor,
        node: torch.Tensor,
        parent: torch.Tensor,
        whole_word: torch.Tensor,
        decoder_input_ids: torch.Tensor,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> dict[str, torch.Tensor]:
        """Encode prompts and decode targets.

        Args:
            input_ids: ``(B, L)`` prompt tokens.
            node: ``(B, L)`` tree node of each token, padding -2.
            parent: ``(B, L)`` parent of that node.
            whole_word: ``(B, L)`` word of each token, padding 0.
            decoder_input_ids: ``(B, T)`` targets shifted right.
            labels: ``(B, T)`` targets, -100 for none.
            num_items_in_batch: Number of targets that the loss is divided by; unset: that of ``labels``.

        Returns:
            The mean cross entropy ``loss`` with labels, else ``logits`` ``(B, T, V)``, ``-inf`` for tokens outside
            ``output_tokens``.
        """
        states = self.encode(input_ids, node, parent, whole_word)
        decoded = self.decode(states, node >= 0, decoder_input_ids)
        weights = self.t5.lm_head.weight
        if labels is None:
            logits = nn.functional.linear(decoded, weights)
            if self.outputs is not None:
                logits = torch.full_like(logits, -torch.inf).index_copy(2, self.outputs, logits[..., self.outputs])
            return {"logits": logits}
        places = (labels.flatten() >= 0).nonzero().squeeze(1)  # (M,)
        targets = labels.flatten()[places]
        if self.outputs is not None and self.place is not None:
            weights, targets = weights.index_select(0, self.outputs), self.place[targets]
        count = len(places) if num_items_in_batch is None else num_items_in_batch
        chosen = decoded.flatten(0, 1).index_select(0, places)
        return {"loss": catalogue_loss(chosen, weights, targets, count, self.negatives if self.training else 0)}


def decoder_states(
    t5: T5ForConditionalGeneration,
    states: torch.Tensor,
    real: torch.Tensor,
    tokens: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Decoder states ``(B, T, D)``, not scaled.

    Args:
        t5: The model.
        states: ``(B, L, D)`` encoder states.
        real: ``(B, L)`` which of them are not padding.
        tokens: ``(B, T)`` tokens to decode.
        mask: Additive mask ``(B, H, T, T)``; unset: causal.
    """
    decoded: torch.Tensor = t5.decoder(
        input_ids=tokens,
        attention_mask=mask,
        encoder_hidden_states=states,
        encoder_attention_mask=real,
        use_cache=False,
    ).last_hidden_state
    return decoded


def grow(t5: T5ForConditionalGeneration, vocabulary: int) -> None:
    """Resize the vocabulary of ``t5`` to at least ``vocabulary`` tokens; it never shrinks.

    An output layer with weights of its own keeps them; transformers would tie it to the embeddings.
    """
    if vocabulary <= t5.config.vocab_size:
        return
    output = t5.get_output_embeddings().weight
    own = None if output is t5.get_input_embeddings().weight else output.detach().clone()
    t5.resize_token_embeddings(vocabulary, mean_resizing=False)
    if own is not None:
        untie(t5, own)


@torch.no_grad()
def untie(t5: T5ForConditionalGeneration, weights: torch.Tensor | None = None) -> None:
    """Give the output layer weights of its own, as those of T5 v1.1, Flan-T5 and mT5 are.

    Args:
        t5: The model.
        weights: ``(V, D)`` weights of its first tokens; those of further tokens begin as their embeddings.
    """
    table = t5.get_input_embeddings().weight.detach().clone()
    if weights is not None:
        table[: len(weights)] = weights
    t5.get_output_embeddings().weight = nn.Parameter(table)


def freeze_relative_bias(t5: T5ForConditionalGeneration) -> None:
    """Freeze the encoder's relative position bias.

    The additive mask, which contains the bias, then needs no gradient, and SDPA can use a fused kernel on CPU.
    """
    for name, weight in t5.encoder.named_parameters():
        if "relative_attention_bias" in name:
            weight.requires_grad_(False)


def remove_dropout(encoder: nn.Module) -> None:
    """Remove dropout from an encoder, that of attention weights too."""
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for attention in attentions(encoder):
        attention.dropout = 0.0


@torch.no_grad()
def start_items_from_names(t5: T5ForConditionalGeneration, first: int, pieces: list[list[int]]) -> None:
    """Initialize each new token as the mean embedding of the tokens of its items' names.

    Args:
        t5: The model; an untied output layer is initialized in the same way.
        first: Id of the first new token.
        pieces: Token ids of the names of the items whose strings contain each new token; an empty list leaves the token
            unchanged.
    """
    tables = [t5.get_input_embeddings().weight]
    if t5.get_output_embeddings().weight is not tables[0]:
        tables.append(t5.get_output_embeddings().weight)
    for table in tables:
        for row, ids in enumerate(pieces):
            if ids:
                table[first + row] = table[torch.tensor(ids)].mean(dim=0)
