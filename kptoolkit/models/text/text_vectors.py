"""Vectors of all items of a catalogue from a pretrained text encoder, cached on disk; torch is imported when needed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import PartsConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.knowledge.batches.tree_batches import TreeAssembler
from kptoolkit.knowledge.cache import read_cached, write_cached
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.text.nearest_items import whitened
from kptoolkit.storage.arrays import json_hash

_FORMAT: Final = 1
"""Increase it when the reading, the pooling or the layout of the arrays changes."""
_POOLING: Final = "mean"


def check_encoder(settings: PartsConfig) -> None:
    """Read the text encoder of the settings, if one is set, so that an error comes before the training.

    Raises:
        ConfigError: It cannot be read, or it is no encoder.
    """
    if settings.text_encoder is not None:
        from kptoolkit.models.text.text_encoder import TextEncoder

        TextEncoder.load(settings.text_encoder)


def text_vectors(
    settings: PartsConfig, catalogue: Catalogue, knowledge: KnowledgeSource, trees: ItemTrees
) -> NDArray[np.float32]:
    """Vectors of the trees of all items, ``(n, D)``: each is read once, its title first, then its triplet prompts.

    Titles are cut, and prompts are left out, where a tree has more tokens than the encoder or ``tree.max_tokens``
    allows. An item without title and prompts has a vector of zeros.

    Args:
        settings: Names the encoder.
        catalogue: The n items.
        knowledge: Renders the prompts; its folder of cached prompts also caches the vectors.
        trees: The prompts of each item.

    Raises:
        ConfigError: The encoder cannot be read.
        OSError: The cache cannot be written.
    """
    from kptoolkit.models.text.text_encoder import TextEncoder

    assert settings.text_encoder is not None
    encoder = TextEncoder.load(settings.text_encoder)
    most = min(encoder.max_tokens, knowledge.tree.max_tokens)
    names, titled = encoder.tokenizer.titles(map(str, catalogue.titles), most)
    used, prompt = np.unique(trees.prompt, return_inverse=True)
    prompts = knowledge.tokens(encoder.tokenizer) if len(used) else TokenPool.of([])
    read = CompiledKnowledge(replace(trees, prompt=prompt.astype(np.int32)), prompts.take(used))
    masked = settings.text_mask or not (trees.parent >= 0).any()  # prompts of hop 1 are siblings: nothing is hidden
    folder = None
    if knowledge.cache is not None:
        models = [encoder.fingerprint, encoder.tokenizer.fingerprint]
        key = json_hash([_FORMAT, _POOLING, masked, most, models, _contents(names, read)])
        folder = knowledge.cache / f"text-{key}"
        found = None if knowledge.fresh else read_cached(folder, ("vectors",), knowledge.progress, report=True)
        if found is not None:
            return np.array(found[0]["vectors"])
    assembler = TreeAssembler(read, names, max_tokens=most, pad_id=encoder.tokenizer.pad_id)
    items = np.flatnonzero(titled | (assembler.fitting > 0))
    vectors = np.zeros((len(names), encoder.width), dtype=np.float32)
    lengths = _lengths(assembler, read, names)[items]
    how: dict[str, Any] = {"masked": masked, "progress": knowledge.progress}
    vectors[items] = encoder.vectors(assembler, items, lengths, **how)
    if folder is not None:
        write_cached(folder, {"vectors": vectors}, {})
    return vectors


def whitened_vectors(
    settings: PartsConfig, catalogue: Catalogue, knowledge: KnowledgeSource, trees: ItemTrees
) -> NDArray[np.float32]:
    """The vectors of :func:`text_vectors`, whitened, ``(n, D)``; arguments and errors as there."""
    return whitened(text_vectors(settings, catalogue, knowledge, trees))


def _lengths(assembler: TreeAssembler, read: CompiledKnowledge, names: TokenPool) -> NDArray[np.int64]:
    """``(n,)`` tokens of each tree."""
    before = np.concatenate([[0], np.cumsum(read.pool.lengths[read.trees.prompt])])
    first = read.trees.indptr[:-1]
    lengths: NDArray[np.int64] = names.lengths + before[first + assembler.fitting] - before[first]
    return lengths


def _contents(names: TokenPool, read: CompiledKnowledge) -> str:
    """Hash of all that is read."""
    sums = hashlib.sha256()
    for arrays in (names.arrays, read.pool.arrays, read.trees.arrays):
        for name, array in arrays.items():
            sums.update(f"{name} {array.dtype} {array.shape}".encode())
            sums.update(np.ascontiguousarray(array).tobytes())
    return sums.hexdigest()
