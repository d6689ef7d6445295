"""How the score parts change when items lose some of their triplet prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.knowledge.item_facts import ItemFacts, PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import Triplets
from kptoolkit.models.parts.graph_similarity import FactHolders
from kptoolkit.models.parts.score_parts import PairPart, ScoreParts
from kptoolkit.models.parts.words import prompt_words, words_per_prompt

KeysOfPrompts = Callable[[NDArray[np.int32], NDArray[np.int8]], set[int]]


@dataclass(frozen=True, eq=False)
class RemovablePrompts:
    """A part that is computed from prompts, and what it loses with some of them.

    Attributes:
        fitted: The part.
        holders: Items by the facts or words that they have.
        kinds: Weight of each kind of pair, as :meth:`FactHolders.change` expects it.
        keys: Facts or words of some prompts of an item, given their numbers and hops.
        trees: The prompts of every item.
    """

    fitted: PairPart
    holders: FactHolders
    kinds: NDArray[np.float64]
    keys: KeysOfPrompts
    trees: ItemTrees

    @classmethod
    def of_facts(cls, part: PairPart, facts: PromptFacts, trees: ItemTrees) -> Self:
        """Create it for graph similarity, which reads the facts of hop 1."""
        width = max(1, len(facts.relations))
        names = [f"{how} {relation}" for how in ("same", "joined by") for relation in facts.relations]

        def keys(prompts: NDArray[np.int32], hops: NDArray[np.int8]) -> set[int]:
            near = prompts[(hops == 1) & facts.known(prompts)]
            return set((facts.far[near].astype(np.int64) * width + facts.relation[near]).tolist())

        kinds = np.array([part.kinds.get(name, 0.0) for name in names])
        return cls(part, FactHolders.of(facts.around(trees)), kinds, keys, trees)

    @classmethod
    def of_words(cls, part: PairPart, knowledge: KnowledgeSource, trees: ItemTrees) -> Self:
        """Create it for the part of prompts, which reads the words of the sentences of hop 1."""
        sentences, n = knowledge.pool.sentences, len(trees)
        by_item, by_prompt = prompt_words(trees, sentences), words_per_prompt(sentences)
        count = len(by_item.data)
        facts = ItemFacts(
            by_item.indptr.astype(np.int64),
            np.zeros(count, np.int32),
            np.ones(count, np.int8),
            (by_item.indices + n).astype(np.int32),
            1,
            by_item.shape[1],
        )

        def keys(prompts: NDArray[np.int32], hops: NDArray[np.int8]) -> set[int]:
            return set((by_prompt[prompts[hops == 1]].indices.astype(np.int64) + n).tolist())

        kinds = np.array([sum(part.kinds.values()), 0.0])
        return cls(part, FactHolders.of(facts), kinds, keys, trees)

    def change(
        self,
        case: Cases,
        candidates: NDArray[np.int64],
        item: NDArray[np.int64],
        prompt: NDArray[np.int32],
        removed: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """Compute what is added to the scores of some items when items lose prompts, ``(V, C)``.

        Args:
            case: One case.
            candidates: ``(C,)`` catalogue rows.
            item: ``(T,)`` catalogue rows of the items that may lose a prompt.
            prompt: ``(T,)`` numbers of these prompts.
            removed: ``(V, T)`` those that each of V variants lacks.
        """
        total = np.zeros((len(removed), len(candidates)), dtype=np.float32)
        read = np.asarray(self.fitted.read(case).toarray())[0].astype(np.float64)
        sums = np.asarray(read @ self.fitted.values)
        before = np.log1p(sums[candidates])
        for variant in np.flatnonzero(removed.any(axis=1)):
            lost = list(self._lost(item[removed[variant]], prompt[removed[variant]]))
            after = sums + self.holders.change(lost, read, self.kinds)
            change = np.log1p(np.maximum(after[candidates], 0)) - before
            total[variant] = (self.fitted.scale * change).astype(np.float32)
        return total

    def _lost(self, item: NDArray[np.int64], prompt: NDArray[np.int32]) -> Iterable[tuple[int, int]]:
        """Items with each fact or word that no prompt gives them any more."""
        trees = self.trees
        for each in np.unique(item).tolist():
            own = trees.span(each)
            gone = np.isin(trees.prompt[own], prompt[item == each])
            keys = [self.keys(trees.prompt[own][which], trees.hop[own][which]) for which in (gone, ~gone)]
            yield from ((each, key) for key in sorted(keys[0] - keys[1]))


class RemovedTriplets:
    """Computes the change of the score parts when items lose triplet prompts; nothing is fitted again.

    The part of the text encoder is left unchanged: to encode the trees of every variant again takes too long.

    Args:
        parts: Fitted score parts.
        catalogue: The n items.
        knowledge: The knowledge that the parts were computed from.
    """

    def __init__(self, parts: ScoreParts, catalogue: Catalogue, knowledge: KnowledgeSource) -> None:
        self._knowledge, trees = knowledge, knowledge.trees(0)
        self._parts: list[RemovablePrompts] = []
        if (graph := parts.pairs.get("graph similarity")) is not None:
            facts = PromptFacts.of(knowledge.pool, catalogue.item_of_entity(), len(catalogue))
            self._parts.append(RemovablePrompts.of_facts(graph, facts, trees))
        if (prompts := parts.pairs.get("prompts")) is not None:
            self._parts.append(RemovablePrompts.of_words(prompts, knowledge, trees))

    def change(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Compute what is added to the scores of some items when triplets are removed, ``(V, C)``, mostly negative.

        Args:
            case: One case.
            candidates: ``(C,)`` catalogue rows.
            triplets: T triplets.
            removed: ``(V, T)`` triplets that each of V variants lacks.
        """
        total = np.zeros((len(removed), len(candidates)), dtype=np.float32)
        prompts = self._knowledge.pool.keys.find(triplets.prompts)
        for part in self._parts:
            total += part.change(case, candidates, triplets.item, prompts, removed)
        return total
