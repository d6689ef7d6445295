"""What fits into a prompt: the latest items first, then whole triplets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kptoolkit.errors import PromptTooLongError
from kptoolkit.names import quantity


@dataclass(frozen=True)
class LeftOut:
    """Counts of what a prompt leaves out.

    Attributes:
        triplets: Selected triplets of the prompt's items that exceeded the token budget.
        items: Items of the history that were dropped, oldest first, because the items alone exceeded the budget.
        nameless: Facts around the prompt's items that were left out because their far end has no name.
    """

    triplets: int = 0
    items: int = 0
    nameless: int = 0


def latest_that_fit(
    fixed: int, items: Sequence[int], *, separator: int, last_separator: int, max_tokens: int
) -> tuple[int, int]:
    """Count the latest items that fit into a prompt without triplets.

    Args:
        fixed: Tokens of the MPP's own words, the user, the mask and the end of the sequence.
        items: Tokens of each item, oldest first; at least one item.
        separator: Tokens between two items.
        last_separator: Tokens before the last of several items.
        max_tokens: Token budget of the prompt.

    Returns:
        The number of items, and the tokens that these items and ``fixed`` take together.

    Raises:
        PromptTooLongError: The latest item alone does not fit.
    """
    used = fixed + items[-1]
    if used > max_tokens:
        raise PromptTooLongError(
            f"the prompt with its latest item alone takes {quantity(used, 'tokens')}, tree.max_tokens allows "
            f"{max_tokens}; raise it"
        )
    count = 1
    for tokens in reversed(items[:-1]):
        more = tokens + (last_separator if count == 1 else separator)
        if used + more > max_tokens:
            break
        used, count = used + more, count + 1
    return count, used


def fit_round_robin(triplets: Sequence[Sequence[int]], room: int) -> list[int]:
    """Count the triplets of each item that fit, taking turns over the items.

    Round j takes the j-th triplet of every item that has one, the latest item first. The first triplet that does not
    fit ends it. What is taken is a prefix of each item's breadth-first list, so every triplet's parent is taken too.

    Args:
        triplets: Tokens of each item's triplets in breadth-first order; items oldest first.
        room: Tokens left for triplets.

    Returns:
        The number of triplets of each item.
    """
    counts = [0] * len(triplets)
    for turn in range(max((len(lengths) for lengths in triplets), default=0)):
        for item in reversed(range(len(triplets))):
            if turn >= len(triplets[item]):
                continue
            room -= triplets[item][turn]
            if room < 0:
                return counts
            counts[item] += 1
    return counts
