"""Compiled knowledge: item trees and the tokens of their prompts.

Training and serving read these arrays alone: no graph, no template and no tokenizer is used per sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_pool import Sentences
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.prompts import Segment
from kptoolkit.storage.arrays import read_arrays, write_arrays


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
