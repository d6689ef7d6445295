"""What both backends are built from: tokenizer, T5, templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration

from kptoolkit.errors import ConfigError, shorten
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import FitTask
from kptoolkit.models.pretrained import PretrainedError, read_config, read_model, reading
from kptoolkit.models.t5.flex import MIN_HEAD_WIDTH, attentions, use_flex
from kptoolkit.models.t5.options import T5Options
from kptoolkit.models.t5.tokenizers import ModelTokenizer, PhraseTokenizer, SubwordTokenizer
from kptoolkit.models.t5.tree_t5 import freeze_relative_bias, grow, start_items_from_names
from kptoolkit.prompts import MppTemplate, Segment, TemplatePack

_FAMILY = ("t5", "mt5", "umt5")
_EMBEDDING_STD = 0.3
"""Standard deviation of fresh token embeddings, with unscaled outputs; docs/results.md compares it with T5's 1.0."""


def build_tokenizer(
    options: T5Options,
    source: KnowledgeSource,
    templates: tuple[MppTemplate, ...],
    items: dict[str, int],
    *,
    words_only: bool = False,
    names: Sequence[str] = (),
) -> ModelTokenizer:
    """Create the tokenizer of a training: whole phrases, subwords trained on the prompts, or the checkpoint's own.

    Args:
        options: Options of the backend.
        source: Its pool contains the prompts that will be read.
        templates: MPP templates whose words are needed.
        items: Catalogue row of each entity that is one item.
        words_only: Whether the prompts themselves are not read, so that their entities need no tokens.
        names: Item names whose words a phrase tokenizer needs.

    Raises:
        ConfigError: There is no such checkpoint, or one with phrase tokens.
    """
    kind = options.tokens
    if kind == "phrase" and options.checkpoint is not None:
        raise ConfigError("setting model.tokens: a checkpoint knows no phrase tokens; use auto or subword")
    if kind == "phrase" or (kind == "auto" and options.checkpoint is None):
        texts = [*_fragments(templates), *(word for name in names for word in name.split())]
        return PhraseTokenizer.build(None if words_only else source.pool, texts, items)
    if options.checkpoint is not None:
        try:
            return SubwordTokenizer.load(options.checkpoint)
        except PretrainedError as error:
            raise ConfigError(_no_checkpoint(options.checkpoint, error)) from error
    texts = [*source.pool.sentences, *(t.text for t in templates)]
    return SubwordTokenizer.train([*texts, *map(str, source.catalogue.titles)], options.vocabulary)


def _fragments(templates: tuple[MppTemplate, ...]) -> list[str]:
    """The words of templates between their slots, then their separators."""
    texts = [part for t in templates for part in t.parts if isinstance(part, str)]
    return texts + [text for t in templates for text in (t.separator, t.last_separator)]


def build_t5(
    options: T5Options,
    tokenizer: ModelTokenizer,
    task: FitTask,
    new_tokens: int,
    pieces: Callable[[list[list[int]]], list[list[int]]] = list,
) -> T5ForConditionalGeneration:
    """Create a T5 with item tokens after the tokenizer's: the named checkpoint, grown, or a small one from a config.

    Args:
        options: Options of the backend.
        tokenizer: Its tokens come first.
        task: The titles of its catalogue initialize the item tokens of a checkpoint.
        new_tokens: Number of item tokens.
        pieces: Turns the tokens of all items' titles into those that each item token is initialized from; unset: there
            is one item token per item.

    Raises:
        ConfigError: There is no such checkpoint, ``d_model`` is no multiple of ``heads``, or ``flex`` is not available.
    """
    vocabulary = tokenizer.size + new_tokens
    if options.checkpoint is None:
        config = _fresh_config(options, tokenizer, vocabulary)
        t5 = T5ForConditionalGeneration._from_config(config, attn_implementation=attention_name(options))
        with torch.no_grad():
            t5.shared.weight.mul_(_EMBEDDING_STD)
        for attention in attentions(t5):
            attention.dropout = attention.dropout if options.attention_dropout else 0.0
        return _adapted(t5, options)
    try:
        with reading():
            t5 = _read_t5(options)
    except PretrainedError as error:
        raise ConfigError(_no_checkpoint(options.checkpoint, error)) from error
    grow(t5, vocabulary)
    if new_tokens and not tokenizer.has_item_tokens:
        names = [tokenizer.encode((Segment(str(title), "text"),)).ids.tolist() for title in task.catalogue.titles]
        start_items_from_names(t5, tokenizer.size, pieces(names))
    return _adapted(t5, options)


