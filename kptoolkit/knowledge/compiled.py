"""The catalogue's knowledge, compiled once: distinct triplet prompts and, for each item, its tree of them.

A :class:`KnowledgeSource` chooses triples and words them; a :class:`CompiledKnowledge` holds their tokens. Training and
serving read the compiled arrays alone: no graph, no template and no tokenizer is touched a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.cache import keep, prompts_name, read_kept, tokens_name
from kptoolkit.knowledge.engines.worker_pool import WORTH_WORKERS, Crew, encoded, worded
from kptoolkit.knowledge.prompt_pool import PromptPool, Sentences
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import Segment, TemplatePack
from kptoolkit.storage.arrays import read_arrays, write_arrays
from kptoolkit.storage.ragged import pointers
from kptoolkit.tree.selection import Selection, select
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import Wording

_TREE = ("indptr", "prompt", "parent", "hop", "dfs")


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

    @classmethod
    def none(cls) -> ItemTrees:
        """No item at all."""
        whole, small = np.zeros(0, np.int32), np.zeros(0, np.int8)
        return cls(np.zeros(1, np.int64), whole, whole, small, whole)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes, as they are kept on disk."""
        return {f"tree_{name}": getattr(self, name) for name in _TREE}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ItemTrees:
        """What :attr:`arrays` gave."""
        return cls(*(arrays[f"tree_{name}"] for name in _TREE))

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


