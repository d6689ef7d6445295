"""Options of the shipped backend, ``[model]`` for ``backend = "t5"``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kptoolkit.config import PROMPT_HISTORY, Section


class T5Options(Section):
    """Options of ``[model]`` for ``backend = "t5"``."""

    checkpoint: str | None = None
    """Folder or hub name of a T5-family checkpoint; unset: a small T5 from random weights."""
    objective: Literal["sequence", "cloze"] = "sequence"
    """``cloze`` is the paper's: the prompt has a masked item, the target names it; ``sequence``: see below."""
    knowledge: Literal["auto", "facts", "tree"] = "auto"
    """sequence: an item's knowledge is a bag of facts, or its prompts' tree read by the encoder; auto is facts from
    random weights, else tree."""
    alike: bool = True
    """sequence: scores gain by how alike the graph makes an item to the history."""
    cross_attention: bool = False
    """sequence: the decoder also attends to the knowledge of the items read so far."""
    trees_a_step: int = Field(default=256, ge=0)
    """sequence, tree: trees encoded with gradients in a step, the others' vectors are kept; 0 encodes all."""
    index: Literal["token"] = "token"
    """How items are named: one token an item, so that one decoder step ranks the catalogue."""
    tokens: Literal["auto", "phrase", "subword"] = "auto"
    """Prompt tokens: whole phrases or subwords; auto is phrase from random weights, else the checkpoint's own."""
    vocabulary: int = Field(default=8000, ge=300)
    """Size of a subword vocabulary trained on the prompts."""
    d_model: int = Field(default=64, ge=8)
    """Width, from random weights."""
    layers: int = Field(default=2, ge=1)
    """Encoder layers, from random weights."""
    decoder_layers: int = Field(default=1, ge=1)
    """Decoder layers, from random weights."""
    heads: int = Field(default=4, ge=1)
    """Attention heads, from random weights."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout, from random weights; unset: 0.1 for cloze, 0.3 for sequence."""
    attention_dropout: bool = False
    """Whether dropout falls on attention weights too, from random weights; it costs a third of the speed on CPU."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention implementation; both give the same states under the float mask."""

    @property
    def default_dropout(self) -> float:
        """The dropout meant."""
        return self.dropout if self.dropout is not None else {"cloze": 0.1, "sequence": 0.3}[self.objective]

    @property
    def default_history(self) -> int:
        """Latest items read where ``data.history`` is unset."""
        return {"cloze": PROMPT_HISTORY, "sequence": 50}[self.objective]
