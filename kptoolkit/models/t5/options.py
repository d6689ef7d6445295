"""Options of the shipped backend, ``[model]`` for ``backend = "t5"``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from kptoolkit.config import PROMPT_HISTORY, Section


class T5Options(Section):
    """Options of ``[model]`` for ``backend = "t5"``."""

    checkpoint: str | None = None
    """Folder or hub name of a T5-family checkpoint; unset: a small T5 from random weights."""
    objective: Literal["sequence", "cloze"] = "sequence"
    """``cloze`` is the paper's, a masked item in a prompt; ``sequence`` reads an item's knowledge once for all."""
    knowledge: Literal["auto", "facts", "tree"] = "auto"
    """sequence: what is read of an item, a bag of facts or the tree of its prompts; auto: tree for a checkpoint."""
    alike: bool = True
    """sequence: scores gain by how alike the graph makes an item to the history."""
    cross_attention: bool = False
    """sequence: the decoder also attends to the knowledge of the items read so far."""
    pooling: Literal["own", "tree"] = "own"
    """sequence, tree: an item's vector is the mean state of its own tokens, or of all tokens of its tree."""
    trees_a_step: int = Field(default=256, ge=0)
    """sequence, tree: trees encoded in a step, in turns; the others' vectors are kept, their gradients wait; 0: all."""
    index: Literal["token", "name", "random", "sequential", "collaborative"] = "token"
    """cloze: what items are called; token: one token an item, one decoder step ranks all; else a string of several."""
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
    relative_bias: Literal["learnt", "frozen"] = "learnt"
    """Whether the encoder's relative position bias is trained or stays as it starts, which is faster on CPU."""
    attention: Literal["sdpa", "eager", "flex"] = "sdpa"
    """Attention implementation; all give the same states. flex is for CUDA only."""
    gradient_checkpointing: bool = False
    """Keep the states between layers only and compute the others anew in the backward pass: less memory, more time."""
    buckets: bool = True
    """Whether a batch is made of prompts of similar length, so that less of it is padding."""

    @field_validator("index")
    @classmethod
    def _strings_are_decoded(cls, index: str, info: ValidationInfo) -> str:
        if index != "token" and info.data.get("objective") == "sequence":
            raise ValueError("objective 'sequence' knows items as single tokens; use token, or model.objective 'cloze'")
        return index

    @property
    def default_dropout(self) -> float:
        """The dropout meant."""
        return self.dropout if self.dropout is not None else {"cloze": 0.1, "sequence": 0.3}[self.objective]

    @property
    def default_history(self) -> int:
        """Latest items read where ``data.history`` is unset."""
        return {"cloze": PROMPT_HISTORY, "sequence": 50}[self.objective]
