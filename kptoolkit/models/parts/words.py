"""Words of titles and of triplet prompts, and the items that share them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.sentences import Sentences
from kptoolkit.models.parts.graph_similarity import sharing
from kptoolkit.models.parts.pair_kinds import PairKind
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.storage.values.letters import compared_words


def title_words(titles: Iterable[str]) -> Any:
    """Words of titles: CSR ``(n, W)``, 1 where the title of an item contains a word."""
    numbers: dict[str, int] = {}
    rows = [sorted({numbers.setdefault(word, len(numbers)) for word in compared_words(title)}) for title in titles]
    found = np.array([number for row in rows for number in row], dtype=np.int32)
    ones = np.ones(len(found), dtype=np.float32)
    return sp.csr_matrix((ones, found, indptr_of([len(row) for row in rows])), shape=(len(rows), len(numbers)))


def prompt_words(trees: ItemTrees, sentences: Sentences) -> Any:
    """Words of the triplet prompts of hop 1: CSR ``(n, W)``, 1 where such a prompt of an item contains a word.

    Prompts of farther hops are about other entities: their words make items similar that are not.

    Args:
        trees: The prompts of each item.
        sentences: The sentence of each prompt.
    """
    near = np.flatnonzero(trees.hop == 1)
    per_item = _incidence(trees.prompt[near], np.searchsorted(near, trees.indptr), len(sentences))
    found = (per_item @ words_per_prompt(sentences)).tocsr()
    found.data[:] = 1.0
    return found


def words_per_prompt(sentences: Sentences) -> Any:
    """Words of P sentences: CSR ``(P, W)``, positive where a sentence contains a word."""
    return _incidence(sentences.piece, sentences.indptr, len(sentences.texts)) @ title_words(sentences.texts)


def word_kind(name: str, words: Any) -> PairKind:
    """Pairs of items that share words; a frequent word counts less, and one that very many items have not at all.

    Args:
        name: Name of the kind.
        words: CSR ``(n, W)`` of :func:`title_words` or :func:`prompt_words`.
    """
    shared = sharing(words)
    apart = shared.row != shared.col
    ends = (shared.row[apart], shared.col[apart])
    raw = sp.csr_matrix((shared.data[apart], ends), shape=shared.shape, dtype=np.float32)
    return PairKind(name, raw).with_mean_one(np.zeros(raw.shape[0], dtype=np.float32))


def _incidence(numbers: Any, indptr: Any, width: int) -> Any:
    ones = np.ones(len(numbers), dtype=np.float32)
    return sp.csr_matrix((ones, numbers, indptr), shape=(len(indptr) - 1, width))
