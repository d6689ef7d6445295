"""Item indexes: the string of tokens that the decoder generates for each item, one token or several.

References:
    Sequential and collaborative indexing: How to Index Item IDs for Recommendation Foundation Models, arXiv 2305.06569.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.kp4sr.collaborative_codes import BRANCHING, hierarchical_codes
from kptoolkit.models.t5.kp4sr.trie import Trie
from kptoolkit.models.t5.tokenizers import ModelTokenizer
from kptoolkit.names import quantity
from kptoolkit.prompts import Segment
from kptoolkit.storage.values.clean_name import clean_name
from kptoolkit.tree.tokens import cap_name

IndexKind = Literal["token", "name", "random", "sequential", "collaborative"]
IGNORED = -100
_FILE = "strings.json"


@dataclass(frozen=True)
class ItemIndex:
    """A different string of tokens for each of n items.

    Attributes:
        kind: How the strings are formed.
        tokens: The strings; each counts as one word.
        symbols: Number of tokens that they need in addition to the tokenizer's.
        texts: The strings as readable text; none for ``token``.
    """

    kind: IndexKind
    tokens: TokenPool
    symbols: int = 0
    texts: tuple[str, ...] = ()

    @classmethod
    def of_tokens(cls, first: int, n_items: int) -> Self:
        """Create an index with one token per item, numbered from ``first``."""
        ids = np.arange(first, first + n_items, dtype=np.int32)
        pool = TokenPool(np.arange(n_items + 1, dtype=np.int64), ids, np.ones(n_items, dtype=np.bool_))
        return cls("token", pool, n_items)

    @classmethod
    def of_strings(
        cls, kind: IndexKind, strings: Sequence[NDArray[np.int32]], texts: Sequence[str], symbols: int = 0
    ) -> Self:
        """Create an index with one string per item."""
        pool = TokenPool.of([(ids, np.arange(len(ids)) == 0) for ids in strings])
        return cls(kind, pool, symbols, tuple(texts))

    def __len__(self) -> int:
        return len(self.tokens)

    def labels(self, items: Histories, sentinels: tuple[int, int]) -> NDArray[np.int64]:
        """Decoder targets, ``(B, T)``: the first sentinel, then each string and the second sentinel, -100 as padding.

        Args:
            items: One item or more per row, in the order in which the decoder names them.
            sentinels: The tokens before the first string and after each.
        """
        lengths = self.tokens.lengths[items.items] + 1
        ends = np.cumsum(lengths)
        before = np.concatenate([[0], ends])[items.indptr[:-1]]  # tokens of the rows before
        rows = np.repeat(items.rows, lengths)
        place = 1 + np.arange(len(rows)) - before[rows]
        padded = np.full((len(items), 1 + int(place.max(initial=0))), IGNORED, dtype=np.int64)
        padded[:, 0] = sentinels[0]
        padded[rows, place] = sentinels[1]
        strings = self.tokens.take(items.items)
        inside = np.ones(len(rows), dtype=bool)
        inside[ends - 1] = False
        padded[rows[inside], place[inside]] = strings.ids
        return padded

    def output_tokens(self, sentinels: tuple[int, int]) -> NDArray[np.int64]:
        """The tokens that occur in strings, and those before and after them."""
        return np.unique(np.concatenate([self.tokens.ids, sentinels])).astype(np.int64)

    def trie(self, end: int) -> Trie:
        """Create the trie of the strings, each followed by ``end``.

        Raises:
            ValueError: Two strings are equal, or one contains ``end``.
        """
        return Trie.of(self.tokens.ids, self.tokens.indptr, end)

    def pieces(self, names: Sequence[list[int]], first: int) -> list[list[int]]:
        """For each symbol, the tokens of the names of all items whose strings contain it.

        Args:
            names: Tokens of each item's name.
            first: Id of the first symbol.
        """
        found: list[list[int]] = [[] for _ in range(self.symbols)]
        rows = np.repeat(np.arange(len(self)), self.tokens.lengths)
        for row, token in zip(rows.tolist(), self.tokens.ids.tolist(), strict=True):
            if token >= first:
                found[token - first] += names[row]
        return found

    def save(self, folder: Path) -> None:
        """Write the strings; with one token per item nothing is written."""
        if self.kind != "token":
            self.tokens.save(folder)
            about = {"kind": self.kind, "symbols": self.symbols, "strings": self.texts}
            (folder / _FILE).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, first: int, n_items: int) -> Self:
        """Read what :meth:`save` wrote; without a folder, one token per item.

        Args:
            folder: The folder.
            first: Id of the first token after the tokenizer's.
            n_items: Catalogue size.

        Raises:
            DataError: A file is missing or damaged.
            ValueError: The file of strings is damaged.
        """
        if not folder.exists():
            return cls.of_tokens(first, n_items)
        about = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        index = cls(about["kind"], TokenPool.load(folder), about["symbols"], tuple(about["strings"]))
        if len(index) != n_items or len(index.texts) != n_items:
            raise ValueError(f"{folder} holds {len(index)} strings for {quantity(n_items, 'items')}")
        return index


def index_names(kind: IndexKind, task: FitTask) -> list[str]:
    """The item names whose words a phrase tokenizer needs: none unless the index is ``name``."""
    return _names(task) if kind == "name" else []


def build_index(kind: IndexKind, task: FitTask, tokenizer: ModelTokenizer) -> ItemIndex:
    """Create the index of a training from the catalogue and the training histories.

    Where the order of items matters, it is that of their ids.

    Args:
        kind: ``token``: one token per item; ``name``: the item's name in the tokenizer's tokens, with a number where
            names are equal; ``random``: numbers drawn by ``training.seed``; ``sequential``: numbers by first appearance
            in the training histories, user by user; ``collaborative``: codes of new tokens, similar for items that the
            same users read.
        task: Catalogue, training histories, seed.
        tokenizer: Encodes the strings.
    """
    n, seed = len(task.catalogue), task.config.training.seed
    if kind == "token":
        return ItemIndex.of_tokens(tokenizer.size, n)
    by_id = np.argsort(np.array([str(item_id) for item_id in task.catalogue.item_ids]), kind="stable")
    place = np.empty(n, dtype=np.int32)
    place[by_id] = np.arange(n, dtype=np.int32)
    histories = Histories(task.split.train.indptr, place[task.split.train.items])
    symbols = 0
    if kind == "collaborative":
        codes = hierarchical_codes(histories, n, seed)
        symbols = BRANCHING * max(map(len, codes))
        strings, texts = _spelled(codes, tokenizer.size)
    elif kind == "name":
        names = _names(task)
        strings, texts = _distinct_strings([names[row] for row in by_id], tokenizer, task.config.prompts.name_tokens)
    else:
        drawn = _drawn(n, seed) if kind == "random" else _by_appearance(histories, n)
        strings, texts = _distinct_strings(_numerals(drawn), tokenizer, task.config.prompts.name_tokens)
    return ItemIndex.of_strings(kind, [strings[at] for at in place], [texts[at] for at in place], symbols)


def _names(task: FitTask) -> list[str]:
    limit = task.config.prompts.name_tokens
    return [cap_name(clean_name(str(name)), limit) for name in task.catalogue.names]


def _distinct_strings(
    texts: Sequence[str], tokenizer: ModelTokenizer, limit: int
) -> tuple[list[NDArray[np.int32]], list[str]]:
    """Tokens of texts, at most ``limit``, with a number after those that are empty or equal to an earlier one."""
    strings = [_encoded(text, tokenizer)[:limit] for text in texts]
    distinct, taken, again = list(texts), {b""}, []
    for row, ids in enumerate(strings):
        if ids.tobytes() in taken:
            again.append(row)
        taken.add(ids.tobytes())
    counts: dict[bytes, int] = {}
    for row in again:
        number, plain = counts.get(strings[row].tobytes(), 1), strings[row]
        while strings[row].tobytes() in taken:
            number += 1
            strings[row] = np.concatenate([plain, _encoded(f"({number})", tokenizer)])
        counts[plain.tobytes()] = number
        taken.add(strings[row].tobytes())
        distinct[row] = f"{texts[row]} ({number})".strip()
    return strings, distinct


def _encoded(text: str, tokenizer: ModelTokenizer) -> NDArray[np.int32]:
    return tokenizer.encode((Segment(text, "text"),)).ids


def _numerals(numbers: NDArray[np.int64]) -> list[str]:
    """Distinct numbers below 9, 90, 900, … as numerals with the same number of digits, none with a leading zero."""
    return [str(_base(len(numbers)) + int(number)) for number in numbers]


def _base(count: int) -> int:
    """The smallest power of ten such that at least ``count`` numerals have as many digits."""
    base = 1
    while 9 * base < count:
        base *= 10
    return base


def _drawn(count: int, seed: int) -> NDArray[np.int64]:
    drawn: NDArray[np.int64] = np.random.default_rng(seed).choice(9 * _base(count), count, replace=False)
    return drawn


def _by_appearance(histories: Histories, n_items: int) -> NDArray[np.int64]:
    """The number of each item in the order of first appearance in the histories; items without one come last."""
    met, first = np.unique(histories.items, return_index=True)
    order = np.concatenate([met[np.argsort(first)], np.setdiff1d(np.arange(n_items), met)])
    numbers = np.empty(n_items, dtype=np.int64)
    numbers[order] = np.arange(n_items)
    return numbers


def _spelled(codes: Sequence[tuple[int, ...]], first: int) -> tuple[list[NDArray[np.int32]], list[str]]:
    """Tokens and texts of codes: one token per level and number."""
    strings = [first + BRANCHING * np.arange(len(code), dtype=np.int32) + np.array(code, np.int32) for code in codes]
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = ["".join(f"<{letters[level % 26]}{number}>" for level, number in enumerate(code)) for code in codes]
    return strings, texts
