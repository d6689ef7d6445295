"""Options of the T5 backends: what they share, and what each adds."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from kptoolkit.config import PROMPT_HISTORY
from kptoolkit.settings_base import Section
from kptoolkit.tree.visibility import MaskKind


class T5Options(Section):
    """Options of ``[model]`` that every T5 backend has.

    Attributes:
        default_history: Latest items that are read where ``data.history`` is unset.
    """

    default_history: ClassVar[int]

    checkpoint: str | None = None
    """Folder or hub name of a T5-family checkpoint; unset: a small T5 from random weights."""
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
    """Whether dropout applies to attention weights too, from random weights; it costs a third of the speed on CPU."""
    relative_bias: Literal["learnt", "frozen"] = "learnt"
    """Whether the encoder's relative position bias is trained or stays as it starts, which is faster on CPU."""
    attention: Literal["sdpa", "eager", "flex"] = "sdpa"
    """Attention implementation; all give the same states. flex is for CUDA only."""
    gradient_checkpointing: bool = False
    """Store only the states between layers and recompute the others in the backward pass: less memory, more time."""
    mask: MaskKind = "tree"
    """What a token of a prompt attends to: `tree` as in the paper; `linked`: also tokens of the same entity elsewhere,
    with phrase tokens; `branch`: all of its item; `upward`: its node and its children; `off`: everything."""
    negatives: int = Field(default=2048, ge=0)
    """Items drawn per batch to learn against, where the catalogue is more than twice as large; 0: always all items."""
    buckets: bool = True
    """Whether a batch is made of samples of similar length, so that less of it is padding."""


class Kp4srOptions(T5Options):
    """Options of ``[model]`` for ``backend = "kp4sr"``."""

    default_history: ClassVar[int] = PROMPT_HISTORY

    index: Literal["token", "name", "random", "sequential", "collaborative"] = "token"
    """How an item is written for the decoder: one token, or a string of several tokens."""
    windows: Literal["all", "one"] = "all"
    """Prompts per history and epoch: as many as name all its events, or one, as in the paper."""
    targets: int = Field(default=10, ge=1)
    """Next items that the decoder learns to name after a prompt, one after another; 1 as in the paper."""


class SequenceOptions(T5Options):
    """Options of ``[model]`` for ``backend = "sequence"``."""

    default_history: ClassVar[int] = 50

    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout, from random weights."""
    knowledge: Literal["auto", "facts", "tree"] = "auto"
    """What is read of an item, a bag of facts or the tree of its prompts; auto: tree for a checkpoint, else facts."""
    fact_hops: int = Field(default=1, ge=1)
    """Hops of the facts in a bag of facts; with trees all hops of `tree.hops` are read."""
    identity: bool = True
    """Whether an item has a vector of its own and its name in its tree; without, it is known by its triples alone."""
    text_vectors: bool = False
    """Whether the vectors of `parts.text_encoder`, projected by learnt weights, are added to the items' vectors."""
    cross_attention: bool = False
    """Whether the decoder also attends to the knowledge of the items read so far."""
    pooling: Literal["own", "tree"] = "own"
    """With trees: an item's vector is the mean state of its own tokens, or of all tokens of its tree."""
    trees_per_step: int = Field(default=256, ge=0)
    """Trees encoded per step, in turns; the others' vectors are stored and their gradients accumulated; 0: all."""

    @property
    def reads(self) -> Literal["facts", "tree"]:
        """What is read of an item: a bag of facts, or the tree of its prompts."""
        return (
            "facts" if self.knowledge == "facts" or (self.knowledge == "auto" and self.checkpoint is None) else "tree"
        )