def _read_t5(options: T5Options) -> T5ForConditionalGeneration:
    kind = read_config(str(options.checkpoint)).model_type
    if kind not in _FAMILY:
        raise PretrainedError(f"its model type is {kind}")
    found: T5ForConditionalGeneration = read_model(
        AutoModelForSeq2SeqLM,
        str(options.checkpoint),
        attn_implementation=attention_name(options),
        dtype=torch.float32,
    )
    return found


def attention_name(options: T5Options) -> str:
    """Name in transformers of the attention that a T5 is built with; ``use_flex`` sets ``flex`` later."""
    return "sdpa" if options.attention == "flex" else options.attention


def _adapted(t5: T5ForConditionalGeneration, options: T5Options) -> T5ForConditionalGeneration:
    """Set the attention, the trainable weights and the checkpointing of the options."""
    if options.attention == "flex":
        _check_flex(t5.config, options)
        use_flex(t5)
    if options.relative_bias == "frozen":
        freeze_relative_bias(t5)
    if options.gradient_checkpointing:
        t5.activation_checkpointing_enable()
    return t5


def _check_flex(config: T5Config, options: T5Options) -> None:
    if options.attention_dropout:
        raise ConfigError("setting model.attention_dropout: flex drops no attention weights; use false, or sdpa")
    if config.d_kv < MIN_HEAD_WIDTH:
        raise ConfigError(
            f"setting model.attention: flex needs heads of width {MIN_HEAD_WIDTH} or more, and these have "
            f"{config.d_kv}; use sdpa, or fewer model.heads"
        )
    if not torch.cuda.is_available():
        raise ConfigError("setting model.attention: flex needs CUDA, and torch sees no such device; use sdpa")


def _fresh_config(options: T5Options, tokenizer: ModelTokenizer, vocabulary: int) -> T5Config:
    if options.d_model % options.heads:
        raise ConfigError(f"setting model.d_model: {options.d_model} is no multiple of model.heads={options.heads}")
    return T5Config(
        vocab_size=vocabulary,
        d_model=options.d_model,
        d_kv=options.d_model // options.heads,
        d_ff=4 * options.d_model,
        num_layers=options.layers,
        num_decoder_layers=options.decoder_layers,
        num_heads=options.heads,
        dropout_rate=options.dropout,
        pad_token_id=tokenizer.pad_id,
        eos_token_id=tokenizer.eos_id,
        decoder_start_token_id=tokenizer.pad_id,
        tie_word_embeddings=False,  # no scaling of the decoder's output; the weights are tied all the same
    )


def training_templates(pack: TemplatePack, chosen: str | None) -> tuple[MppTemplate, ...]:
    """MPP templates for training: the chosen one, or all of the pack that are marked for training."""
    if chosen is not None:
        return (pack.mpp_template(chosen),)
    return tuple(template for template in pack.mpp if template.split == "train")


def recommending_template(task: FitTask) -> MppTemplate:
    """MPP template for recommending: the chosen one, else the first for training that names no user."""
    pack, chosen = task.knowledge.pack, task.config.prompts.mpp
    if chosen is not None:
        return pack.mpp_template(chosen)
    candidates = [template for template in pack.mpp if template.split == "train"]
    return next((template for template in candidates if not template.has_user), candidates[0])


def _no_checkpoint(name: str, error: PretrainedError) -> str:
    text = "is neither a folder with a T5 checkpoint nor one on the hub"
    return f"setting model.checkpoint: '{shorten(name)}' {text}: {error}"
