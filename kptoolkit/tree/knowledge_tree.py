"""The knowledge tree of a prompt: the definition, in networkx, for people and for tests (KP4SR, knowledge tree)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import InputError
from kptoolkit.prompts import MppTemplate, Segment, TemplatePack, clean_name
from kptoolkit.tree.budget import LeftOut
from kptoolkit.tree.linearization import HistoryItem, Linear, Node, Triplet, linearise
from kptoolkit.tree.ranked_rows import Ranking
from kptoolkit.tree.selection import Selection, select
from kptoolkit.tree.tokens import Tokenizer, WordTokenizer, cap_name
from kptoolkit.tree.triplet_prompts import Variants, Wording

if TYPE_CHECKING:
    from kptoolkit.graph.database import Graph, ItemRef


@dataclass(frozen=True)
class ItemPrompts:
    """The triplet prompts below one item.

    Attributes:
        node: Node of the item.
        name: Its name.
        hops: Sentences by hop, in the order of the sequence.
    """

    node: int
    name: str
    hops: Mapping[int, tuple[str, ...]]


class KnowledgeTree:
    """One prompt: a masked personalised prompt, the items of its history, the triplet prompts below them.

    Args:
        linear: Nodes and tokens.
        mpp: The wording of the MPP.
        tokenizer_name: What the tokens are.
        max_tokens: The budget it was made for.

    Attributes:
        graph: ``networkx.DiGraph`` with an edge from parent to child. Nodes bear ``kind`` (root, item or triplet) and
            ``text``; items bear ``item`` (their id); triplets bear ``hop``, ``triple`` (ids of the stored head,
            relation, tail) and ``near`` (id of the end they hang by).
        left_out: What the budget left out.
    """

    def __init__(self, linear: Linear, mpp: MppTemplate, tokenizer_name: str, max_tokens: int) -> None:
        self.linear, self.mpp = linear, mpp
        self.tokenizer_name, self.max_tokens = tokenizer_name, max_tokens
        self.left_out: LeftOut = linear.left_out
        self.graph: nx.DiGraph[int] = nx.DiGraph()
        for node in linear.nodes:
            self.graph.add_node(node.number, **_attributes(node, linear))
            if node.kind != "root":
                self.graph.add_edge(node.parent, node.number)

    @classmethod
    def build(
        cls,
        mpp: MppTemplate,
        history: Sequence[HistoryItem],
        *,
        tokenizer: Tokenizer | None = None,
        max_tokens: int = 512,
        user: str | None = None,
    ) -> KnowledgeTree:
        """A tree of items whose triplets are chosen and encoded already; arguments as in :func:`linearise`."""
        tokenizer = WordTokenizer() if tokenizer is None else tokenizer
        linear = linearise(mpp, history, tokenizer, max_tokens=max_tokens, user=user)
        return cls(linear, mpp, tokenizer.name, max_tokens)

    @classmethod
    def of_items(
        cls,
        graph: Graph,
        items: Sequence[str | ItemRef],
        pack: TemplatePack,
        *,
        hops: int = 2,
        degree: int = 8,
        ranking: Ranking = "balanced",
        mpp: str | None = None,
        user: str | None = None,
        max_tokens: int = 512,
        tokenizer: Tokenizer | None = None,
        seed: int = 2308,
        max_degree: int = 1000,
        keep_nameless: bool = False,
        variants: Variants = "first",
        name_tokens: int = 48,
    ) -> KnowledgeTree:
        """The tree of a history, asked from the graph.

        Args:
            graph: The knowledge graph.
            items: The history, oldest first: item ids, entity ids, exact names, or what ``graph.resolve`` returned.
            pack: The words.
            hops: How far from the items.
            degree: Triples kept of each expanded node.
            ranking: Which of a node's triples come first, see :func:`kptoolkit.tree.selection`.
            mpp: Id of the MPP template; by default the pack's first for training, one that names the user if there is
                a user and one that does not if there is none.
            user: The user's name.
            max_tokens: Budget of the whole sequence.
            tokenizer: Counts and encodes; words by default.
            seed: Seed of ties and of random ranking.
            max_degree: Nodes with more relationships are named, but not expanded.
            keep_nameless: Keep triples whose far end has no name; its id stands for it.
            variants: Which wording of a relation.
            name_tokens: Longest name, in words.

        Raises:
            UnknownNameError: No such item or template.
            AmbiguousNameError: Several items bear the name.
            InputError: There are no items, or the template names the user and none is given.
            PromptTooLongError: The latest item alone does not fit.
        """
        named = [items] if isinstance(items, str) else items
        refs = [graph.resolve(item) if isinstance(item, str) else item for item in named]
        template = default_mpp(pack, user) if mpp is None else pack.mpp_template(mpp)
        tokenizer = WordTokenizer() if tokenizer is None else tokenizer
        entities = list(dict.fromkeys(ref.entity_id for ref in refs if ref.entity_id is not None))
        around = graph.neighbourhoods(entities, hops, max_degree=max_degree)
        selection = select(
            around,
            mirrored=pack.mirrored,
            hops=hops,
            degree=degree,
            ranking=ranking,
            seed=seed,
            max_degree=max_degree,
            keep_nameless=keep_nameless,
        )
        wording = Wording(around, pack, variants, name_tokens)
        facts = {entity: _facts(selection, place, wording, tokenizer) for place, entity in enumerate(entities)}
        history = [_history_item(ref, facts, name_tokens, tokenizer) for ref in refs]
        return cls.build(template, history, tokenizer=tokenizer, max_tokens=max_tokens, user=user)

    def __len__(self) -> int:
        return len(self.node)

    def _repr_png_(self) -> bytes:
        """The tree beside its visibility matrix, as a notebook shows it."""
        from kptoolkit.tree.draw.png_picture import to_png

        return to_png(self)

    @cached_property
    def tokens(self) -> NDArray[np.int32]:
        """``(L,)`` token ids."""
        return np.concatenate([piece.encoded.ids for piece in self.linear.pieces]).astype(np.int32)

    @cached_property
    def token_texts(self) -> tuple[str, ...]:
        """The L tokens as a person reads them; their ids where the tokenizer does not say."""
        texts: list[str] = []
        for piece in self.linear.pieces:
            texts += piece.encoded.texts or [str(token) for token in piece.encoded.ids]
        return tuple(texts)

    @cached_property
    def node(self) -> NDArray[np.int64]:
        """``(L,)`` node of each token."""
        return np.repeat(
            np.array([piece.node for piece in self.linear.pieces], dtype=np.int64),
            [len(piece.encoded) for piece in self.linear.pieces],
        )

    @cached_property
    def parent(self) -> NDArray[np.int64]:
        """``(L,)`` parent of each token's node, -1 for the root."""
        return np.array([node.parent for node in self.linear.nodes], dtype=np.int64)[self.node]

    @cached_property
    def whole_word(self) -> NDArray[np.int64]:
        """``(L,)`` number of the word that each token belongs to, from 1."""
        return np.cumsum(np.concatenate([piece.encoded.starts for piece in self.linear.pieces]))

    @property
    def mpp_text(self) -> str:
        """The masked personalised prompt as a person reads it."""
        return self.linear.nodes[0].text

    @property
    def text(self) -> str:
        """The whole prompt as a person reads it: the MPP, then the triplet prompts in their order."""
        return " ".join([self.mpp_text, *(node.text for node in self.linear.nodes if node.kind == "triplet")])

    def visibility(self) -> NDArray[np.bool_]:
        """``(L, L)``: which token sees which, from the tree: own node, parent, children, siblings."""
        count = self.graph.number_of_nodes()
        sees = np.eye(count, dtype=np.bool_)
        for parent in self.graph:
            family = list(self.graph.successors(parent))
            sees[np.ix_(family, family)] = True
            sees[parent, family] = sees[family, parent] = True
        by_token: NDArray[np.bool_] = sees[np.ix_(self.node, self.node)]
        return by_token

    def by_hop(self) -> list[ItemPrompts]:
        """The triplet prompts of each item, by hop; items oldest first."""
        prompts = []
        for item in (node for node in self.linear.nodes if node.kind == "item"):
            hops: dict[int, list[str]] = {}
            for node in self.linear.nodes:
                if node.item == item.number and node.triplet is not None:
                    hops.setdefault(node.triplet.hop, []).append(node.text)
            ordered = {hop: tuple(hops[hop]) for hop in sorted(hops)}
            prompts.append(ItemPrompts(item.number, item.text, ordered))
        return prompts

    def to_json(self) -> dict[str, Any]:
        """Everything about the tree as plain lists and dictionaries.

        The visibility matrix is left to ``sequence.node`` and ``sequence.parent``: a token sees another when their
        nodes are equal, their parents are equal, or the node of one is the parent of the other.
        """
        return {
            "mpp": {"id": self.mpp.id, "text": self.mpp_text},
            "tokens": {"count": len(self), "unit": self.tokenizer_name, "budget": self.max_tokens},
            "left_out": vars(self.left_out),
            "nodes": [
                {"node": node.number, "parent": node.parent, **_attributes(node, self.linear)}
                for node in self.linear.nodes
            ],
            "sequence": {
                "id": self.tokens.tolist(),
                "text": list(self.token_texts),
                "node": self.node.tolist(),
                "parent": self.parent.tolist(),
                "whole_word": self.whole_word.tolist(),
            },
        }


