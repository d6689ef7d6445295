"""A knowledge tree as one sequence of tokens: the definition that the assembly of batches is held against.

1. The masked personalised prompt (MPP) comes first. Its own words, the user, the separators and the mask belong to the
   root, node 0; the items of the history are nodes 1 to n, oldest first.
2. Then, item by item in history order, the kept triplets depth first: a triplet, then what hangs under it, siblings in
   the order in which they were chosen. Node numbers go on from n + 1 in this order. The parent of a triplet at hop 1 is
   its item's node, that of a deeper one the node of the triplet whose far end it starts from.
3. One end-of-sequence token of the root ends the sequence.

An item that occurs several times is one node an occurrence; its triplets hang under the latest one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kptoolkit.errors import InputError
from kptoolkit.prompts import MppTemplate, Segment, Slot, clean_name
from kptoolkit.tree.budget import LeftOut, deal, latest_that_fit
from kptoolkit.tree.tokens import Encoded, Tokenizer
from kptoolkit.tree.visibility import ROOT, ROOT_PARENT

MASK = "___"
EOS = "</s>"


@dataclass(frozen=True)
class Triplet:
    """A triplet prompt under an item.

    Attributes:
        encoded: Its tokens.
        text: The sentence.
        parent: Index in the item's list of the triplet it hangs under; -1 under the item itself.
        hop: Hops from the item, from 1.
        head: Entity id of the stored head.
        relation: Relation id.
        tail: Entity id of the stored tail.
        near: Entity id of the end that introduces it: the item's entity or the parent's far end.
    """

    encoded: Encoded
    text: str
    parent: int
    hop: int
    head: str = ""
    relation: str = ""
    tail: str = ""
    near: str = ""


@dataclass(frozen=True)
class HistoryItem:
    """One event of a history.

    Attributes:
        key: What makes two events events of the same item: its id.
        name: Its name, for people.
        encoded: The tokens that stand for it in the MPP.
        triplets: Its chosen triplets, breadth first.
        nameless: Facts around it that were left out because their far end has no name.
    """

    key: str
    name: str
    encoded: Encoded
    triplets: tuple[Triplet, ...] = ()
    nameless: int = 0


@dataclass(frozen=True)
class Node:
    """A node of the tree.

    Attributes:
        number: Its number; the root is 0.
        parent: Number of its parent, -1 for the root.
        kind: What it is.
        text: Its words: the whole MPP, an item's name, or a sentence.
        item: Number of the item node it belongs to; ``None`` for the root.
        triplet: The triplet, if it is one.
    """

    number: int
    parent: int
    kind: Literal["root", "item", "triplet"]
    text: str
    item: int | None = None
    triplet: Triplet | None = None


@dataclass(frozen=True)
class Piece:
    """Tokens that lie together and belong to one node."""

    node: int
    encoded: Encoded


@dataclass(frozen=True)
class Linear:
    """A tree and its tokens.

    Attributes:
        nodes: Nodes by number.
        pieces: The sequence, piece by piece.
        history: The items that are in it, oldest first.
        left_out: What is not.
    """

    nodes: tuple[Node, ...]
    pieces: tuple[Piece, ...]
    history: tuple[HistoryItem, ...]
    left_out: LeftOut


def linearise(
    mpp: MppTemplate,
    history: Sequence[HistoryItem],
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    user: str | None = None,
) -> Linear:
    """Lay out a prompt by the rules in the module's docstring, within ``max_tokens``.

    Args:
        mpp: Wording of the masked personalised prompt.
        history: The items, oldest first.
        tokenizer: Encodes the MPP's own words.
        max_tokens: Budget of the sequence, the MPP and the end-of-sequence token included.
        user: The user's name, for wordings that have a place for it.

    Raises:
        InputError: The history is empty, or the wording names the user and none is given.
        PromptTooLongError: The latest item alone does not fit.
    """
    if not history:
        raise InputError("a prompt needs at least one item in its history")
    words = _Words(mpp, tokenizer, user)
    lengths = [len(item.encoded) for item in history]
    separators = {"separator": len(words.separator), "last_separator": len(words.last_separator)}
    count, used = latest_that_fit(words.fixed, lengths, **separators, max_tokens=max_tokens)
    kept_items = _facts_under_latest(history[-count:])
    triplets = [[len(triplet.encoded) for triplet in item.triplets] for item in kept_items]
    counts = deal(triplets, max_tokens - used)
    dealt_out = sum(map(len, triplets)) - sum(counts)
    left_out = LeftOut(dealt_out, len(history) - count, sum(item.nameless for item in kept_items))
    text = mpp.render([item.name for item in kept_items], user, MASK)
    nodes = [Node(ROOT, ROOT_PARENT, "root", text)]
    nodes += [Node(number, ROOT, "item", item.name, number) for number, item in enumerate(kept_items, 1)]
    pieces = list(words.pieces([item.encoded for item in kept_items]))
    for number, (item, kept) in enumerate(zip(kept_items, counts, strict=True), 1):
        _hang(item.triplets[:kept], number, nodes, pieces)
    pieces.append(Piece(ROOT, words.eos))
    return Linear(tuple(nodes), tuple(pieces), tuple(kept_items), left_out)


def depth_first(parents: Sequence[int]) -> list[int]:
    """Indices in depth-first order, parents before children and siblings in the given order.

    Args:
        parents: Index of each one's parent, less than its own; -1 at the top.
    """
    children: dict[int, list[int]] = {}
    for index, parent in enumerate(parents):
        children.setdefault(parent, []).append(index)
    order: list[int] = []
    stack = children.get(-1, [])[::-1]
    while stack:
        index = stack.pop()
        order.append(index)
        stack += children.get(index, [])[::-1]
    return order


def _facts_under_latest(history: Sequence[HistoryItem]) -> list[HistoryItem]:
    latest = {item.key: place for place, item in enumerate(history)}
    return [
        item if latest[item.key] == place else HistoryItem(item.key, item.name, item.encoded)
        for place, item in enumerate(history)
    ]


def _hang(triplets: Sequence[Triplet], item: int, nodes: list[Node], pieces: list[Piece]) -> None:
    """Append the triplets of an item's node, depth first."""
    number: dict[int, int] = {-1: item}
    for index in depth_first([triplet.parent for triplet in triplets]):
        triplet = triplets[index]
        number[index] = len(nodes)
        nodes.append(Node(len(nodes), number[triplet.parent], "triplet", triplet.text, item, triplet))
        pieces.append(Piece(number[index], triplet.encoded))


