"""The knowledge tree of a prompt as a networkx graph; the definition of tree and mask (KP4SR, knowledge tree)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from kptoolkit.arguments import checked, require, shown
from kptoolkit.config import PromptsConfig, TreeConfig, validate
from kptoolkit.errors import InputError, shorten
from kptoolkit.names import quantity
from kptoolkit.prompts import MppTemplate, Segment, TemplatePack, clean_name, equal_facts
from kptoolkit.tree.budget import LeftOut
from kptoolkit.tree.linearization import HistoryItem, Linearization, Node, Triplet, linearize
from kptoolkit.tree.ranked_rows import Ranking
from kptoolkit.tree.selection import Selection, select
from kptoolkit.tree.tokens import Tokenizer, WordTokenizer, cap_name
from kptoolkit.tree.triplet_prompts import TripletRenderer

if TYPE_CHECKING:
    import networkx as nx

    from kptoolkit.graph.database import Graph, ItemRef


@dataclass(frozen=True)
class ItemPrompts:
    """The triplet prompts of one item.

    Attributes:
        node: Node number of the item.
        name: Name of the item.
        hops: Sentences by hop, in the order of the sequence.
    """

    node: int
    name: str
    hops: Mapping[int, tuple[str, ...]]


class KnowledgeTree:
    """The knowledge tree of one prompt: the masked personalised prompt (MPP), its history's items, triplet prompts.

    Made by :meth:`of_items` from a graph, or by :meth:`build` from triplets that are selected and encoded already.

    Args:
        linear: Nodes and tokens.
        mpp: The MPP template.
        tokenizer_name: Unit of the tokens, e.g. ``words``.
        max_tokens: Token budget of the prompt.

    Attributes:
        graph: ``networkx.DiGraph`` with an edge from parent to child. Nodes have ``kind`` (root, item or triplet) and
            ``text``; items have ``item`` (their id); triplets have ``hop``, ``triple`` (ids of the stored head,
            relation and tail) and ``near`` (entity id of the near end).
        left_out: Counts of what did not fit or has no name.

    Example:
        >>> tree = KnowledgeTree.of_items(graph, ["Toy Story"], pack, hops=2, degree=8)  # doctest: +SKIP
        >>> tree.visibility()  # bool (L, L)  # doctest: +SKIP
    """

    png_renderer: ClassVar[Callable[[KnowledgeTree], bytes | None]] = staticmethod(lambda tree: None)
    """Renders the picture that a notebook shows; set by :mod:`kptoolkit.tree.draw` when it is imported."""
    svg_renderer: ClassVar[Callable[[KnowledgeTree], str]]
    """Renders the picture that :meth:`svg` returns; set there too."""

    def __init__(self, linear: Linearization, mpp: MppTemplate, tokenizer_name: str, max_tokens: int) -> None:
        import networkx as nx

        self.linear, self.mpp = linear, mpp
        self.tokenizer_name, self.max_tokens = tokenizer_name, max_tokens
        self.left_out: LeftOut = linear.left_out
        self.graph: nx.DiGraph[int] = nx.DiGraph()
        for node in linear.nodes:
            self.graph.add_node(node.number, **_attributes(node, linear))
            if node.kind != "root":
                self.graph.add_edge(node.parent, node.number)

    @classmethod
    @checked
    def build(
        cls,
        mpp: MppTemplate,
        history: Sequence[HistoryItem],
        *,
        tokenizer: Tokenizer | None = None,
        max_tokens: int = 512,
        user: str | None = None,
    ) -> KnowledgeTree:
        """Build a tree from items whose triplets are selected and encoded.

        Arguments and errors are those of :func:`linearize`. Without a tokenizer, tokens are words.
        """
        tokenizer = WordTokenizer() if tokenizer is None else tokenizer
        linear = linearize(mpp, history, tokenizer, max_tokens=max_tokens, user=user)
        return cls(linear, mpp, tokenizer.name, max_tokens)

    @classmethod
    @checked
    def of_items(
        cls,
        graph: Graph,
        items: str | Sequence[str | ItemRef],
        pack: TemplatePack,
        tree: TreeConfig | None = None,
        prompts: PromptsConfig | None = None,
        *,
        hops: int | None = None,
        degree: int | None = None,
        ranking: Ranking | None = None,
        mpp: str | MppTemplate | None = None,
        user: str | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> KnowledgeTree:
        """Build the tree of a history from a graph.

        Args:
            graph: The knowledge graph; its ``config.max_degree`` limits which nodes are expanded.
            items: The history, oldest first: item ids, entity ids, exact names, or results of ``graph.resolve``.
            pack: Template pack with the sentences; ``prompts.pack`` is ignored.
            tree: Which triples and how many tokens; by default the defaults of ``[tree]``.
            prompts: Which sentences and names; by default the defaults of ``[prompts]``.
            hops: Replaces ``tree.hops``.
            degree: Replaces ``tree.degree``.
            ranking: Replaces ``tree.ranking``; also a function, see :data:`kptoolkit.tree.ranked_rows.Ranking`.
            mpp: The MPP template or its id; by default ``prompts.mpp``, else :func:`default_mpp`.
            user: The user's name, for templates with ``{{ user }}``.
            tokenizer: Counts and encodes tokens; by default tokens are words.

        Raises:
            ConfigError: ``hops``, ``degree`` or ``ranking`` is not allowed.
            UnknownNameError: An item or the MPP template does not exist.
            AmbiguousNameError: Several items have the name.
            InputError: There are no items, an argument has the wrong type, or the template names the user and none
                is given.
            PromptTooLongError: The latest item alone does not fit.
        """
        _check_graph_and_items(graph, items)
        tree, prompts = _with(tree or TreeConfig(), hops=hops, degree=degree), prompts or PromptsConfig()
        named = [items] if isinstance(items, str) else items
        refs = [graph.resolve(item) if isinstance(item, str) else item for item in named]
        template = _mpp_template(pack, prompts.mpp if mpp is None else mpp, user)
        tokenizer = WordTokenizer() if tokenizer is None else tokenizer
        entities = list(dict.fromkeys(ref.entity_id for ref in refs if ref.entity_id is not None))
        around = graph.neighbourhoods(entities, tree.hops)
        pack = pack.with_labels(graph.relation_labels())
        equal = equal_facts(pack, around.relations, prompts.variants)
        selection = select(
            around,
            mirrored=equal.mirrored,
            repeated=equal.repeated,
            hops=tree.hops,
            degree=tree.degree,
            ranking=tree.ranking if ranking is None else ranking,
            seed=tree.seed,
            max_degree=graph.config.max_degree,
            keep_nameless=prompts.keep_nameless,
        )
        called = _one_item_each(refs)
        renderer = TripletRenderer(around, pack, prompts.variants, prompts.name_tokens, called)
        triplets = {entity: _triplets(selection, root, renderer, tokenizer) for root, entity in enumerate(entities)}
        history = [_history_item(ref, triplets, prompts.name_tokens, tokenizer) for ref in refs]
        return cls.build(template, history, tokenizer=tokenizer, max_tokens=tree.max_tokens, user=user)

    def __len__(self) -> int:
        return len(self.node)

    def __repr__(self) -> str:
        nodes = quantity(len(self.linear.nodes), "nodes")
        return f"KnowledgeTree({nodes}, {len(self)} of {self.max_tokens} tokens: {shorten(self.mpp_text)!r})"

    def _repr_png_(self) -> bytes | None:
        """Return the picture of tree and visibility matrix that a notebook shows."""
        return type(self).png_renderer(self)

    def svg(self) -> str:
        """Return the picture of tree and visibility matrix as the text of an SVG file."""
        return type(self).svg_renderer(self)

    @cached_property
    def tokens(self) -> NDArray[np.int32]:
        """``(L,)`` token ids."""
        return np.concatenate([piece.encoded.ids for piece in self.linear.pieces]).astype(np.int32)

    @cached_property
    def token_texts(self) -> tuple[str, ...]:
        """The L tokens as text; as ids if the tokenizer does not provide texts."""
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
        """``(L,)`` word number of each token, from 1."""
        return np.cumsum(np.concatenate([piece.encoded.starts for piece in self.linear.pieces]))

    @property
    def mpp_text(self) -> str:
        """The masked personalised prompt as text."""
        return self.linear.nodes[0].text

    @property
    def text(self) -> str:
        """The whole prompt as text: the MPP, then the triplet prompts in sequence order."""
        return " ".join([self.mpp_text, *(node.text for node in self.linear.nodes if node.kind == "triplet")])

    def visibility(self) -> NDArray[np.bool_]:
        """Return ``(L, L)``: which token sees which, by the tree: own node, parent, children, siblings."""
        count = self.graph.number_of_nodes()
        sees = np.eye(count, dtype=np.bool_)
        for parent in self.graph:
            family = list(self.graph.successors(parent))
            sees[np.ix_(family, family)] = True
            sees[parent, family] = sees[family, parent] = True
        by_token: NDArray[np.bool_] = sees[np.ix_(self.node, self.node)]
        return by_token

    def by_hop(self) -> list[ItemPrompts]:
        """Return the triplet prompts of each item by hop; items oldest first."""
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
        """Return the whole tree as lists and dictionaries that JSON can represent.

        ``sequence.node`` and ``sequence.parent`` replace the visibility matrix: a token sees another if their nodes
        are equal, their parents are equal, or the node of one is the parent of the other.
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
    """Return the pack's first training template with ``{{ user }}`` if there is a user, else the first without.

    Raises:
        InputError: The pack has no training template that fits.
    """
    training = [template for template in pack.mpp if template.split == "train"]
    fitting = [template for template in training if template.has_user == (user is not None)]
    fitting += [template for template in training if not template.has_user]
    if not fitting:
        raise InputError(f"pack {pack.name} has no MPP template for training without a user; give --user or --mpp")
    return fitting[0]