@dataclass(frozen=True)
class _Beginning:
    """The first epoch: its trees, how many prompts they take, and how many facts were left out for want of a name."""

    trees: ItemTrees
    prompts: int
    nameless: int


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
        cache: Folder where the first epoch's trees, prompts and tokens are kept, and looked for first; unset: nowhere.
        progress: Told where something in ``cache`` cannot be used, and where Ray was asked for and is not.
        pool: The distinct prompts so far.
    """

    neighbourhoods: Neighbourhoods
    catalogue: Catalogue
    pack: TemplatePack
    tree: TreeConfig
    prompts: PromptsConfig
    max_degree: int
    cache: Path | None = None
    progress: ProgressCallback = silent
    pool: PromptPool = field(init=False)
    _beginning: _Beginning | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.pool = PromptPool.empty(self.neighbourhoods)

    @property
    def varies(self) -> bool:
        """Whether another epoch means other triples or other words."""
        return self.tree.ranking == "random" or self.prompts.variants == "epoch"

    @property
    def nameless(self) -> int:
        """Facts that the first epoch leaves out because their far end has no name."""
        return self._first().nameless

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
        """The item trees of an epoch; prompts not yet worded are appended to ``pool``.

        Raises:
            OSError: ``cache`` cannot be written.
        """
        return self._first().trees if epoch == 0 else self._made(epoch)[0]

    def tokens(self, tokenizer: Tokenizer, first: int = 0) -> TokenPool:
        """The tokens of the prompts from number ``first`` on.

        Raises:
            OSError: ``cache`` cannot be written.
        """
        known = self._beginning.prompts if self._beginning is not None else -1
        if first == 0 and len(self.pool) == known and isinstance(tokenizer, SavedTokenizer):
            return self._kept_tokens(tokenizer)
        return encode_prompts(self.pool[first:], tokenizer, self._crew)

    def _first(self) -> _Beginning:
        """The first epoch, from the cache where that has it."""
        if self._beginning is None:
            folder = self._folder if len(self.pool) == 0 else None
            self._beginning = (folder and self._read(folder)) or self._begun(folder)
        return self._beginning

    def _begun(self, folder: Path | None) -> _Beginning:
        trees, nameless = self._made(0)
        if folder is None:
            return _Beginning(trees, len(self.pool), nameless)
        extra = {"texts": self.pool.sentences.texts, "nameless": nameless}
        keep(folder, trees.arrays | self.pool.arrays, extra)
        return self._read(folder) or _Beginning(trees, len(self.pool), nameless)

    def _read(self, folder: Path) -> _Beginning | None:
        found = read_kept(folder, (*ItemTrees.none().arrays, *self.pool.arrays), self.progress)
        if found is None:
            return None
        arrays, extra = found
        self.pool = PromptPool.of_arrays(self.neighbourhoods, arrays, extra["texts"])
        return _Beginning(ItemTrees.of_arrays(arrays), len(self.pool), extra["nameless"])

    def _kept_tokens(self, tokenizer: SavedTokenizer) -> TokenPool:
        if self._folder is None:
            return encode_prompts(self.pool, tokenizer, self._crew)
        folder = self._folder.with_name(tokens_name(self._folder.name, tokenizer.fingerprint))
        found = read_kept(folder, tuple(TokenPool.of([]).arrays), self.progress)
        if found is None:
            tokens = encode_prompts(self.pool, tokenizer, self._crew)
            keep(folder, tokens.arrays, {})
            found = read_kept(folder, tuple(tokens.arrays), self.progress)
        return tokens if found is None else TokenPool(**found[0])

    def _made(self, epoch: int) -> tuple[ItemTrees, int]:
        """The trees of an epoch, and how many facts were left out for want of a name."""
        selection = self.selection(epoch)
        rows, inverse = np.unique(selection.row, return_inverse=True)
        prompt = self._numbers(rows, epoch)[inverse]
        trees = ItemTrees(
            selection.indptr.astype(np.int64),
            prompt,
            selection.parent.astype(np.int32),
            selection.hop.astype(np.int8),
            selection.dfs.astype(np.int32),
        )
        return trees, int(selection.nameless.sum())

    def _numbers(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.int32]:
        """``(n,)`` numbers in ``pool`` of the prompts of distinct rows."""
        variants = self._wording.variant_numbers(rows, epoch)
        numbers = self.pool.numbers(rows, variants)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = len(self.pool) + np.arange(len(new), dtype=np.int32)
        if epoch == 0 and self._crew.leaves_ray_out(len(new)):
            stage = f"word {len(new):,} prompts without Ray, which takes {WORTH_WORKERS:,} and more"
            self.progress(ProgressEvent(stage, len(new), len(new), "prompts"))
        self.pool = self.pool.joined(worded(self._wording, rows[new], variants[new], epoch, self._crew))
        return numbers

    @cached_property
    def _folder(self) -> Path | None:
        """Where the first epoch is kept."""
        if self.cache is None:
            return None
        name = prompts_name(self.neighbourhoods, self.pack, self.tree, self.prompts, self.max_degree)
        return None if name is None else self.cache / name

    @property
    def _crew(self) -> Crew:
        return Crew(self.prompts.workers, self.prompts.engine, self.cache)

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

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes, by name."""
        return {"ids": self.ids, "starts": self.starts, "indptr": self.indptr}

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """``(P,)`` tokens a text."""
        return np.diff(self.indptr)

    def taken(self, rows: NDArray[np.int64]) -> TokenPool:
        """The texts with these numbers, in this order."""
        texts = [slice(self.indptr[row], self.indptr[row + 1]) for row in rows]
        return TokenPool.of([(self.ids[text], self.starts[text]) for text in texts])

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed, beside and then renamed."""
        write_arrays(folder, self.arrays, {})

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
    texts: Sentences = field(default_factory=lambda: Sentences.of(()))

    def with_trees(self, trees: ItemTrees) -> CompiledKnowledge:
        """The same tokens under other trees."""
        return replace(self, trees=trees)

    def save(self, folder: Path) -> None:
        """Write arrays and sentences to ``folder``, checksummed, beside and then renamed."""
        pool = {f"pool_{name}": array for name, array in self.pool.arrays.items()}
        words = {f"text_{name}": array for name, array in self.texts.arrays.items()}
        write_arrays(folder, self.trees.arrays | pool | words, {"pieces": self.texts.texts})

    @classmethod
    def load(cls, folder: Path) -> CompiledKnowledge:
        """Read what :meth:`save` wrote, memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        trees = ItemTrees.of_arrays(arrays)
        pool = TokenPool(*(arrays[f"pool_{name}"] for name in ("ids", "starts", "indptr")))
        return cls(trees, pool, _sentences(arrays, extra))


def _sentences(arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> Sentences:
    if "texts" in extra:  # as version 0.1.0 wrote them
        return Sentences.of([(Segment(text, "text"),) for text in extra["texts"]])
    words = {name.removeprefix("text_"): array for name, array in arrays.items() if name.startswith("text_")}
    return Sentences.of_arrays(words, extra["pieces"])


def encode_prompts(prompts: PromptPool, tokenizer: Tokenizer, crew: Crew | None = None) -> TokenPool:
    """Tokenise each distinct prompt once, by more processes where ``crew`` has them."""
    parts = encoded(prompts, tokenizer, crew or Crew())
    kinds = (np.int32, np.bool_, np.int64)
    ids, starts, sizes = (
        np.concatenate([np.zeros(0, kind), *(arrays[column] for arrays, _ in parts)])
        for column, kind in enumerate(kinds)
    )
    return TokenPool(ids, starts, pointers(sizes))
