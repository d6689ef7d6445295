"""What every objective is built from: tokenizer, T5, templates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration

from kptoolkit.errors import ConfigError
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.flex import MIN_HEAD_WIDTH, attentions, use_flex
from kptoolkit.models.t5.kp4sr.item_index import ItemIndex
from kptoolkit.models.t5.options import T5Options
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer
from kptoolkit.models.t5.tree_t5 import freeze_relative_bias, grow, start_items_from_names
from kptoolkit.prompts import MppTemplate, Segment, TemplatePack

_EMBEDDING_STD = 0.3
"""Of fresh token embeddings, with unscaled outputs; docs/results.md has what was measured against T5's own 1.0."""


def build_tokenizer(
    options: T5Options,
    source: KnowledgeSource,
    templates: tuple[MppTemplate, ...],
    items: dict[str, int],
    *,
    words_only: bool = False,
    names: Sequence[str] = (),
) -> PhraseTokenizer | SubwordTokenizer:
    """The tokenizer of a training: whole phrases, subwords trained on the prompts, or the checkpoint's own.

    Args:
        options: Options of the backend.
        source: Its pool holds the prompts to be read.
        templates: MPP templates whose words are needed.
        items: Catalogue row of each entity that is one item.
        words_only: Whether the prompts themselves are not read, so that their entities need no tokens.
        names: Item names whose words phrase tokens must know.

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
        except (OSError, ValueError) as error:
            raise ConfigError(_no_checkpoint(options.checkpoint, error)) from error
    texts = [*source.pool.sentences, *(t.text for t in templates)]
    return SubwordTokenizer.train([*texts, *map(str, source.catalogue.titles)], options.vocabulary)


def _fragments(templates: tuple[MppTemplate, ...]) -> list[str]:
    """The words of templates between their slots, then their separators."""
    texts = [part for t in templates for part in t.parts if isinstance(part, str)]
    return texts + [text for t in templates for text in (t.separator, t.last_separator)]


def build_t5(
    options: T5Options, tokenizer: PhraseTokenizer | SubwordTokenizer, task: FitTask, index: ItemIndex | None = None
) -> T5ForConditionalGeneration:
    """A T5 with the index's tokens behind the tokenizer's: the named checkpoint, grown, or a small one from a config.

    Args:
        options: Options of the backend.
        tokenizer: Its tokens come first.
        task: Its catalogue's titles start the new tokens of a checkpoint.
        index: What items are called; unset: one token an item.

    Raises:
        ConfigError: There is no such checkpoint, ``d_model`` is no multiple of ``heads``, or ``flex`` cannot be had.
    """
    index = index or ItemIndex.of_tokens(tokenizer.size, len(task.catalogue))
    vocabulary = tokenizer.size + index.symbols
    if options.checkpoint is None:
        config = _fresh_config(options, tokenizer, vocabulary)
        t5 = T5ForConditionalGeneration._from_config(config, attn_implementation=attention_name(options))
        with torch.no_grad():
            t5.shared.weight.mul_(_EMBEDDING_STD)
        for attention in attentions(t5):
            attention.dropout = attention.dropout if options.attention_dropout else 0.0
        return _adapted(t5, options)
    try:
        t5 = AutoModelForSeq2SeqLM.from_pretrained(
            options.checkpoint, attn_implementation=attention_name(options), dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise ConfigError(_no_checkpoint(options.checkpoint, error)) from error
    grow(t5, vocabulary)
    if isinstance(tokenizer, SubwordTokenizer) and index.symbols:
        names = [tokenizer.encode((Segment(str(title), "text"),)).ids.tolist() for title in task.catalogue.titles]
        start_items_from_names(t5, tokenizer.size, index.pieces(names, tokenizer.size))
    return _adapted(t5, options)


def attention_name(options: T5Options) -> str:
    """What transformers calls the attention a T5 is built with; ``flex`` is put on later, by ``use_flex``."""
    return "sdpa" if options.attention == "flex" else options.attention


def _adapted(t5: T5ForConditionalGeneration, options: T5Options) -> T5ForConditionalGeneration:
    """``t5`` with the attention, the trainable weights and the checkpointing that the options ask for."""
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


def _fresh_config(options: T5Options, tokenizer: PhraseTokenizer | SubwordTokenizer, vocabulary: int) -> T5Config:
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
        tie_word_embeddings=False,  # T5's word for: do not scale the decoder's output; the weights are tied anyway
    )


def training_templates(pack: TemplatePack, chosen: str | None) -> tuple[MppTemplate, ...]:
    """The templates training draws from: the chosen one, or all of the pack that are for training."""
    if chosen is not None:
        return (pack.mpp_template(chosen),)
    return tuple(template for template in pack.mpp if template.split == "train")


def asking_template(task: FitTask) -> MppTemplate:
    """The template recommendations are asked with: the chosen one, else the first for training that names no user."""
    pack, chosen = task.knowledge.pack, task.config.prompts.mpp
    if chosen is not None:
        return pack.mpp_template(chosen)
    candidates = [template for template in pack.mpp if template.split == "train"]
    return next((template for template in candidates if not template.has_user), candidates[0])


def _no_checkpoint(name: str, error: Exception) -> str:
    reason = str(error).splitlines()[0]
    return f"setting model.checkpoint: '{name}' is neither a folder with a T5 checkpoint nor one on the hub: {reason}"