class _Words:
    """The encoded words of an MPP.

    Attributes:
        separator: Tokens between two items.
        last_separator: Tokens before the last of several items.
        eos: The end of the sequence.
        fixed: How many tokens there are without items and separators.
    """

    def __init__(self, mpp: MppTemplate, tokenizer: Tokenizer, user: str | None) -> None:
        if mpp.has_user and user is None:
            raise InputError(f"MPP template '{mpp.id}' names the user: give one, or another template")
        self.mpp, self.tokenizer, self.user = mpp, tokenizer, clean_name(user or "")
        self.separator, self.last_separator = self._encode(mpp.separator), self._encode(mpp.last_separator)
        self.eos = _single(tokenizer.eos_id, EOS)
        self.fixed = len(self.eos) + sum(len(piece.encoded) for piece in self.pieces([]))

    def pieces(self, items: Sequence[Encoded]) -> Iterator[Piece]:
        """The MPP with these items in its history."""
        for part in self.mpp.parts:
            if part is Slot.HISTORY:
                yield from self._history(items)
            elif part is Slot.MASK:
                yield Piece(ROOT, _single(self.tokenizer.mask_id, MASK))
            else:
                yield Piece(ROOT, self._encode(self.user if part is Slot.USER else str(part)))

    def _history(self, items: Sequence[Encoded]) -> Iterator[Piece]:
        for number, encoded in enumerate(items, 1):
            if number > 1:
                yield Piece(ROOT, self.last_separator if number == len(items) else self.separator)
            yield Piece(number, encoded)

    def _encode(self, text: str) -> Encoded:
        return self.tokenizer.encode((Segment(text, "text"),))


def _single(token: int, text: str) -> Encoded:
    return Encoded(np.array([token], dtype=np.int32), np.ones(1, dtype=np.bool_), (text,))
