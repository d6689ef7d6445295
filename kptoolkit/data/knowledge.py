"""The catalogue's knowledge, compiled once: distinct triplet prompts and, for each item, its tree of them.

A :class:`KnowledgeSource` chooses triples and words them; a :class:`CompiledKnowledge` holds their tokens. Training and
serving read the compiled arrays alone: no graph, no template and no tokenizer is touched a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.workers import worded
from kptoolkit.graph.arrays import read_arrays, write_arrays
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import TemplatePack
from kptoolkit.tree.select import Selection, select
from kptoolkit.tree.tokens import Tokenizer
from kptoolkit.tree.wording import TripletPrompt, Wording


@dataclass(frozen=True)
class ItemTrees:
    """The triplet prompts below every item, CSR by catalogue row, breadth first inside an item.

    Attributes:
        indptr: ``(n_items + 1,)``; the triplets of item i are rows ``[indptr[i], indptr[i + 1])``.
        prompt: ``(S,)`` number of the distinct prompt.
        parent: ``(S,)`` index inside the item of the triplet it hangs under, -1 below the item itself.
        hop: ``(S,)`` hops from the item, from 1.
        dfs: ``(S,)`` rank inside the item in depth-first order.
    """

    indptr: NDArray[np.int64]
    prompt: NDArray[np.int32]
    parent: NDArray[np.int32]
    hop: NDArray[np.int8]
    dfs: NDArray[np.int32]

    @property
    def n_items(self) -> int:
        """Catalogue size."""
        return len(self.indptr) - 1

    def permuted(self, order: NDArray[np.int64]) -> ItemTrees:
        """The trees with item i given those of item ``order[i]``; -1 gives none."""
        sizes = np.where(order >= 0, np.diff(self.indptr)[order], 0)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.repeat(self.indptr[order] - indptr[:-1], sizes) + np.arange(indptr[-1])
        return ItemTrees(indptr, self.prompt[rows], self.parent[rows], self.hop[rows], self.dfs[rows])

    def cut(self, items: NDArray[np.int64], gone: Sequence[NDArray[np.int64]]) -> ItemTrees:
        """The trees of some items, each without some of its triplets; no other takes their place.

        Args:
            items: ``(E,)`` catalogue rows; one may come several times.
            gone: For each, the rows of this object to leave out, with all that hang under them.

        Returns:
            E trees, in this order.
        """
        sizes = np.diff(self.indptr)[items]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.repeat(self.indptr[items] - first[:-1], sizes) + np.arange(first[-1])
        kept = np.ones(len(rows), dtype=bool)
        for number, (item, left_out) in enumerate(zip(items, gone, strict=True)):
            kept[first[number] + left_out - self.indptr[item]] = False
        before = np.concatenate([[0], np.cumsum(kept)])  # how many are kept before each
        owner = np.repeat(np.arange(len(items)), sizes)[kept]
        rows, indptr = rows[kept], before[first].astype(np.int64)
        above = self.parent[rows]
        parent = np.where(above < 0, -1, before[first[owner] + np.maximum(above, 0)] - indptr[owner])
        return ItemTrees(indptr, self.prompt[rows], parent.astype(np.int32), self.hop[rows], self.dfs[rows])

    def without_knowledge(self) -> ItemTrees:
        """The same catalogue with no triplet under any item."""
        return self.permuted(np.full(self.n_items, -1, dtype=np.int64))

    def shuffled(self, seed: int) -> ItemTrees:
        """Every item that has triplets gets those of another such item, by one fixed derangement.

        A catalogue with fewer than two such items is returned as it is.
        """
        having = np.flatnonzero(np.diff(self.indptr))
        order = np.arange(self.n_items, dtype=np.int64)
        if len(having) > 1:
            cycle = np.random.default_rng(seed).permutation(having)
            order[cycle] = np.roll(cycle, 1)
        return self.permuted(order)


@dataclass
class KnowledgeSource:
    """Chooses and words the knowledge of a catalogue.

    Attributes:
        neighbourhoods: What the graph says around each item; ``roots[i]`` belongs to catalogue row i.
        catalogue: The items.
        pack: Template pack.
        tree: Which triples.
        prompts: Which wording.
        max_degree: Nodes with more relationships are not expanded.
    """

    neighbourhoods: Neighbourhoods
    catalogue: Catalogue
    pack: TemplatePack
    tree: TreeConfig
    prompts: PromptsConfig
    max_degree: int
    pool: list[TripletPrompt] = field(default_factory=list)
    _known: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def varies(self) -> bool:
        """Whether another epoch means other triples or other words."""
        return self.tree.ranking == "random" or self.prompts.variants == "epoch"

    def selection(self, epoch: int = 0) -> Selection:
        """The triples of every item at an epoch."""
        seed = self.tree.seed + (epoch if self.tree.ranking == "random" else 0)
        return select(
            self.neighbourhoods,
            mirrored=self.pack.mirrored,
            hops=self.tree.hops,
            degree=self.tree.degree,
            ranking=self.tree.ranking,
            seed=seed,
            max_degree=self.max_degree,
            keep_nameless=self.prompts.keep_nameless,
        )

    def trees(self, epoch: int = 0) -> ItemTrees:
        """The item trees of an epoch; prompts not yet worded are appended to ``pool``."""
        selection = self.selection(epoch)
        rows, inverse = np.unique(selection.row, return_inverse=True)
        prompt = self._numbers(rows, epoch)[inverse]
        return ItemTrees(
            selection.indptr.astype(np.int64),
            prompt,
            selection.parent.astype(np.int32),
            selection.hop.astype(np.int8),
            selection.dfs.astype(np.int32),
        )

    def _numbers(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.int32]:
        """``(n,)`` numbers in ``pool`` of the prompts of distinct rows."""
        keys = list(zip(rows.tolist(), self._wording.variant_numbers(rows, epoch), strict=True))
        new = [place for place, key in enumerate(keys) if key not in self._known]
        self.pool += worded(self._wording, rows[new], epoch, self.prompts.workers)
        first = len(self._known)
        self._known.update((keys[place], first + number) for number, place in enumerate(new))
        return np.array([self._known[key] for key in keys], dtype=np.int32)

    @cached_property
    def _wording(self) -> Wording:
        return Wording(self.neighbourhoods, self.pack, self.prompts.variants, self.prompts.name_tokens)


@dataclass(frozen=True)
class TokenPool:
    """Token ids of many texts in one array.

    Attributes:
        ids: ``(T,)`` token ids.
        starts: ``(T,)`` whether the token begins a word.
        indptr: ``(P + 1,)``; text p is ``[indptr[p], indptr[p + 1])``.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.bool_]
    indptr: NDArray[np.int64]

    @classmethod
    def of(cls, encoded: Sequence[tuple[NDArray[np.int32], NDArray[np.bool_]]]) -> TokenPool:
        """Join encoded texts."""
        lengths = [len(ids) for ids, _ in encoded]
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        ids = np.concatenate([np.zeros(0, np.int32), *(ids for ids, _ in encoded)])
        starts = np.concatenate([np.zeros(0, np.bool_), *(starts for _, starts in encoded)])
        return cls(ids, starts, indptr)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(P,)`` tokens a text."""
        return np.diff(self.indptr)

    def taken(self, rows: NDArray[np.int64]) -> TokenPool:
        """The texts with these numbers, in this order."""
        texts = [slice(self.indptr[row], self.indptr[row + 1]) for row in rows]
        return TokenPool.of([(self.ids[text], self.starts[text]) for text in texts])

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed, beside and then renamed."""
        write_arrays(folder, {"ids": self.ids, "starts": self.starts, "indptr": self.indptr}, {})

    @classmethod
    def load(cls, folder: Path) -> TokenPool:
        """Read what :meth:`save` wrote, memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, _ = read_arrays(folder)
        return cls(arrays["ids"], arrays["starts"], arrays["indptr"])

    def joined(self, other: TokenPool) -> TokenPool:
        """This pool with the texts of ``other`` behind its own."""
        indptr = np.concatenate([self.indptr, self.indptr[-1] + other.indptr[1:]])
        return TokenPool(np.concatenate([self.ids, other.ids]), np.concatenate([self.starts, other.starts]), indptr)


@dataclass(frozen=True)
class CompiledKnowledge:
    """Item trees and the tokens of their prompts: all that a sample needs of the graph.

    Attributes:
        trees: The prompts below every item.
        pool: Tokens of the distinct prompts.
        texts: The prompts' sentences, for people.
    """

    trees: ItemTrees
    pool: TokenPool
    texts: tuple[str, ...] = ()

    def with_trees(self, trees: ItemTrees) -> CompiledKnowledge:
        """The same tokens under other trees."""
        return replace(self, trees=trees)

    def save(self, folder: Path) -> None:
        """Write arrays and sentences to ``folder``, checksummed, beside and then renamed."""
        trees, pool = self.trees, self.pool
        arrays = {f"tree_{name}": getattr(trees, name) for name in ("indptr", "prompt", "parent", "hop", "dfs")}
        arrays |= {f"pool_{name}": getattr(pool, name) for name in ("ids", "starts", "indptr")}
        write_arrays(folder, arrays, {"texts": list(self.texts)})

    @classmethod
    def load(cls, folder: Path) -> CompiledKnowledge:
        """Read what :meth:`save` wrote, memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        trees = ItemTrees(*(arrays[f"tree_{name}"] for name in ("indptr", "prompt", "parent", "hop", "dfs")))
        pool = TokenPool(*(arrays[f"pool_{name}"] for name in ("ids", "starts", "indptr")))
        return cls(trees, pool, tuple(extra["texts"]))


def encode_prompts(prompts: Sequence[TripletPrompt], tokenizer: Tokenizer) -> TokenPool:
    """Tokenise each distinct prompt once."""
    encoded = [tokenizer.encode(prompt.segments, (prompt.head, prompt.tail)) for prompt in prompts]
    return TokenPool.of([(entry.ids, entry.starts) for entry in encoded])
