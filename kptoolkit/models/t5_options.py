"""Options of the shipped backend, ``[model]`` for ``backend = "t5"``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kptoolkit.config import Section


class T5Options(Section):
    """Options of ``[model]`` for ``backend = "t5"``."""

    checkpoint: str | None = None
    """Folder or hub name of a T5-family checkpoint; unset: a small T5 from random weights."""
    objective: Literal["cloze"] = "cloze"
    """``cloze`` is the paper's: the prompt has a masked item, the target names it between two sentinels."""
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
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout, from random weights."""
    attention_dropout: bool = False
    """Whether dropout falls on attention weights too, from random weights; it costs a third of the speed on CPU."""
    relative_bias: Literal["learnt", "frozen"] = "learnt"
    """Whether the encoder's relative position bias is trained or stays as it starts, which is faster on CPU."""
    attention: Literal["sdpa", "eager", "flex"] = "sdpa"
    """Attention implementation; all give the same states. flex is for CUDA only."""
    gradient_checkpointing: bool = False
    """Keep the states between layers only and compute the others anew in the backward pass: less memory, more time."""
    buckets: bool = True
    """Whether a batch is made of prompts of similar length, so that less of it is padding."""
