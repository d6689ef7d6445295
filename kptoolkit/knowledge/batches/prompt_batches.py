"""Assembles the prompts of histories as padded batches with vectorized numpy.

The order of the tokens is defined, sample by sample, by :mod:`kptoolkit.tree.linearization`; a property test compares
the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories
from kptoolkit.errors import InputError, PromptTooLongError
from kptoolkit.knowledge.batches.batch import Batch
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.prompts import MppTemplate, Segment, Slot
from kptoolkit.storage.ragged import offsets
from kptoolkit.tree.tokens import Tokenizer
from kptoolkit.tree.visibility import ROOT, ROOT_PARENT

_USER, _NONE = -1, -2


@dataclass(frozen=True)
class MppTokens:
    """MPP templates as text numbers in a token pool.

    Attributes:
        before: ``(M, P)`` texts before the history; -1 for the user, -2 for padding.
        after: ``(M, Q)`` texts after the history.
        separator: ``(M,)`` text between items.
        last_separator: ``(M,)`` text before the last of several items.
        ids: Template ids.
    """

    before: NDArray[np.int32]
    after: NDArray[np.int32]
    separator: NDArray[np.int32]
    last_separator: NDArray[np.int32]
    ids: tuple[str, ...]


class PromptAssembler:
    """Assembles the prompts of (user, history) pairs as batches.

    Args:
        knowledge: Compiled item trees.
        item_tokens: Tokens that name each item inside the MPP, by catalogue row.
        user_tokens: Tokens that name each user.
        templates: MPP templates.
        tokenizer: Encodes the MPP's words; gives end-of-sequence, mask and padding ids.
        max_tokens: Budget of a prompt.
        history: Number of latest history items to use.
    """

    def __init__(
        self,
        knowledge: CompiledKnowledge,
        item_tokens: TokenPool,
        user_tokens: TokenPool,
        templates: Sequence[MppTemplate],
        tokenizer: Tokenizer,
        *,
        max_tokens: int,
        history: int,
    ) -> None:
        self.knowledge, self.max_tokens, self.history = knowledge, max_tokens, history
        self.pad_id = tokenizer.pad_id
        literals, self.mpp = _compile_mpp(templates, tokenizer)
        self._fixed = TokenPool.concat([literals, item_tokens, user_tokens])
        self._first_item, self._first_user = len(literals), len(literals) + len(item_tokens)
        self._n_users = len(user_tokens)
        self._eos = len(literals) - 1
        self._attach(knowledge)

    def _attach(self, knowledge: CompiledKnowledge) -> None:
        self.knowledge = knowledge
        self._pool = TokenPool.concat([self._fixed, knowledge.pool])
        self._first_prompt = len(self._fixed)
        self._lengths = self._pool.lengths
        costs = self._lengths[self._first_prompt + knowledge.trees.prompt]
        self._before = np.concatenate([[0], np.cumsum(costs)])  # tokens of all triplets before each in the trees

    def use(self, knowledge: CompiledKnowledge) -> None:
        """Use other item trees or prompts from now on, e.g. those of the next epoch."""
        self._attach(knowledge)

    @property
    def trees(self) -> ItemTrees:
        """The item trees in use."""
        return self.knowledge.trees

    def assemble(self, users: NDArray[np.int32], histories: Histories, mpp: NDArray[np.int64]) -> Batch:
        """Assemble one prompt per history.

        Args:
            users: ``(B,)`` user numbers; -1 for a user without tokens, whose template must not name the user.
            histories: B histories, oldest first.
            mpp: ``(B,)`` template numbers.

        Raises:
            InputError: A history is empty, or a template names a user who has no tokens.
            PromptTooLongError: The MPP with the latest item alone exceeds the budget.
        """
        before = self._with_user(self.mpp.before[mpp], users)
        after = self._with_user(self.mpp.after[mpp], users)
        base = self._length_of(before) + self._length_of(after) + self._lengths[self._eos]
        items, counts, used = self._fit_items(histories.latest(self.history), mpp, base)
        triplets = self._fit_triplets(items, counts, base + used)
        pieces = _PieceList()
        width = before.shape[1] + 2 * int(counts.max(initial=0)) + after.shape[1]
        self._place_mpp(pieces, before, after, items, counts, mpp)
        text = self._first_prompt + triplets.prompt
        pieces.add(triplets.owner, width + triplets.rank, text, triplets.node, triplets.parent)
        last = np.full(len(users), width + int(triplets.rank.max(initial=0)) + 1)
        pieces.add(np.arange(len(users)), last, np.full(len(users), self._eos), ROOT, ROOT_PARENT)
        dropped = int(np.minimum(histories.lengths, self.history).sum() - counts.sum())
        batch = Batch.of_texts(self._pool, *pieces.ordered(), count=len(users), pad_id=self.pad_id)
        where = np.stack([triplets.owner, triplets.node, triplets.row])
        return replace(batch, left_out=triplets.left_out, dropped_items=dropped, triplets=where)

    def lengths_at_most(
        self,
        users: NDArray[np.int32],
        histories: Histories,
        position: NDArray[np.int64],
        mpp: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return an upper bound of the tokens of each prompt, ``(B,)``, without assembling it.

        A prompt is shorter if an item is repeated, because its facts occur once, or if the budget leaves triplets out.

        Args:
            users: ``(B,)`` rows of ``histories``.
            histories: Whole histories, by user.
            position: ``(B,)`` positions in the histories; a prompt uses the items before its position.
            mpp: ``(B,)`` template numbers.
        """
        costs = np.diff(self._before[self.trees.indptr])  # (n_items,)
        costs = costs + self._lengths[self._first_item : self._first_item + len(costs)]
        running = np.concatenate([[0], np.cumsum(costs[histories.items])])
        taken = np.minimum(position, self.history)
        end = histories.indptr[users] + position
        before, after = (self._with_user(side[mpp], users) for side in (self.mpp.before, self.mpp.after))
        total = self._length_of(before) + self._length_of(after) + self._lengths[self._eos]
        total = total + running[end] - running[end - taken]
        total = total + np.where(taken > 1, self._lengths[self.mpp.last_separator[mpp]], 0)
        total = total + np.maximum(taken - 2, 0) * self._lengths[self.mpp.separator[mpp]]
        bound: NDArray[np.int64] = np.minimum(total, self.max_tokens)
        return bound

    def _with_user(self, slots: NDArray[np.int32], users: NDArray[np.int32]) -> NDArray[np.int32]:
        named = slots == _USER
        if named.any() and bool((users[named.any(axis=1)] < 0).any()):
            raise InputError(
                "the MPP template names the user, and this user is not one of the training data; "
                "train with prompts.mpp set to a template without {{ user }}"
            )
        return np.where(named, self._first_user + users[:, None], slots).astype(np.int32)

    def _length_of(self, pieces: NDArray[np.int32]) -> NDArray[np.int64]:
        lengths: NDArray[np.int64] = np.where(pieces >= 0, self._lengths[np.maximum(pieces, 0)], 0).sum(axis=1)
        return lengths

    def _fit_items(
        self, histories: Histories, mpp: NDArray[np.int64], base: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """The latest items that fit: ``(H,)`` items, ``(B,)`` items per sample, ``(B,)`` tokens with separators."""
        sizes = histories.lengths
        if not sizes.all():
            raise InputError("a history is empty; a prompt needs at least one item")
        width = max(int(sizes.max(initial=0)), 1)
        age = np.arange(width)  # 0 is the latest
        there = age[None, :] < sizes[:, None]
        flat = np.where(there, histories.indptr[1:, None] - 1 - age[None, :], 0)
        items = histories.items[flat]
        tokens = np.where(there, self._lengths[self._first_item + items], 0)
        separators = np.zeros_like(tokens)
        separators[:, 1:2] = self._lengths[self.mpp.last_separator[mpp]][:, None]
        separators[:, 2:] = self._lengths[self.mpp.separator[mpp]][:, None]
        total = np.cumsum(tokens + np.where(there, separators, 0), axis=1)
        fits = there & (base[:, None] + total <= self.max_tokens)
        counts = fits.sum(axis=1)
        if bool((counts == 0).any()):
            raise PromptTooLongError(
                f"a prompt with one history item needs more than tree.max_tokens={self.max_tokens} tokens; raise it"
            )
        used = total[np.arange(len(counts)), counts - 1]
        fitted = np.take_along_axis(items, np.maximum(counts[:, None] - 1 - age[None, :], 0), axis=1)
        return fitted[age[None, :] < counts[:, None]].astype(np.int32), counts, used

    def _fit_triplets(
        self, items: NDArray[np.int32], counts: NDArray[np.int64], used: NDArray[np.int64]
    ) -> _FittedTriplets:
        """Select the triplets that fit, round-robin over a history's items, latest item first; number their nodes."""
        owner = np.repeat(np.arange(len(counts)), counts)
        position = offsets(counts)
        latest = _last_occurrence(owner, items)
        start = self.trees.indptr[items]  # (H,) first triplet of each history item in the trees
        sizes = np.where(latest, self.trees.indptr[items + 1] - start, 0)
        taken = self._triplets_per_item(start, sizes, owner, counts, self.max_tokens - used)
        slot, index = np.repeat(np.arange(len(items)), taken), offsets(taken)
        row = start[slot] + index
        left_out = int(sizes.sum() - taken.sum())
        return _number_nodes(slot, index, row, self.trees.prompt[row], self.trees, owner, position, counts, left_out)

    def _triplets_per_item(
        self,
        start: NDArray[np.int64],
        sizes: NDArray[np.int64],
        owner: NDArray[np.int64],
        counts: NDArray[np.int64],
        room: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Number of triplets of each history item that fit, ``(H,)``.

        The items of a sample take turns, the latest first, until a triplet does not fit. All rounds before the last one
        are complete, and in the last one the latest items have their turn; so a binary search over complete rounds
        is enough.

        Args:
            start: ``(H,)`` first triplet of each item in the trees.
            sizes: ``(H,)`` triplets of each item.
            owner: ``(H,)`` sample of each item.
            counts: ``(B,)`` history items per sample.
            room: ``(B,)`` tokens available for triplets.
        """
        ends = np.cumsum(counts)

        def spent(rounds: NDArray[np.int64]) -> NDArray[np.int64]:
            """``(B,)`` tokens of each sample's triplets after a number of complete rounds."""
            taken = np.minimum(sizes, rounds[owner])
            total: NDArray[np.int64] = np.add.reduceat(self._before[start + taken] - self._before[start], ends - counts)
            return total

        low, high = np.zeros_like(counts), np.full_like(counts, int(sizes.max(initial=0)))
        while bool((low < high).any()):
            middle = (low + high + 1) // 2
            fits = spent(middle) <= room
            low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
        whole = np.minimum(sizes, low[owner])
        more = sizes > whole
        costs = self._before[start + whole + more] - self._before[start + whole]
        upto = np.cumsum(costs)
        from_here = upto[ends - 1][owner] - upto + costs  # tokens of this item and of later ones, which go first
        result: NDArray[np.int64] = whole + (more & (spent(low)[owner] + from_here <= room[owner]))
        return result

    def _place_mpp(
        self,
        pieces: _PieceList,
        before: NDArray[np.int32],
        after: NDArray[np.int32],
        items: NDArray[np.int32],
        counts: NDArray[np.int64],
        mpp: NDArray[np.int64],
    ) -> None:
        for offset, slots in ((0, before), (before.shape[1] + 2 * int(counts.max()), after)):
            owner, column = np.nonzero(slots >= 0)
            pieces.add(owner, offset + column, slots[owner, column], ROOT, ROOT_PARENT)
        owner, position = np.repeat(np.arange(len(counts)), counts), offsets(counts)
        order = before.shape[1] + 2 * position
        pieces.add(owner, order + 1, self._first_item + items, position + 1, ROOT)
        follows = position > 0
        is_last = position[follows] == counts[owner[follows]] - 1
        chosen = mpp[owner[follows]]
        separator = np.where(is_last, self.mpp.last_separator[chosen], self.mpp.separator[chosen])
        pieces.add(owner[follows], order[follows], separator, ROOT, ROOT_PARENT)


@dataclass(frozen=True)
class _FittedTriplets:
    """The triplets that fit: sample, index in the trees, rank in the linear order, prompt, node and parent of each."""

    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    rank: NDArray[np.int64]
    prompt: NDArray[np.int32]
    node: NDArray[np.int64]
    parent: NDArray[np.int64]
    left_out: int


class _PieceList:
    """The texts of all samples of a batch, added in any order."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.int64]] = []

    def add(
        self,
        owner: NDArray[np.int64],
        order: NDArray[np.int64],
        text: NDArray[np.int32] | NDArray[np.int64],
        node: NDArray[np.int64] | int,
        parent: NDArray[np.int64] | int,
    ) -> None:
        """Add texts; ``order`` is their position inside their sample."""
        self._rows.append(np.empty((5, len(owner)), dtype=np.int64))
        for row, column in zip(self._rows[-1], (owner, order, text, node, parent), strict=True):
            row[:] = column

    def ordered(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return sample, text, node and parent of every piece, sample by sample in linear order."""
        rows = np.concatenate(self._rows, axis=1)
        owner, _, text, node, parent = rows.take(_order(rows[0], rows[1]), axis=1)
        return owner, text, node, parent


def _number_nodes(
    slot: NDArray[np.int64],
    index: NDArray[np.int64],
    row: NDArray[np.int64],
    prompt: NDArray[np.int32],
    trees: ItemTrees,
    owner: NDArray[np.int64],
    position: NDArray[np.int64],
    counts: NDArray[np.int64],
    left_out: int,
) -> _FittedTriplets:
    """Number triplets depth first; ``slot`` ascends and ``index`` is a breadth-first prefix inside each slot."""
    linear = _order(slot, trees.dfs[row].astype(np.int64))
    per_sample = np.bincount(owner[slot], minlength=len(counts))
    rank = np.empty(len(slot), dtype=np.int64)
    rank[linear] = offsets(per_sample)
    node = 1 + counts[owner[slot]] + rank
    block = np.concatenate([[0], np.cumsum(np.bincount(slot, minlength=len(owner)))])
    local = trees.parent[row]
    above = block[slot] + np.maximum(local, 0)
    parent = np.where(local < 0, position[slot] + 1, node[above] if len(node) else 0)
    return _FittedTriplets(owner[slot], row, rank, prompt, node, parent, left_out)


def _order(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order rows by the first column, then the second, and so on; no value is negative and no two rows are equal.

    It sorts one number per row; ``np.lexsort`` sorts once per column and takes several times as long.
    """
    key = columns[0]
    for column in columns[1:]:
        key = key * (int(column.max(initial=0)) + 1) + column
    order: NDArray[np.int64] = np.argsort(key)
    return order


def _last_occurrence(owner: NDArray[np.int64], items: NDArray[np.int32]) -> NDArray[np.bool_]:
    """``(H,)`` whether an entry is the last one of its item in its sample."""
    last = np.zeros(len(items), dtype=bool)
    if len(items):
        key = owner * (int(items.max()) + 1) + items
        _, first_from_behind = np.unique(key[::-1], return_index=True)
        last[len(items) - 1 - first_from_behind] = True
    return last


def _compile_mpp(templates: Sequence[MppTemplate], tokenizer: Tokenizer) -> tuple[TokenPool, MppTokens]:
    """Encode the words of the templates; the last two texts of the pool are the mask and the end of sequence."""
    numbers: dict[str, int] = {}
    encoded: list[tuple[NDArray[np.int32], NDArray[np.bool_]]] = []

    def number(text: str) -> int:
        if text not in numbers:
            numbers[text] = len(encoded)
            entry = tokenizer.encode((Segment(text, "text"),))
            encoded.append((entry.ids, entry.starts))
        return numbers[text]

    sides: list[tuple[list[int | None], list[int | None]]] = []
    for template in templates:
        cut = template.parts.index(Slot.HISTORY)
        before, after = template.parts[:cut], template.parts[cut + 1 :]
        sides.append(([_code(part, number) for part in before], [_code(part, number) for part in after]))
    separators = [(number(template.separator), number(template.last_separator)) for template in templates]
    mask = len(encoded)
    encoded.append((np.array([tokenizer.mask_id], np.int32), np.array([True])))
    encoded.append((np.array([tokenizer.eos_id], np.int32), np.array([True])))
    return TokenPool.of(encoded), MppTokens(
        _padded([before for before, _ in sides], mask),
        _padded([after for _, after in sides], mask),
        np.array([first for first, _ in separators], dtype=np.int32),
        np.array([last for _, last in separators], dtype=np.int32),
        tuple(template.id for template in templates),
    )


def _code(part: str | Slot, number: Callable[[str], int]) -> int | None:
    """Number of a text; -1 for the user, ``None`` for the mask."""
    if isinstance(part, Slot):
        return _USER if part is Slot.USER else None
    return number(part)


def _padded(rows: list[list[int | None]], mask: int) -> NDArray[np.int32]:
    width = max((len(row) for row in rows), default=0)
    filled = [[mask if code is None else code for code in row] + [_NONE] * (width - len(row)) for row in rows]
    return np.array(filled, dtype=np.int32).reshape(len(rows), width)