def _with(tree: TreeConfig, **given: int | None) -> TreeConfig:
    """The settings with those values replaced that are given."""
    replaced = {key: value for key, value in given.items() if value is not None}
    return validate(TreeConfig, {**tree.model_dump(), **replaced}, "tree") if replaced else tree


def _mpp_template(pack: TemplatePack, mpp: str | MppTemplate | None, user: str | None) -> MppTemplate:
    if isinstance(mpp, MppTemplate):
        return mpp
    return default_mpp(pack, user) if mpp is None else pack.mpp_template(mpp)


def _triplets(
    selection: Selection, root: int, renderer: TripletRenderer, tokenizer: Tokenizer
) -> tuple[tuple[Triplet, ...], int]:
    """The triplets of a root, breadth first, and its number of nameless facts."""
    triplets = []
    for place in range(selection.indptr[root], selection.indptr[root + 1]):
        prompt = renderer.render(int(selection.row[place]))
        encoded = tokenizer.encode(prompt.segments, (prompt.head, prompt.tail))
        parent, hop = int(selection.parent[place]), int(selection.hop[place])
        ends = (prompt.head, prompt.relation, prompt.tail, prompt.near)
        triplets.append(Triplet(encoded, prompt.text, parent, hop, *ends))
    return tuple(triplets), int(selection.nameless[root])


