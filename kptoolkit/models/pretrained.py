"""Reads pretrained models and tokenizers with transformers: weights as safetensors, never code of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

from kptoolkit.errors import KptoolError, shorten

_ADVICE: Final = {
    "trust_remote_code": "it needs Python code of its own, which kptool does not run",
    "weights_only": "its weights are pickled, and kptool reads safetensors only; save it again with save_pretrained",
    "safetensors": "it has no weights in a safetensors file; save it again with save_pretrained",
}
"""What is said in place of an error of transformers that contains a word."""


class PretrainedError(ValueError):
    """There is no model or tokenizer that can be read."""


@contextmanager
def reading() -> Iterator[None]:
    """Turn every failure to read a model or a tokenizer into one error of one line.

    Raises:
        PretrainedError: In place of the failure.
    """
    try:
        yield
    except (KptoolError, PretrainedError):
        raise
    except Exception as error:  # transformers raises anything for a folder that holds anything
        raise PretrainedError(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = str(error)
    said = next((own for word, own in _ADVICE.items() if word in text), None)
    if said is None:
        first = next(iter(text.splitlines()), "")
        known = isinstance(error, OSError | ValueError) and first
        said = first if known else f"{type(error).__name__}: {first}".rstrip(": ")
    return shorten(said, 200)


def read_config(name: str) -> Any:
    """Read the configuration of a model.

    Args:
        name: Folder, or name on the hub.

    Raises:
        PretrainedError: There is none, or it needs code of its own.
    """
    with reading():
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        if "/" in str(getattr(config, "_attn_implementation", None)):
            raise PretrainedError(_ADVICE["trust_remote_code"])
    return config


def read_tokenizer(name: str) -> Any:
    """Read a tokenizer; arguments and errors as in :func:`read_config`."""
    with reading():
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)


def read_model(kind: Any, name: str, **options: Any) -> Any:
    """Read a model with its weights.

    Args:
        kind: A class of transformers that chooses the model's own, such as ``AutoModel``.
        name: Folder, or name on the hub.
        options: Further arguments of its ``from_pretrained``.

    Raises:
        PretrainedError: There is none, it needs code of its own, or its weights are in no safetensors file.
    """
    config = read_config(name)
    with reading():
        return kind.from_pretrained(name, config=config, trust_remote_code=False, use_safetensors=True, **options)


def new_seq2seq(config: Any, **options: Any) -> Any:
    """Create an encoder-decoder model with random weights from a configuration."""
    with reading():
        return AutoModelForSeq2SeqLM.from_config(config, trust_remote_code=False, **options)
