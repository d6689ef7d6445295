"""What fits into a prompt: the latest items, then whole triplets, dealt breadth first over the items, latest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kptoolkit.errors import PromptTooLongError


@dataclass(frozen=True)
class LeftOut:
    """What a prompt does not hold.

    Attributes:
        triplets: Chosen triplets of the prompt's items that the budget left no room for.
        items: History items dropped, oldest first, because the items alone took too many tokens.
        nameless: Facts around the prompt's items that were left out because their far end has no name.
    """

    triplets: int = 0
    items: int = 0
    nameless: int = 0


def latest_that_fit(
    fixed: int, items: Sequence[int], *, separator: int, last_separator: int, max_tokens: int
) -> tuple[int, int]:
    """How many of the latest items fit with no triplets, and the tokens that they and ``fixed`` take.

    Args:
        fixed: Tokens of the MPP's own words, the user, the mask and the end of the sequence.
        items: Tokens of each item, oldest first; at least one item.
        separator: Tokens between two items.
        last_separator: Tokens before the last of several items.
        max_tokens: Budget of the prompt.

    Raises:
        PromptTooLongError: The latest item alone does not fit.
    """
    used = fixed + items[-1]
    if used > max_tokens:
        raise PromptTooLongError(
            f"the prompt with its latest item alone takes {used} tokens, tree.max_tokens allows {max_tokens}; raise it"
        )
    count = 1
    for tokens in reversed(items[:-1]):
        more = tokens + (last_separator if count == 1 else separator)
        if used + more > max_tokens:
            break
        used, count = used + more, count + 1
    return count, used


def deal(triplets: Sequence[Sequence[int]], room: int) -> list[int]:
    """How many triplets of each item are kept.

    Turn j deals the j-th triplet of every item that has one, the latest item first. Dealing ends at the first triplet
    that does not fit, so that what is kept is a prefix of each item's breadth-first list and thus whole trees.

    Args:
        triplets: Tokens of each item's triplets in breadth-first order; items oldest first.
        room: Tokens left for triplets.
    """
    kept = [0] * len(triplets)
    for turn in range(max((len(lengths) for lengths in triplets), default=0)):
        for item in reversed(range(len(triplets))):
            if turn >= len(triplets[item]):
                continue
            room -= triplets[item][turn]
            if room < 0:
                return kept
            kept[item] += 1
    return kept
