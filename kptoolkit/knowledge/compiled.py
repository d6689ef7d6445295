"""Compiled knowledge: item trees and the tokens of their prompts.

Training and serving read these arrays alone: no graph, no template and no tokenizer is used per sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_pool import PromptKeys
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.storage.arrays import check_arrays, fitting, read_arrays, write_arrays


@dataclass(frozen=True)
class CompiledKnowledge:
    """Item trees and the tokens of their prompts: everything that a sample reads from the graph.

    Attributes:
        trees: The prompts below every item.
        pool: Tokens of the distinct prompts.
        prompts: Fact and variant of each distinct prompt, from which its sentence can be rendered; see
            :meth:`kptoolkit.knowledge.knowledge_source.KnowledgeSource.sentences`.
    """

    trees: ItemTrees
    pool: TokenPool
    prompts: PromptKeys = field(default_factory=PromptKeys)

    def with_trees(self, trees: ItemTrees) -> CompiledKnowledge:
        """Return the same prompts below other trees."""
        return replace(self, trees=trees)

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``, with checksums; ``folder`` is complete or does not exist."""
        pool = {f"pool_{name}": array for name, array in self.pool.arrays.items()}
        prompts = {f"prompt_{name}": array for name, array in self.prompts.arrays.items()}
        write_arrays(folder, self.trees.arrays | pool | prompts, {})

    @classmethod
    def load(cls, folder: Path) -> CompiledKnowledge:
        """Read what :meth:`save` wrote, memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, _ = read_arrays(folder)
        with fitting(folder):
            pool = TokenPool(**{name: arrays[f"pool_{name}"] for name in ("ids", "starts", "indptr")}).check()
            prompts = PromptKeys(arrays["prompt_row"], arrays["prompt_variant"])
            check_arrays(prompts, ("row", "variant"))
            trees = ItemTrees.of_arrays(arrays)
            most = int(trees.lengths.max(initial=0))
            trees.check(prompt=("prompts", max(len(pool), len(prompts))), parent=("triplets", most))
            return cls(trees, pool, prompts)