def _history_item(
    ref: ItemRef, triplets: Mapping[str, tuple[tuple[Triplet, ...], int]], name_tokens: int, tokenizer: Tokenizer
) -> HistoryItem:
    key = _key(ref)
    name = cap_name(clean_name(ref.name) or key, name_tokens)
    own, nameless = triplets.get(ref.entity_id or "", ((), 0))
    return HistoryItem(key, name, tokenizer.encode((Segment(name, "text"),)), own, nameless)


def _one_item_each(refs: Iterable[ItemRef]) -> dict[str, str]:
    """What the items of entities are called, where an entity is one item."""
    called: dict[str, dict[str, str]] = {}
    for ref in refs:
        if ref.entity_id is not None:
            called.setdefault(ref.entity_id, {})[_key(ref)] = ref.name or _key(ref)
    return {entity: next(iter(names.values())) for entity, names in called.items() if len(names) == 1}


def _key(ref: ItemRef) -> str:
    """The id of an item, or of an entity that is not an item."""
    return ref.item_id or ref.entity_id or ref.name


def _attributes(node: Node, linear: Linearization) -> dict[str, Any]:
    attributes: dict[str, Any] = {"kind": node.kind, "text": node.text}
    if node.kind == "item":
        attributes["item"] = linear.history[node.number - 1].key
    if node.triplet is not None:
        triplet = node.triplet
        triple = (triplet.head, triplet.relation, triplet.tail)
        attributes |= {"hop": triplet.hop, "triple": triple, "near": triplet.near}
    return attributes


def _check_graph_and_items(graph: object, items: object) -> None:
    """Check arguments whose types are not imported here: a graph is slow to import, and the caller has one.

    Raises:
        InputError: One has the wrong type.
    """
    where = "KnowledgeTree.of_items"
    if not hasattr(graph, "neighbourhoods"):
        raise InputError(f"{where}(graph=…): a Graph is needed, not {shown(graph)}")
    require(items, str | Sequence[object], f"{where}(items=…)")
    for item in () if isinstance(items, str) else cast("Sequence[object]", items):
        if not isinstance(item, str) and not hasattr(item, "entity_id"):
            raise InputError(f"{where}(items=…): a text or a list (a text each) is needed, not {shown(item)} in it")