def default_mpp(pack: TemplatePack, user: str | None) -> MppTemplate:
    """The pack's first training template that names the user, or, with no user, the first that does not.

    Raises:
        InputError: The pack has no training template that can be used.
    """
    training = [template for template in pack.mpp if template.split == "train"]
    fitting = [template for template in training if template.has_user == (user is not None)]
    fitting += [template for template in training if not template.has_user]
    if not fitting:
        raise InputError(f"pack {pack.name} has no MPP template for training without a user; give --user or --mpp")
    return fitting[0]


def _facts(selection: Selection, root: int, wording: Wording, tokenizer: Tokenizer) -> tuple[tuple[Triplet, ...], int]:
    """The triplets of a root, breadth first, and its count of nameless facts."""
    triplets = []
    for place in range(selection.indptr[root], selection.indptr[root + 1]):
        prompt = wording.prompt(int(selection.row[place]))
        encoded = tokenizer.encode(prompt.segments, (prompt.head, prompt.tail))
        parent, hop = int(selection.parent[place]), int(selection.hop[place])
        ends = (prompt.head, prompt.relation, prompt.tail, prompt.near)
        triplets.append(Triplet(encoded, prompt.text, parent, hop, *ends))
    return tuple(triplets), int(selection.nameless[root])


def _history_item(
    ref: ItemRef, facts: Mapping[str, tuple[tuple[Triplet, ...], int]], name_tokens: int, tokenizer: Tokenizer
) -> HistoryItem:
    key = ref.item_id or ref.entity_id or ref.name
    name = cap_name(clean_name(ref.name) or key, name_tokens)
    triplets, nameless = facts.get(ref.entity_id or "", ((), 0))
    return HistoryItem(key, name, tokenizer.encode((Segment(name, "text"),)), triplets, nameless)


def _attributes(node: Node, linear: Linear) -> dict[str, Any]:
    attributes: dict[str, Any] = {"kind": node.kind, "text": node.text}
    if node.kind == "item":
        attributes["item"] = linear.history[node.number - 1].key
    if node.triplet is not None:
        triplet = node.triplet
        triple = (triplet.head, triplet.relation, triplet.tail)
        attributes |= {"hop": triplet.hop, "triple": triple, "near": triplet.near}
    return attributes
