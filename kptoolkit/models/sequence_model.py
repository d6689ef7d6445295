"""Knowledge once per item: a T5 decoder over a history's item vectors, each with its knowledge in it.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459.
    T5: Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, arXiv 1910.10683.
    SASRec, next item at every position: arXiv 1808.09781.
"""

from __future__ import annotations

import torch
from torch import nn

from kptoolkit.data.sequences import NOTHING
from kptoolkit.models.knowledge import AlikeHead, FactBag, TreeTable, TreeTokens
from kptoolkit.models.mask import additive
from kptoolkit.models.t5_model import TreeT5


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
        self.knowledge, self.alike = knowledge, alike
        self.register_buffer("trained", trained)
        scaled = getattr(tree.config, "scale_decoder_outputs", False)  # as checkpoints with tied output weights are
        self.output_scale = tree.config.d_model**-0.5 if scaled else 1.0
        self._freeze_unused()

    def _freeze_unused(self) -> None:
        t5 = self.tree.t5
        t5.lm_head = nn.Identity()  # the output is tied to the items' vectors
        if isinstance(self.knowledge, FactBag):
            t5.encoder.requires_grad_(False)
            self.tree.whole_word.requires_grad_(False)
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
            words: ``(P,)`` tokens of the MPP before the history.

        Returns:
            ``(B, L, d)``; state t has seen items up to t.
        """
        rows = items.clamp(min=0)
        before = self.tree.t5.shared(words).expand(len(items), -1, -1)  # (B, P, d)
        embedded = torch.cat([before, vectors[rows] * (items >= 0).unsqueeze(-1)], dim=1)  # (B, P + L, d)
        told: dict[str, torch.Tensor] = {}
        if self.cross_attention:
            length = embedded.shape[1]
            causal = torch.ones(length, length, dtype=torch.bool, device=items.device).tril()
            mask = additive(causal.expand(len(items), -1, -1), embedded.dtype)  # (B, 1, P + L, P + L)
            told = {
                "encoder_hidden_states": torch.cat([before, knowledge[rows]], dim=1),
                "encoder_attention_mask": mask,
            }
        states: torch.Tensor = self.tree.t5.decoder(inputs_embeds=embedded, use_cache=False, **told).last_hidden_state
        return states[:, len(words) :] * self.output_scale

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
            words: ``(P,)`` tokens of the MPP before the history.
            labels: ``(B, L)`` rows of the next items, -100 where there is none.
            num_items_in_batch: Labels over all processes and accumulated batches; the loss is divided by it.
            trees: Fields of :class:`~kptoolkit.models.knowledge.TreeTokens` to encode in this step.

        Returns:
            ``logits`` ``(M, n)`` of the M labelled places, and ``loss``; without labels ``(B, L, n)`` and no loss.
        """
        vectors, knowledge = self.item_vectors(None if trees is None else TreeTokens(**trees))
        states = self.read(vectors, knowledge, items, words)
        places = None if labels is None else labels != NOTHING
        logits = (states if places is None else states[places]) @ vectors.T
        if self.alike is not None:
            added = self.alike(items)
            logits = logits + (added if places is None else added[places])
        if labels is None:
            return {"logits": logits}
        targets = labels[places]
        total = nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        count = len(targets) if num_items_in_batch is None else num_items_in_batch
        return {"logits": logits, "loss": total / count}
