from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.config import GraphConfig, PromptsConfig, TreeConfig
from kptoolkit.errors import InputError, PromptTooLongError, UnknownNameError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import MppTemplate, TemplatePack
from kptoolkit.tree import Encoded, HistoryItem, KnowledgeTree, LeftOut, Triplet, WordTokenizer
from kptoolkit.tree.knowledge_tree import default_mpp
from kptoolkit.tree.linearization import depth_first
from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT, matrix

MPP = MppTemplate("plain", "After {{ history }} comes {{ mask }} .", separator=" , ", last_separator=" and then ")
FIXED = 5  # After, comes, the mask, the full stop, the end of the sequence
USERS = MppTemplate("user", "{{ mask }} is what {{ user }} reads after {{ history }}")


def tokens(count: int, start: int) -> Encoded:
    """Distinct ids, so that a sequence shows which text every token comes from."""
    starts = np.zeros(count, dtype=np.bool_)
    starts[:1] = True
    return Encoded(np.arange(start, start + count, dtype=np.int32), starts)


def chain(*levels: list[int]) -> list[tuple[int, int]]:
    """(parent, hop) of triplets breadth first; each level lists the parents inside the level above."""
    entries: list[tuple[int, int]] = []
    above = -1
    for hop, level in enumerate(levels, 1):
        first = len(entries)
        entries += [(above + parent if hop > 1 else -1, hop) for parent in level]
        above = first
    return entries


@st.composite
def histories(draw: st.DrawFn) -> list[HistoryItem]:
    items = []
    start = 1000
    for number in range(draw(st.integers(1, 5))):
        first = draw(st.integers(0, 3))
        second = sorted(draw(st.lists(st.integers(0, first - 1), max_size=4))) if first else []
        third = sorted(draw(st.lists(st.integers(0, len(second) - 1), max_size=3))) if second else []
        size = draw(st.integers(1, 3))
        encoded, start = tokens(size, start), start + size
        triplets = []
        for parent, hop in chain([0] * first, second, third):
            size = draw(st.integers(1, 6))
            triplets.append(Triplet(tokens(size, start), f"fact {start}", parent, hop))
            start += size
        key = draw(st.sampled_from(["a", "b", "c"]))
        items.append(HistoryItem(key, f"{key}{number}", encoded, tuple(triplets), draw(st.integers(0, 2))))
    return items


def build(history: list[HistoryItem], max_tokens: int = 60) -> KnowledgeTree:
    return KnowledgeTree.build(MPP, history, max_tokens=max_tokens)


@given(histories(), st.integers(12, 90))
def test_two_integers_per_token_give_the_visibility_of_the_tree(history: list[HistoryItem], max_tokens: int) -> None:
    tree = build(history, max_tokens)
    seen = tree.visibility()
    assert (matrix(tree.node, tree.parent) == seen).all()
    assert (seen == seen.T).all()
    assert seen.diagonal().all()
    assert nx.is_arborescence(tree.graph)
    assert dict(nx.bfs_predecessors(tree.graph, 0)) == {
        int(node): int(parent) for node, parent in zip(tree.node, tree.parent, strict=True) if node
    }


@given(histories(), st.integers(12, 90))
def test_the_root_sees_itself_and_the_items(history: list[HistoryItem], max_tokens: int) -> None:
    tree = build(history, max_tokens)
    items = len(list(tree.graph.successors(0)))
    for row in tree.visibility()[tree.node == 0]:
        assert (row == (tree.node <= items)).all()


@given(histories(), st.integers(0, 5))
def test_padding_sees_padding_only(history: list[HistoryItem], padding: int) -> None:
    tree = build(history)
    node = np.append(tree.node, np.full(padding, PAD_NODE))
    seen = matrix(node, np.append(tree.parent, np.full(padding, PAD_PARENT)))
    assert (seen == (node[:, None] == PAD_NODE) & (node == PAD_NODE))[node == PAD_NODE].all()
    assert (seen[: len(tree), : len(tree)] == tree.visibility()).all()


def fitting_by_the_rules(history: list[HistoryItem], max_tokens: int) -> tuple[list[int], list[set[int]]]:
    """Places of the items that fit, and the indices of each one's triplets that fit, rule by rule."""
    places = list(range(len(history)))

    def items_take(places: list[int]) -> int:
        between = 0 if len(places) < 2 else 2 + (len(places) - 2)
        return FIXED + between + sum(len(history[place].encoded) for place in places)

    while items_take(places) > max_tokens:
        places.pop(0)
    used = items_take(places)
    fitting: list[set[int]] = [set() for _ in places]
    offers = [
        (turn, -place, slot, triplet)
        for slot, place in enumerate(places)
        if history[place].key not in {history[later].key for later in places if later > place}
        for turn, triplet in enumerate(history[place].triplets)
    ]
    for turn, _, slot, triplet in sorted(offers, key=lambda offer: offer[:2]):
        used += len(triplet.encoded)
        if used > max_tokens:
            break
        fitting[slot].add(turn)
    return places, fitting


