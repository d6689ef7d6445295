"""Chooses the triples of a catalogue and puts them into sentences and tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.cache import keep, prompts_name, read_kept, tokens_name
from kptoolkit.knowledge.engines.worker_pool import WORTH_WORKERS, Crew, encoded, worded
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_pool import PromptPool
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import TemplatePack
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.tree.selection import Selection, select
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import TripletRenderer


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
    def _wording(self) -> TripletRenderer:
        return TripletRenderer(self.neighbourhoods, self.pack, self.prompts.variants, self.prompts.name_tokens)


def encode_prompts(prompts: PromptPool, tokenizer: Tokenizer, crew: Crew | None = None) -> TokenPool:
    """Tokenise each distinct prompt once, by more processes where ``crew`` has them."""
    parts = encoded(prompts, tokenizer, crew or Crew())
    kinds = (np.int32, np.bool_, np.int64)
    ids, starts, sizes = (
        np.concatenate([np.zeros(0, kind), *(arrays[column] for arrays, _ in parts)])
        for column, kind in enumerate(kinds)
    )
    return TokenPool(ids, starts, indptr_of(sizes))
