"""Selects the triples of a catalogue, and renders and tokenizes their prompts when these are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.cache import prompts_key, read_cached, tokens_key, write_cached
from kptoolkit.knowledge.engines.worker_pool import MIN_PROMPTS, WorkerPool
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_jobs import render_sentences, tokenize_prompts
from kptoolkit.knowledge.prompt_pool import PromptKeys, PromptPool
from kptoolkit.knowledge.sentences import Sentences
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import EqualFacts, TemplatePack, equal_facts
from kptoolkit.tree.selection import Selection, select
from kptoolkit.tree.tokens import SavedTokenizer, Tokenizer
from kptoolkit.tree.triplet_prompts import TripletRenderer

_NO_SENTENCES = Sentences.of(())


@dataclass(frozen=True)
class _FirstEpoch:
    """The trees of the first epoch.

    Attributes:
        trees: Item trees.
        prompts: Number of prompts in the pool that can be cached, i.e. all of them; 0 if another epoch came before.
        nameless: Facts that are left out because their far end has no name.
    """

    trees: ItemTrees
    prompts: int
    nameless: int


@dataclass
class KnowledgeSource:
    """Selects the triples of a catalogue and numbers the distinct prompts; renders and tokenizes them on demand.

    Attributes:
        neighbourhoods: Facts around each item; ``roots[i]`` belongs to catalogue row i.
        catalogue: The items.
        pack: Template pack.
        tree: Settings of the selection.
        prompts: Settings of the rendering.
        max_degree: Nodes with more relationships are not expanded.
        cache: Folder of cached trees, sentences and tokens of the first epoch; unset: no cache.
        fresh: Whether to compute again what was cached before.
        progress: Called if something comes from ``cache``, with its date, or is damaged; or if Ray is set but not used.
    """

    neighbourhoods: Neighbourhoods
    catalogue: Catalogue
    pack: TemplatePack
    tree: TreeConfig
    prompts: PromptsConfig
    max_degree: int
    cache: Path | None = None
    fresh: bool = False
    progress: ProgressCallback = silent
    _keys: PromptKeys = field(init=False, default_factory=PromptKeys)
    _first: _FirstEpoch | None = field(init=False, default=None)
    _sentences: Sentences = field(init=False, default=_NO_SENTENCES)

    @property
    def pool(self) -> PromptPool:
        """The distinct prompts of all epochs so far; their sentences are rendered when they are read."""
        keys = self._keys
        return PromptPool(self.neighbourhoods, keys, lambda: self._rendered(len(keys)))

    @property
    def varies(self) -> bool:
        """Whether epochs differ in their triples or sentences."""
        return self.tree.ranking == "random" or self.prompts.variants == "epoch"

    @property
    def nameless(self) -> int:
        """Number of facts that the first epoch leaves out because their far end has no name."""
        return self._first_epoch().nameless

    def selection(self, epoch: int = 0) -> Selection:
        """Select the triples of every item at an epoch."""
        seed = self.tree.seed + (epoch if self.tree.ranking == "random" else 0)
        return select(
            self.neighbourhoods,
            mirrored=self._equal.mirrored,
            repeated=self._equal.repeated,
            hops=self.tree.hops,
            degree=self.tree.degree,
            ranking=self.tree.ranking,
            seed=seed,
            max_degree=self.max_degree,
            keep_nameless=self.prompts.keep_nameless,
        )

    def trees(self, epoch: int = 0) -> ItemTrees:
        """Return the item trees of an epoch; new prompts are appended to :attr:`pool`. Nothing is rendered.

        Raises:
            OSError: ``cache`` cannot be written.
        """
        return self._first_epoch().trees if epoch == 0 else self._build(epoch)[0]

    def tokens(self, tokenizer: Tokenizer, first: int = 0) -> TokenPool:
        """Return the tokens of the prompts from number ``first`` on; renders them if necessary.

        Raises:
            OSError: ``cache`` cannot be written.
        """
        cacheable = self._first is not None and len(self._keys) == self._first.prompts > 0
        if first == 0 and cacheable and self._key is not None and isinstance(tokenizer, SavedTokenizer):
            return self._cached_tokens(tokenizer, self._key)
        return tokenize_prompts(self.pool[first:], tokenizer, self._workers)

    def render(self) -> Sentences:
        """Render all prompts so far, for example to fill ``cache``; returns their sentences.

        Raises:
            TemplateError: A filter of the pack fails on a name, or cannot be imported by a worker process.
            OSError: ``cache`` cannot be written.
        """
        return self.pool.sentences

    def sentences(self, keys: PromptKeys) -> Sentences:
        """Render some prompts, for example those of an explanation, without the cache."""
        return render_sentences(self._renderer, keys, WorkerPool())

    def _first_epoch(self) -> _FirstEpoch:
        """The first epoch, from the cache if possible."""
        if self._first is None:
            folder = self._folder("trees") if len(self._keys) == 0 else None
            found = None if folder is None or self.fresh else self._read_trees(folder, report=True)
            self._first = found or self._build_first(folder)
        return self._first

    def _build_first(self, folder: Path | None) -> _FirstEpoch:
        earlier = len(self._keys)
        trees, nameless = self._build(0)
        if folder is not None:
            write_cached(folder, trees.arrays | self._keys.arrays, {"nameless": nameless})
            if (written := self._read_trees(folder)) is not None:
                return written
        return _FirstEpoch(trees, 0 if earlier else len(self._keys), nameless)

    def _read_trees(self, folder: Path, *, report: bool = False) -> _FirstEpoch | None:
        names = (*ItemTrees.empty().arrays, *PromptKeys().arrays)
        found = read_cached(folder, names, self.progress, report=report)
        if found is None:
            return None
        arrays, extra = found
        self._keys = PromptKeys.of_arrays(arrays)
        return _FirstEpoch(ItemTrees.of_arrays(arrays), len(self._keys), extra["nameless"])

    def _build(self, epoch: int) -> tuple[ItemTrees, int]:
        """The trees of an epoch, and the number of facts left out because their far end has no name."""
        selection = self.selection(epoch)
        rows, inverse = np.unique(selection.row, return_inverse=True)
        prompt = self._numbers(rows, epoch)[inverse]
        trees = ItemTrees(
            selection.indptr,
            prompt,
            selection.parent.astype(np.int32),
            selection.hop.astype(np.int8),
            selection.dfs.astype(np.int32),
        )
        return trees, int(selection.nameless.sum())

    def _numbers(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.int32]:
        """``(n,)`` numbers in ``pool`` of the prompts of distinct rows; new prompts are appended."""
        keys = PromptKeys(rows, self._renderer.variant_numbers(rows, epoch))
        numbers = self._keys.find(keys)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = len(self._keys) + np.arange(len(new), dtype=np.int32)
        self._keys = self._keys.concat(keys.take(new))
        return numbers

    def _rendered(self, count: int) -> Sentences:
        """The sentences of the first ``count`` prompts; renders those that are missing."""
        if len(self._sentences) == 0 and self._first is not None and 0 < self._first.prompts <= count:
            self._sentences = self._first_sentences(self._keys.take(slice(self._first.prompts)))
        if (known := len(self._sentences)) < count:
            missing = self._keys.take(slice(known, count))
            more = render_sentences(self._renderer, missing, self._workers)
            self._sentences = Sentences.concat((self._sentences, more)) if known else more
        return self._sentences if len(self._sentences) == count else self._sentences[:count]

    def _first_sentences(self, keys: PromptKeys) -> Sentences:
        """The sentences of the first epoch's prompts, from the cache if possible."""
        folder = self._folder("sentences")
        found = None if folder is None or self.fresh else self._read_sentences(folder, report=True)
        if found is not None:
            return found
        if self._workers.skips_ray(len(keys)):
            stage = f"render {quantity(len(keys), 'prompts')} without Ray, which is used for {MIN_PROMPTS:,} or more"
            self.progress(ProgressEvent(stage, len(keys), len(keys), "prompts"))
        sentences = render_sentences(self._renderer, keys, self._workers)
        if folder is None:
            return sentences
        write_cached(folder, sentences.arrays, {"texts": sentences.texts})
        return self._read_sentences(folder) or sentences

    def _read_sentences(self, folder: Path, *, report: bool = False) -> Sentences | None:
        found = read_cached(folder, tuple(_NO_SENTENCES.arrays), self.progress, report=report)
        return None if found is None else Sentences.of_arrays(found[0], found[1]["texts"])

    def _cached_tokens(self, tokenizer: SavedTokenizer, key: str) -> TokenPool:
        assert self.cache is not None
        folder = self.cache / f"tokens-{tokens_key(key, tokenizer.fingerprint)}"
        names = tuple(TokenPool.of([]).arrays)
        found = None if self.fresh else read_cached(folder, names, self.progress, report=True)
        if found is None:
            tokens = tokenize_prompts(self.pool, tokenizer, self._workers)
            write_cached(folder, tokens.arrays, {})
            found = read_cached(folder, names, self.progress)
        return tokens if found is None else TokenPool(**found[0])

    def _folder(self, kind: str) -> Path | None:
        """Folder in the cache for the first epoch's trees or sentences; ``None`` without a cache."""
        return None if self.cache is None or self._key is None else self.cache / f"{kind}-{self._key}"

    @cached_property
    def _key(self) -> str | None:
        """Key of the first epoch's prompts; ``None`` if nothing can be cached."""
        if self.cache is None:
            return None
        settings = (self.tree, self.prompts, self.max_degree)
        return prompts_key(self.neighbourhoods, self.pack, *settings, self._item_names)

    @property
    def _workers(self) -> WorkerPool:
        return WorkerPool(self.prompts.workers, self.prompts.engine, self.cache)

    @cached_property
    def _renderer(self) -> TripletRenderer:
        prompts = self.prompts
        return TripletRenderer(self.neighbourhoods, self.pack, prompts.variants, prompts.name_tokens, self._item_names)

    @cached_property
    def _equal(self) -> EqualFacts:
        return equal_facts(self.pack, self.neighbourhoods.relations, self.prompts.variants)

    @cached_property
    def _item_names(self) -> dict[str, str]:
        """What MPPs call the items whose entities have no name, by entity id."""
        found, names = self.neighbourhoods, self.catalogue.names
        nameless = set(np.asarray(found.ids)[np.asarray(found.names) == ""].tolist())
        return {
            entity: str(names[row]) for entity, row in self.catalogue.item_of_entity().items() if entity in nameless
        }