@given(histories(), st.integers(12, 90))
def test_whole_triplets_are_taken_in_turns_within_the_budget(history: list[HistoryItem], max_tokens: int) -> None:
    tree = build(history, max_tokens)
    places, fitting = fitting_by_the_rules(history, max_tokens)
    assert len(tree) <= max_tokens
    expected = []
    for place, indices in zip(places, fitting, strict=True):
        triplets = history[place].triplets
        order = [index for index in depth_first([triplet.parent for triplet in triplets]) if index in indices]
        expected += [triplets[index].encoded.ids.tolist() for index in order]
    start = len(tree) - 1 - sum(map(len, expected))
    flat = [token for triplet in expected for token in triplet]
    assert tree.tokens[start:-1].tolist() == flat, "a token is lost, cut or out of order"
    offered = {history[place].key: len(history[place].triplets) for place in places}
    nameless = {history[place].key: history[place].nameless for place in places}
    left = LeftOut(sum(offered.values()) - len(expected), len(history) - len(places), sum(nameless.values()))
    assert tree.left_out == left
    titles = [token for place in places for token in history[place].encoded.ids.tolist()]
    assert [token for token in tree.tokens[:start].tolist() if token >= 1000] == titles


@given(histories(), st.integers(12, 90))
def test_nodes_are_whole_runs_of_tokens_in_order(history: list[HistoryItem], max_tokens: int) -> None:
    tree = build(history, max_tokens)
    runs = [int(tree.node[0])] + [int(b) for a, b in zip(tree.node[:-1], tree.node[1:], strict=True) if a != b]
    assert [run for run in runs if run] == list(range(1, tree.graph.number_of_nodes()))
    assert tree.tokens[-1] == WordTokenizer.eos_id
    assert tree.node[-1] == 0
    assert tree.node[tree.tokens == WordTokenizer.mask_id].tolist() == [0]
    for node, facts in tree.graph.nodes(data=True):
        if facts["kind"] == "triplet":
            (parent,) = tree.graph.predecessors(node)
            assert facts["hop"] == tree.graph.nodes[parent].get("hop", 0) + 1


@given(histories())
def test_words_are_counted_from_one(history: list[HistoryItem]) -> None:
    tree = build(history)
    steps = np.diff(tree.whole_word)
    starts = np.concatenate([piece.encoded.starts for piece in tree.linear.pieces])
    assert tree.whole_word[0] == 1
    assert (steps == starts[1:]).all()


def test_the_sequence_of_a_small_prompt() -> None:
    facts = [Triplet(tokens(2, 100 + 10 * n), f"fact {n}", p, h) for n, (p, h) in enumerate(chain([0, 0], [1, 0]))]
    history = [
        HistoryItem("a", "A", tokens(2, 50), tuple(facts)),
        HistoryItem("b", "B", tokens(1, 60)),
        HistoryItem("a", "A", tokens(2, 50), tuple(facts)),
    ]
    tree = build(history)
    assert tree.mpp_text == "After A , B and then A comes ___ ."
    assert tree.node.tolist() == [0, 1, 1, 0, 2, 0, 0, 3, 3, 0, 0, 0, 4, 4, 5, 5, 6, 6, 7, 7, 0]
    assert [tree.parent[tree.node == node][0] for node in range(8)] == [-1, 0, 0, 0, 3, 4, 3, 6]
    assert tree.tokens[12:-1].tolist() == [100, 101, 130, 131, 110, 111, 120, 121]
    assert [node["text"] for _, node in tree.graph.nodes(data=True)][4:] == ["fact 0", "fact 3", "fact 1", "fact 2"]
    assert tree.by_hop()[2].hops == {1: ("fact 0", "fact 1"), 2: ("fact 3", "fact 2")}
    assert tree.token_texts[:4] == ("After", "50", "51", ",")


def test_the_oldest_items_go_first() -> None:
    history = [HistoryItem(f"i{number}", f"I{number}", tokens(3, 10 * number)) for number in range(4)]
    tree = build(history, FIXED + 3 + 2 + 3)
    assert tree.mpp_text == "After I2 and then I3 comes ___ ."
    assert tree.left_out == LeftOut(items=2)


def test_an_item_that_does_not_fit_is_an_error_with_both_numbers() -> None:
    with pytest.raises(PromptTooLongError, match=r"takes 25 tokens.*allows 24"):
        build([HistoryItem("a", "A", tokens(20, 10))], 24)


