"""Linearizes a knowledge tree into one token sequence; this is the definition that prompt batches are tested against.

1. The masked personalised prompt (MPP) comes first. Its own words, the user, the separators and the mask belong to the
   root, node 0; the items of the history are nodes 1 to n, oldest first.
2. Then, item by item in history order, the triplets that fit, depth first: a triplet, then its children, siblings in
   the order in which they were selected. Their node numbers continue from n + 1 in this order. The parent of a triplet
   at hop 1 is its item's node; the parent of a deeper triplet is the triplet whose far end is its near end.
3. One end-of-sequence token of the root ends the sequence.

An item that occurs several times has one node per occurrence; its triplets are children of the latest one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kptoolkit.errors import InputError
from kptoolkit.prompts import MppTemplate, Segment, Slot, clean_name
from kptoolkit.tree.budget import LeftOut, fit_round_robin, latest_that_fit
from kptoolkit.tree.tokens import Encoded, Tokenizer
from kptoolkit.tree.visibility import ROOT, ROOT_PARENT

MASK = "___"
EOS = "</s>"


@dataclass(frozen=True)
class Triplet:
    """A triplet prompt of an item.

    Attributes:
        encoded: Its tokens.
        text: The sentence.
        parent: Index of its parent in the item's list of triplets; -1 if the item is its parent.
        hop: Hops from the item, from 1.
        head: Entity id of the stored head.
        relation: Relation id.
        tail: Entity id of the stored tail.
        near: Entity id of its near end: the item's entity or the parent's far end.
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
    """One item of a history.

    Attributes:
        key: Id of the item; equal for repeated occurrences.
        name: Its display name.
        encoded: Its tokens in the MPP.
        triplets: Its selected triplets, breadth first.
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
        kind: Kind of node.
        text: The whole MPP, the item's name, or the sentence.
        item: Number of the item node it belongs to; ``None`` for the root.
        triplet: The triplet; ``None`` for the root and items.
    """

    number: int
    parent: int
    kind: Literal["root", "item", "triplet"]
    text: str
    item: int | None = None
    triplet: Triplet | None = None


@dataclass(frozen=True)
class Piece:
    """Consecutive tokens of one node."""

    node: int
    encoded: Encoded


@dataclass(frozen=True)
class Linearization:
    """The nodes and tokens of a tree.

    Attributes:
        nodes: Nodes by number.
        pieces: The token sequence in pieces.
        history: The items in the prompt, oldest first.
        left_out: Counts of what did not fit or has no name.
    """

    nodes: tuple[Node, ...]
    pieces: tuple[Piece, ...]
    history: tuple[HistoryItem, ...]
    left_out: LeftOut


def linearize(
    mpp: MppTemplate,
    history: Sequence[HistoryItem],
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    user: str | None = None,
) -> Linearization:
    """Linearize a prompt by the rules in the module's docstring, within ``max_tokens``.

    Args:
        mpp: Template of the masked personalised prompt.
        history: The items, oldest first.
        tokenizer: Encodes the MPP's own words.
        max_tokens: Token budget of the sequence, the MPP and the end-of-sequence token included.
        user: The user's name; required if the template has ``{{ user }}``.

    Raises:
        InputError: The history is empty, or the template names the user and none is given.
        PromptTooLongError: The latest item alone does not fit.
    """
    if not history:
        raise InputError("a prompt needs at least one item in its history")
    encoded_mpp = _EncodedMpp(mpp, tokenizer, user)
    lengths = [len(item.encoded) for item in history]
    separators = {"separator": len(encoded_mpp.separator), "last_separator": len(encoded_mpp.last_separator)}
    count, used = latest_that_fit(encoded_mpp.fixed, lengths, **separators, max_tokens=max_tokens)
    items = _triplets_under_latest(history[-count:])
    lengths_of_triplets = [[len(triplet.encoded) for triplet in item.triplets] for item in items]
    counts = fit_round_robin(lengths_of_triplets, max_tokens - used)
    over_budget = sum(map(len, lengths_of_triplets)) - sum(counts)
    left_out = LeftOut(over_budget, len(history) - count, sum(item.nameless for item in items))
    text = mpp.render([item.name for item in items], user, MASK)
    nodes = [Node(ROOT, ROOT_PARENT, "root", text)]
    nodes += [Node(number, ROOT, "item", item.name, number) for number, item in enumerate(items, 1)]
    pieces = list(encoded_mpp.pieces([item.encoded for item in items]))
    for number, (item, fitting) in enumerate(zip(items, counts, strict=True), 1):
        _append_triplets(item.triplets[:fitting], number, nodes, pieces)
    pieces.append(Piece(ROOT, encoded_mpp.eos))
    return Linearization(tuple(nodes), tuple(pieces), tuple(items), left_out)


def depth_first(parents: Sequence[int]) -> list[int]:
    """Return indices in depth-first order, parents before children, siblings in the given order.

    Args:
        parents: Index of each element's parent, lower than its own; -1 without a parent.
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


def _triplets_under_latest(history: Sequence[HistoryItem]) -> list[HistoryItem]:
    """The history with triplets at the latest occurrence of each item only."""
    latest = {item.key: place for place, item in enumerate(history)}
    return [
        item if latest[item.key] == place else HistoryItem(item.key, item.name, item.encoded)
        for place, item in enumerate(history)
    ]


def _append_triplets(triplets: Sequence[Triplet], item: int, nodes: list[Node], pieces: list[Piece]) -> None:
    """Append an item's triplets to ``nodes`` and ``pieces``, depth first."""
    number: dict[int, int] = {-1: item}
    for index in depth_first([triplet.parent for triplet in triplets]):
        triplet = triplets[index]
        number[index] = len(nodes)
        nodes.append(Node(len(nodes), number[triplet.parent], "triplet", triplet.text, item, triplet))
        pieces.append(Piece(number[index], triplet.encoded))


class _EncodedMpp:
    """An MPP template encoded by a tokenizer.

    Attributes:
        separator: Tokens between two items.
        last_separator: Tokens before the last of several items.
        eos: The end-of-sequence token.
        fixed: Number of tokens without items and separators.
    """

    def __init__(self, mpp: MppTemplate, tokenizer: Tokenizer, user: str | None) -> None:
        if mpp.has_user and user is None:
            raise InputError(f"MPP template '{mpp.id}' names the user: give one, or another template")
        self.mpp, self.tokenizer, self.user = mpp, tokenizer, clean_name(user or "")
        self.separator, self.last_separator = self._encode(mpp.separator), self._encode(mpp.last_separator)
        self.eos = _single(tokenizer.eos_id, EOS)
        self.fixed = len(self.eos) + sum(len(piece.encoded) for piece in self.pieces([]))

    def pieces(self, items: Sequence[Encoded]) -> Iterator[Piece]:
        """Yield the MPP with these items in its history, piece by piece."""
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
