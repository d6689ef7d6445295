"""Prompts as arrays: windows of histories become padded batches by vectorised numpy.

The layout is the one :mod:`kptoolkit.tree.linearization` defines sample by sample; a property test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """MPP templates as numbers of texts in a pool.

    Attributes:
        before: ``(M, P)`` texts before the history; -1 stands for the user, -2 for nothing.
        after: ``(M, Q)`` texts behind it.
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
    """Turns (user, history) pairs into batches.

    Args:
        knowledge: Compiled item trees.
        item_tokens: Tokens that name each item inside the MPP, by catalogue row.
        user_tokens: Tokens that name each user.
        templates: MPP templates.
        tokenizer: Encodes the MPP's words; gives end-of-sequence, mask and padding ids.
        max_tokens: Budget of a prompt.
        history: Latest items of a history that enter.
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
        self._before = np.concatenate([[0], np.cumsum(costs)])  # tokens of all rows of the trees above a row

    def use(self, knowledge: CompiledKnowledge) -> None:
        """Go on with other item trees or prompts, e.g. those of the next epoch."""
        self._attach(knowledge)

    @property
    def trees(self) -> ItemTrees:
        """The item trees in use."""
        return self.knowledge.trees

    def assemble(self, users: NDArray[np.int32], histories: Histories, mpp: NDArray[np.int64]) -> Batch:
        """Lay out one prompt a history.

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
        kept = self._deal(items, counts, base + used)
        pieces = _Pieces(len(users))
        width = before.shape[1] + 2 * int(counts.max(initial=0)) + after.shape[1]
        self._place_mpp(pieces, before, after, items, counts, mpp)
        pieces.add(kept.owner, width + kept.rank, self._first_prompt + kept.prompt, kept.node, kept.parent)
        everyone = np.arange(len(users))
        last = np.full(len(users), width + int(kept.rank.max(initial=0)) + 1)
        pieces.add(everyone, last, np.full(len(users), self._eos), ROOT, ROOT_PARENT)
        dropped = int(np.minimum(histories.lengths, self.history).sum() - counts.sum())
        batch = Batch.of_texts(self._pool, *pieces.ordered(), count=len(users), pad_id=self.pad_id)
        triplets = np.stack([kept.owner, kept.node, kept.row])
        return replace(batch, left_out=kept.left_out, dropped_items=dropped, triplets=triplets)

    def lengths_at_most(
        self,
        users: NDArray[np.int32],
        histories: Histories,
        position: NDArray[np.int64],
        mpp: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Tokens of each prompt before it is assembled, ``(B,)``; the prompt may have fewer, never more.

        It has fewer where an item is repeated, whose facts stand once, and where the budget leaves triplets out.

        Args:
            users: ``(B,)`` rows of ``histories``.
            histories: Whole histories, by user.
            position: ``(B,)`` places in the histories before which the prompts' items end.
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
        """Latest items that fit: flat items, how many a sample, and the tokens they and their separators take."""
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
        kept = np.take_along_axis(items, np.maximum(counts[:, None] - 1 - age[None, :], 0), axis=1)
        return kept[age[None, :] < counts[:, None]].astype(np.int32), counts, used

    def _deal(self, items: NDArray[np.int32], counts: NDArray[np.int64], used: NDArray[np.int64]) -> _Kept:
        """Choose the triplets that fit, breadth first over a history's items, latest first; number their nodes."""
        owner = np.repeat(np.arange(len(counts)), counts)
        position = offsets(counts)
        latest = _last_occurrence(owner, items)
        start = self.trees.indptr[items]  # (H,) rows of the history's items in the trees
        sizes = np.where(latest, self.trees.indptr[items + 1] - start, 0)
        taken = self._taken(start, sizes, owner, counts, self.max_tokens - used)
        slot, index = np.repeat(np.arange(len(items)), taken), offsets(taken)
        row = start[slot] + index
        left_out = int(sizes.sum() - taken.sum())
        return _number_nodes(slot, index, row, self.trees.prompt[row], self.trees, owner, position, counts, left_out)

    def _taken(
        self,
        start: NDArray[np.int64],
        sizes: NDArray[np.int64],
        owner: NDArray[np.int64],
        counts: NDArray[np.int64],
        room: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """How many of its first triplets each history item keeps, ``(H,)``.

        Turns go round the items of a sample, the latest first, and end at the first triplet without room: all rounds
        before some round are whole, and of that one the latest items have their turn. No triplet is looked at.

        Args:
            start: ``(H,)`` each item's first row in the trees.
            sizes: ``(H,)`` its triplets.
            owner: ``(H,)`` its sample.
            counts: ``(B,)`` history items of each sample.
            room: ``(B,)`` tokens that triplets may take.
        """
        ends = np.cumsum(counts)

        def spent(rounds: NDArray[np.int64]) -> NDArray[np.int64]:
            """Tokens of each sample's triplets after so many whole rounds, ``(B,)``."""
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
        from_here = upto[ends - 1][owner] - upto + costs  # of this item and the later ones, which go before it
        result: NDArray[np.int64] = whole + (more & (spent(low)[owner] + from_here <= room[owner]))
        return result

    def _place_mpp(
        self,
        pieces: _Pieces,
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
class _Kept:
    """Triplets that fit, with their owner, their rank in the linear order, their node numbers and their tree rows."""

    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    rank: NDArray[np.int64]
    prompt: NDArray[np.int32]
    node: NDArray[np.int64]
    parent: NDArray[np.int64]
    left_out: int


class _Pieces:
    """Texts of all samples of a batch, collected in any order."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self._rows: list[NDArray[np.int64]] = []

    def add(
        self,
        owner: NDArray[np.int64],
        order: NDArray[np.int64],
        text: NDArray[np.int32] | NDArray[np.int64],
        node: NDArray[np.int64] | int,
        parent: NDArray[np.int64] | int,
    ) -> None:
        """Add texts; ``order`` is their place inside their sample."""
        self._rows.append(np.empty((5, len(owner)), dtype=np.int64))
        for row, column in zip(self._rows[-1], (owner, order, text, node, parent), strict=True):
            row[:] = column

    def ordered(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Owner, text, node and parent of every piece, sample by sample in linear order."""
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
) -> _Kept:
    """Number kept triplets depth first; ``slot`` ascends and ``index`` is a breadth-first prefix inside each slot."""
    linear = _order(slot, trees.dfs[row].astype(np.int64))
    per_sample = np.bincount(owner[slot], minlength=len(counts))
    rank = np.empty(len(slot), dtype=np.int64)
    rank[linear] = offsets(per_sample)
    node = 1 + counts[owner[slot]] + rank
    block = np.concatenate([[0], np.cumsum(np.bincount(slot, minlength=len(owner)))])
    local = trees.parent[row]
    above = block[slot] + np.maximum(local, 0)
    parent = np.where(local < 0, position[slot] + 1, node[above] if len(node) else 0)
    return _Kept(owner[slot], row, rank, prompt, node, parent, left_out)


def _order(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order by the first column, then the second, ...; none is negative, and no two rows are equal.

    One sort of one number a row; ``np.lexsort`` sorts once a column and takes several times as long.
    """
    key = columns[0]
    for column in columns[1:]:
        key = key * (int(column.max(initial=0)) + 1) + column
    order: NDArray[np.int64] = np.argsort(key)
    return order


def _last_occurrence(owner: NDArray[np.int64], items: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether no later entry of the same owner holds the same item."""
    last = np.zeros(len(items), dtype=bool)
    if len(items):
        key = owner * (int(items.max()) + 1) + items
        _, first_from_behind = np.unique(key[::-1], return_index=True)
        last[len(items) - 1 - first_from_behind] = True
    return last


def _compile_mpp(templates: Sequence[MppTemplate], tokenizer: Tokenizer) -> tuple[TokenPool, MppTokens]:
    """Encode the templates' words; the pool ends with the mask token and the end-of-sequence token."""
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


def _code(part: str | Slot, number: object) -> int | None:
    """Number of a text, -1 for the user, ``None`` for the mask."""
    if isinstance(part, Slot):
        return _USER if part is Slot.USER else None
    return int(number(part))  # type: ignore[operator]


def _padded(rows: list[list[int | None]], mask: int) -> NDArray[np.int32]:
    width = max((len(row) for row in rows), default=0)
    filled = [[mask if code is None else code for code in row] + [_NONE] * (width - len(row)) for row in rows]
    return np.array(filled, dtype=np.int32).reshape(len(rows), width)