def test_the_user_is_part_of_the_root() -> None:
    history = [HistoryItem("a", "A", tokens(1, 99))]
    tree = KnowledgeTree.build(USERS, history, user="Ada Finch")
    assert tree.mpp_text == "___ is what Ada Finch reads after A"
    assert tree.token_texts == ("___", "is", "what", "Ada", "Finch", "reads", "after", "99", "</s>")
    assert tree.node.tolist() == [0] * 7 + [1, 0]


def test_a_template_with_a_user_needs_one() -> None:
    with pytest.raises(InputError, match="'user' names the user"):
        KnowledgeTree.build(USERS, [HistoryItem("a", "A", tokens(1, 9))])


def test_no_items_are_an_error() -> None:
    with pytest.raises(InputError, match="at least one item"):
        build([])


@dataclass
class Ref:
    item_id: str | None
    entity_id: str | None
    name: str


@dataclass
class Shelf:
    """A small graph in memory: what ``KnowledgeTree.of_items`` asks of :class:`kptoolkit.graph.Graph`."""

    items: dict[str, Ref] = field(default_factory=dict)
    config: GraphConfig = field(default_factory=GraphConfig)
    labels: dict[str, str] = field(default_factory=dict)

    def relation_labels(self) -> dict[str, str]:
        return self.labels

    def resolve(self, name: str) -> Ref:
        if name not in self.items:
            raise UnknownNameError("item", name)
        return self.items[name]

    def neighbourhoods(self, entities: list[str], hops: int) -> Neighbourhoods:
        triples = [("e1", "by", "ann"), ("e2", "by", "ann"), ("ann", "born in", "rome"), ("e1", "about", "x")]
        ends = [triple[::2] for triple in triples]
        nodes = {end: (end.title() if end != "x" else "", sum(end in pair for pair in ends)) for p in ends for end in p}
        rows = [(head, relation, tail, True) for head, relation, tail in triples]
        rows += [(tail, relation, head, False) for head, relation, tail in triples]
        return Neighbourhoods.of_rows(entities, nodes, rows, hops=hops)


SHELF = Shelf({"One": Ref("i1", "e1", "One\n$x_"), "Two": Ref("i2", "e2", "Two"), "Free": Ref("i3", None, "")})
PACK = (
    TemplatePack("small")
    .with_relation("by", forward="{{ head }} is by {{ tail }}.", inverse="{{ tail }} wrote {{ head }}.")
    .with_mpp("with-user", "{{ user }} read {{ history }} , then {{ mask }}")
    .with_mpp("without", "After {{ history }} : {{ mask }}")
    .with_mpp("held", "{{ history }} {{ mask }}", split="held_out")
)


def of_items(items: list[str], **settings: object) -> KnowledgeTree:
    return KnowledgeTree.of_items(SHELF, items, PACK, **settings)  # type: ignore[arg-type]


def test_a_tree_of_items_asks_the_graph() -> None:
    tree = of_items(["Free", "One"])
    assert tree.mpp_text == "After i3 and One $x_ : ___"
    facts = {node["text"]: node for _, node in tree.graph.nodes(data=True) if node["kind"] == "triplet"}
    assert next(iter(facts)) == "E1 is by Ann."
    assert "Ann wrote E2." in facts
    assert facts["E1 is by Ann."]["triple"] == ("e1", "by", "ann")
    assert facts["Ann wrote E2."]["near"] == "ann"
    assert facts["Ann wrote E2."]["hop"] == 2
    assert tree.left_out.nameless == 1
    assert tree.graph.nodes[1]["item"] == "i3"


def test_the_labels_of_the_graph_are_in_its_sentences() -> None:
    shelf = Shelf(SHELF.items, labels={"about": "subject", "by": "unused, the pack has sentences"})
    tree = KnowledgeTree.of_items(shelf, ["One"], PACK, prompts=PromptsConfig(keep_nameless=True))  # type: ignore[arg-type]
    facts = [node["text"] for _, node in tree.graph.nodes(data=True) if node["kind"] == "triplet"]
    assert any("subject" in fact for fact in facts)
    assert "E1 is by Ann." in facts


def test_an_entity_of_several_items_is_called_like_none_of_them() -> None:
    shelf = Shelf({"Four": Ref("i4", "x", "Four"), "Five": Ref("i5", "x", "Five")})
    tree = KnowledgeTree.of_items(shelf, ["Four", "Five"], PACK)  # type: ignore[arg-type]
    facts = [node["text"] for _, node in tree.graph.nodes(data=True) if node["kind"] == "triplet"]
    assert any("x" in fact.split() for fact in facts)
    assert not any(name in fact for name in ("Four", "Five") for fact in facts)


@pytest.mark.parametrize(("name", "called"), [("", "i4"), ("Titled", "Titled")])
def test_an_item_has_one_name_in_a_prompt(name: str, called: str) -> None:
    """Its entity has no name in the graph."""
    shelf = Shelf({"Four": Ref("i4", "x", name)})
    tree = KnowledgeTree.of_items(shelf, ["Four"], PACK)  # type: ignore[arg-type]
    assert tree.mpp_text == f"After {called} : ___"
    facts = [node["text"] for _, node in tree.graph.nodes(data=True) if node["kind"] == "triplet"]
    assert len(facts) > 0
    assert all("x" not in fact.split() for fact in facts)
    assert called in facts[0]


def test_a_single_name_is_a_history_of_one() -> None:
    assert KnowledgeTree.of_items(SHELF, "Two", PACK).mpp_text == "After Two : ___"  # type: ignore[arg-type]


def test_no_knowledge_is_asked_for_with_degree_zero() -> None:
    assert of_items(["One"], degree=0).graph.number_of_nodes() == 2


def test_an_unlinked_item_has_no_knowledge() -> None:
    assert of_items(["Free"]).graph.number_of_nodes() == 2


def test_unknown_items_and_templates_are_errors() -> None:
    with pytest.raises(UnknownNameError):
        of_items(["Three"])
    with pytest.raises(UnknownNameError):
        of_items(["One"], mpp="nothing")


def test_without_settings_a_tree_has_the_defaults_of_the_settings() -> None:
    assert of_items(["Two"]).to_json() == of_items(["Two"], tree=TreeConfig(), prompts=PromptsConfig()).to_json()


def test_a_tree_follows_its_settings() -> None:
    def sentences(**settings: object) -> list[str]:
        nodes = of_items(["One"], **settings).linear.nodes
        return [node.text for node in nodes if node.kind == "triplet"]

    assert len(sentences()) == 3
    assert sentences(tree=TreeConfig(hops=1)) == sentences(hops=1) == ["E1 is by Ann."]
    assert sentences(tree=TreeConfig(hops=1, degree=0), hops=2, degree=1) == sentences(degree=1)
    assert len(sentences(prompts=PromptsConfig(keep_nameless=True))) == 4
    assert of_items(["One"], tree=TreeConfig(max_tokens=9)).max_tokens == 9
    assert sentences(degree=1, ranking=lambda _, row: -row) != sentences(degree=1, ranking=lambda _, row: row)
    assert of_items(["One"], prompts=PromptsConfig(mpp="held")).mpp.id == "held"
    assert of_items(["One"], mpp=PACK.mpp_template("held")).mpp.id == "held"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hops": 0}, r"setting tree\.hops: .*greater than or equal to 1 \(given: 0\)"),
        ({"degree": "many"}, r"of_items\(degree=…\): a whole number or None is needed"),
        ({"ranking": "best"}, "unknown ranking 'best': allowed: balanced, inverse-degree, random"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        of_items(["One"], **settings)


def test_a_graph_limits_which_nodes_are_expanded() -> None:
    shelf = Shelf(SHELF.items, GraphConfig(max_degree=2))
    hub = KnowledgeTree.of_items(shelf, ["One"], PACK)  # type: ignore[arg-type]
    assert [node.text for node in hub.linear.nodes[2:]] == ["E1 is by Ann."]


def test_a_notebook_shows_the_picture() -> None:
    assert (of_items(["One"])._repr_png_() or b"").startswith(b"\x89PNG")


@pytest.mark.process
@pytest.mark.parametrize("name", ["kptoolkit", "kptoolkit.tree", "kptoolkit.tree.knowledge_tree"])
def test_every_import_of_the_tree_shows_pictures(name: str) -> None:
    code = f"import sys; from {name} import KnowledgeTree as T; assert 'matplotlib' not in sys.modules; "
    code += "print(T.png_renderer.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["kptoolkit.tree.draw"]


def test_the_default_template_depends_on_the_user() -> None:
    assert of_items(["One"], user="Ada").mpp.id == "with-user"
    assert of_items(["One"], mpp="held").mpp.id == "held"
    with pytest.raises(InputError, match="no MPP template"):
        default_mpp(TemplatePack("bare"), None)


def test_json_holds_the_whole_tree() -> None:
    tree = of_items(["Two", "One"])
    whole = tree.to_json()
    node, parent = (np.array(whole["sequence"][name]) for name in ("node", "parent"))
    assert (matrix(node, parent) == tree.visibility()).all()
    assert whole["tokens"] == {"count": len(tree), "unit": "words", "budget": 512}
    assert [entry["node"] for entry in whole["nodes"]] == list(tree.graph)
    assert whole["left_out"] == {"triplets": 0, "items": 0, "nameless": 1}
