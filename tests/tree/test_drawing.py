from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from matplotlib.text import Text

from kptoolkit.errors import InputError
from kptoolkit.prompts import MppTemplate, Segment
from kptoolkit.tree import HistoryItem, KnowledgeTree, Triplet, WordTokenizer
from kptoolkit.tree.draw.boxes import MOST_ROWS, arrange, printable
from kptoolkit.tree.draw.colours import colours
from kptoolkit.tree.draw.dot import to_dot
from kptoolkit.tree.draw.fonts import FIRST, Fonts, fonts_for
from kptoolkit.tree.draw.html_page import to_html
from kptoolkit.tree.draw.output import draw
from kptoolkit.tree.draw.png_picture import drawn, note, to_png

MPP = MppTemplate("plain", "After {{ history }} comes {{ mask }}.")
HOSTILE = [
    "$x_1$ \\frac{",
    "名前 🎬 שלום",
    "a" * 400,
    "\u202eright to left",
    "{{ x }} %s <b>",
    "$" * 3,
    "\ue000",
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    '" \' ` onmouseover=alert(1) x="',
    "</bdi></button><img src=x onerror=alert(1)>",
    'two\nlines\\n \\" \\',
    "\\",
    "&lt;b&gt; &amp; &#60;",
    "\x00\u2028\u2029]]>",
    "\ud800 half",
]
NODE = re.compile(r'  n(\d+) \[((?:\w+="(?:[^"\\\n]|\\.)*"(?:, )?)+)\];')
EDGE = re.compile(r'  n(\d+) -> n(\d+) \[color="#[0-9a-f]{6}"\];')
NOBODYS = "\U0010fffd"  # a character of private use that no font has
ATTRIBUTE = re.compile(r'(\w+)="((?:[^"\\\n]|\\.)*)"')


def inches(text: str) -> float:
    return max(map(len, text.split("\n"))) * 0.06


def tree_of(names: list[str], below: int, max_tokens: int = 4000, hops: int = 2) -> KnowledgeTree:
    """One item per name, with ``below`` facts, each of which has ``below`` facts."""
    tokenizer = WordTokenizer()
    history = []
    for number, name in enumerate(names):
        parents, level = [-1] * below, list(range(below))
        for _ in range(hops - 1):
            deeper = [parent for parent in level for _ in range(below)]
            level = list(range(len(parents), len(parents) + len(deeper)))
            parents += deeper
        depths: list[int] = []
        facts = []
        for place, parent in enumerate(parents):
            text = f"Fact {place} about {name}."
            depths.append(1 if parent < 0 else depths[parent] + 1)
            encoded = tokenizer.encode((Segment(text, "text"),))
            facts.append(Triplet(encoded, text, parent, depths[-1], name, "likes\\" + name, "b"))
        title = tokenizer.encode((Segment(name, "text"),))
        history.append(HistoryItem(f"{number} {name}", name, title, tuple(facts)))
    return KnowledgeTree.build(MPP, history, tokenizer=tokenizer, max_tokens=max_tokens)


class TestSvg:
    @pytest.mark.parametrize(("names", "below"), [(["Emma"], 2), (HOSTILE, 2), (["<script>x</script>", "--> ]]>"], 1)])
    def test_names_are_data(self, names: list[str], below: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            text = tree_of(names, below).svg()
        root = ElementTree.fromstring(text.encode("utf-8", "backslashreplace"))
        found = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert {"svg", "path", "use", "image"} <= found
        assert not found & {"script", "foreignObject", "a", "iframe", "text"}, "letters are outlines"
        links = {value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")}
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)

    def test_equal_trees_give_equal_texts_without_a_date(self) -> None:
        first, second = (tree_of(["Emma"], 2).svg() for _ in range(2))
        assert first == second
        assert "<dc:date>" not in first


class TestPng:
    @pytest.mark.parametrize(("names", "below"), [(["Emma"], 2), (HOSTILE, 2), (["One", "Two"], 6), (["Bare"], 0)])
    def test_a_picture_is_written_whatever_the_names(self, names: list[str], below: int, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "tree.png"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            draw(tree_of(names, below), path)
        height, width, _ = imread(path).shape
        assert 500 < height < 4000
        assert 900 < width < 4000
        assert list(path.parent.iterdir()) == [path]

    def test_equal_trees_give_equal_pictures(self) -> None:
        assert to_png(tree_of(["Emma", "Persuasion"], 2)) == to_png(tree_of(["Emma", "Persuasion"], 2))

    def test_three_hops_are_drawn_whole_in_the_space_of_a_page(self) -> None:
        tree = tree_of(["Emma", "Persuasion"], 2, hops=3)
        layout = arrange(tree, inches)
        assert layout.outline
        assert len(layout.boxes) == len(tree.linear.nodes) == 31
        assert layout.width < 8
        assert layout.height < 9
        assert layout.hidden == {}

    @pytest.mark.parametrize(("below", "hops"), [(2, 3), (3, 3), (4, 2)], ids=["whole", "counted", "two hops"])
    def test_labels_are_legible_inside_their_boxes_and_apart(self, below: int, hops: int) -> None:
        """As they are drawn: in dots, at the sizes that matplotlib gives them."""
        figure = drawn(tree_of(["The Narrative of Arthur Gordon Pym of Nantucket", "Emma"], below, hops=hops))
        figure.draw_without_rendering()
        texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
        assert min(float(text.get_fontsize()) for text in texts) >= 5
        places = [text.get_window_extent() for text in texts]
        for one, other in combinations(places, 2):
            assert not one.overlaps(other)
        boxes = [patch.get_window_extent() for patch in figure.axes[0].patches]
        labels = [
            text.get_window_extent() for text in figure.axes[0].texts if not re.fullmatch(r"\+\d+", text.get_text())
        ]
        assert len(boxes) == len(labels) > 15
        for box, label in zip(boxes, labels, strict=True):
            assert box.x0 + 8 <= label.x0 < label.x1 <= box.x1 - 8, "0.05 inches next to the text"
            assert box.y0 <= label.y0 < label.y1 <= box.y1
        assert min(float(text.get_fontsize()) for text in figure.axes[0].texts) >= 6.5

    @given(
        st.lists(st.text(max_size=60), min_size=1, max_size=6),
        st.integers(0, 5),
        st.integers(1, 3),
        st.integers(60, 4000),
    )
    def test_boxes_do_not_overlap_and_children_follow_their_parents(
        self, names: list[str], below: int, hops: int, max_tokens: int
    ) -> None:
        tree = tree_of(["x" + name for name in names], below, max_tokens, hops)
        layout = arrange(tree, inches)
        boxes = layout.boxes
        for one, other in combinations(boxes.values(), 2):
            apart = abs(one.y - other.y) >= (one.height + other.height) / 2
            side_by_side = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert apart or side_by_side
        assert set(boxes) >= {0, len(tree.linear.history)}
        for number in boxes:
            assert all(parent in boxes for parent in tree.graph.predecessors(number))
            hidden = sum(child not in boxes for child in tree.graph.successors(number))
            assert layout.hidden.get(number, 0) == hidden
        assert len(boxes) <= MOST_ROWS + 1

    def test_the_first_child_of_every_parent_comes_before_the_second_of_any(self) -> None:
        tree = tree_of(["One", "Two"], 6, hops=3)
        boxes = arrange(tree, inches).boxes
        assert len(boxes) == MOST_ROWS + 1
        first = 1
        while children := list(tree.graph.successors(first)):
            assert children[0] in boxes
            first = children[0]
        assert tree.linear.nodes[first].triplet.hop == 3  # type: ignore[union-attr]
        for item in (1, 2):
            assert all(child in boxes for child in list(tree.graph.successors(item))[:4])

    def test_what_is_not_drawn_is_counted(self) -> None:
        tree = tree_of(["One", "Two", "Three"], 5, max_tokens=300)
        hidden = len(tree.linear.nodes) - len(arrange(tree, inches).boxes)
        assert hidden > 0
        assert sum(arrange(tree, inches).hidden.values()) <= hidden
        assert note(tree, hidden, Fonts()).startswith(
            f"{hidden} of {len(tree.linear.nodes)} nodes not drawn; budget of 300"
        )
        assert f"left out {tree.left_out.triplets} triplets" in note(tree, hidden, Fonts())

    def test_measured_texts_are_as_wide_as_drawn(self) -> None:
        fonts = fonts_for(["WWWW", "iiii"])
        assert fonts == Fonts()
        assert fonts.width("WWWW", 10) > 3 * fonts.width("iiii", 10) > 0
        assert fonts.width("ii\nWWWW", 10) == fonts.width("WWWW", 10)
        assert fonts.width("WWWW", 20) == pytest.approx(2 * fonts.width("WWWW", 10), rel=0.05)
        assert fonts.width("", 10) == 0

    def test_fonts_are_found_for_missing_characters_and_the_rest_is_reported(self) -> None:
        lacking = fonts_for([f"Emma {NOBODYS}{NOBODYS}\n"])
        assert lacking.missing == {NOBODYS}
        assert "no font here has 1 of the characters, drawn as boxes" in note(tree_of(["Emma"], 1), 0, lacking)
        mathematics = "\U0001d6e1"  # in STIXGeneral, which comes with matplotlib
        assert fonts_for([mathematics, "Emma"]).families[0] == FIRST
        assert fonts_for([mathematics]).missing == frozenset()
        assert len(fonts_for([mathematics]).families) == 2

    def test_a_subtree_has_one_colour_and_the_root_its_own(self) -> None:
        tree = tree_of(["One", "Two"], 2)
        colour = colours(tree)
        for node in tree.linear.nodes[1:]:
            assert colour[node.number] == colour[node.item or 0]
        assert len({colour[0], colour[1], colour[2]}) == 3


class TestDot:
    def test_nodes_and_edges_are_the_tree(self) -> None:
        tree = tree_of(["Emma", "Persuasion"], 2)
        lines = to_dot(tree).splitlines()
        assert lines[0] == "digraph knowledge_tree {"
        assert lines[-1] == "}"
        numbers = [int(found[1]) for line in lines if (found := NODE.fullmatch(line))]
        edges = {(int(found[1]), int(found[2])) for line in lines if (found := EDGE.fullmatch(line))}
        assert numbers == list(tree.graph)
        assert edges == set(tree.graph.edges)

    @given(st.lists(st.one_of(st.text(max_size=30), st.sampled_from(HOSTILE)), min_size=1, max_size=4))
    def test_a_name_stays_in_its_label(self, names: list[str]) -> None:
        tree = tree_of(names, 1)
        lines = to_dot(tree).splitlines()
        nodes = [found for line in lines if (found := NODE.fullmatch(line))]
        edges = [found for line in lines if EDGE.fullmatch(line)]
        assert len(nodes) == len(tree.linear.nodes)
        assert len(nodes) + len(edges) == sum(line.startswith("  n") for line in lines) - 2  # two lines set defaults
        for node, found in zip(tree.linear.nodes, nodes, strict=True):
            given_names = dict(ATTRIBUTE.findall(found[2]))
            assert said(given_names["tooltip"]) == printable(node.text)
            assert re.sub(r"&(?!amp;)", "", given_names["label"]) == given_names["label"]
            if node.triplet is not None:
                assert said(given_names["comment"]) == printable(
                    f"{node.triplet.head} | {node.triplet.relation} | {node.triplet.tail}"
                )

    @pytest.mark.parametrize("letter", ["x", "&", '"', "😀", "y "])
    def test_graphviz_can_read_the_longest_texts(self, letter: str) -> None:
        drawn = to_dot(tree_of([letter * 20_000], 1, max_tokens=100_000))
        strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', drawn)
        assert max(len(text.encode()) for text in strings) < 16_384
        assert sum(text.endswith("…") for text in strings) >= 4, "tooltips of item and facts, a comment"

    def test_characters_that_change_the_writing_direction_are_left_out(self) -> None:
        assert "\u202e" not in to_dot(tree_of(["\u202eright to left"], 1))
        assert "שלום" in to_dot(tree_of(["שלום"], 1))


def said(quoted: str) -> str:
    """The text that Graphviz reads from a quoted string."""
    return re.sub(r"\\(.)", r"\1", quoted).replace("&amp;", "&")


class Page(HTMLParser):
    """Reads a page as a browser does, and records what is in it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: dict[int, str] = {}
        self.tokens: list[str] = []
        self.raw: dict[str, str] = {}
        self.into: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in {"meta"}:
            self.open.append(tag)
        if tag == "button":
            self.words[int(values["data-node"] or "")] = ""
        if values.get("class", "") and str(values["class"]).startswith("token "):
            self.tokens.append("")
        self.into = str(values.get("class") or "").partition(" ")[0]
        if tag in {"script", "style"}:
            self.into = f"{tag} {values.get('id', '')}".strip()
            self.raw[self.into] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.into = None

    def handle_data(self, data: str) -> None:
        if self.into == "words":
            self.words[next(reversed(self.words))] += data
        elif self.into == "token":
            self.tokens[-1] += data
        elif self.into in self.raw:
            self.raw[self.into] += data


class TestHtml:
    @pytest.mark.parametrize("names", [["Emma", "Persuasion"], HOSTILE], ids=["plain", "hostile"])
    def test_every_text_is_where_it_belongs(self, names: list[str]) -> None:
        tree = tree_of(names, 2)
        page = Page(to_html(tree))
        assert not page.open
        assert page.words == {node.number: printable(node.text) for node in tree.linear.nodes}
        assert page.tokens == [printable(text) for text in tree.token_texts]

    @given(st.lists(st.one_of(st.text(max_size=30), st.sampled_from(HOSTILE)), min_size=1, max_size=4))
    def test_a_name_adds_no_tag_and_no_attribute(self, names: list[str]) -> None:
        plain, hostile = (Page(to_html(tree_of(list(given), 1))) for given in (["x"] * len(names), names))
        kinds = [[(tag, sorted(values)) for tag, values in page.tags if tag != "bdi"] for page in (plain, hostile)]
        assert kinds[0] == kinds[1]
        assert all(
            sorted(values) in (["class"], ["class", "data-node"], ["id"])
            for tag, values in hostile.tags
            if tag == "bdi"
        )

    def test_nothing_is_loaded_and_only_its_own_script_runs(self) -> None:
        page = Page(to_html(tree_of(HOSTILE, 1)))
        assert not [values for _, values in page.tags if {"src", "href", "style"} & values.keys()]
        assert not [name for _, values in page.tags for name in values if name.startswith("on")]
        policy = next(str(values["content"]) for tag, values in page.tags if values.get("http-equiv"))
        hashes = [
            base64.b64encode(hashlib.sha256(page.raw[name].encode()).digest()).decode() for name in ("style", "script")
        ]
        assert policy == f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
        assert "url(" not in page.raw["style"]
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|fetch|import|http", page.raw["script"]
        )

    def test_the_script_gets_the_vectors_that_make_the_matrix(self) -> None:
        tree = tree_of(HOSTILE, 2)
        data = json.loads(Page(to_html(tree)).raw["script data"])
        assert data["node"] == tree.node.tolist()
        assert [data["parent"][node] for node in data["node"]] == tree.parent.tolist()
        assert data["colours"] == colours(tree)
        assert data["facts"][1]["what"] == f"item {printable('0 ' + HOSTILE[0])} of the history"
        assert data["facts"][-1]["triple"].endswith("  —  b")

    def test_a_tree_may_be_deeper_than_the_stack_of_python(self) -> None:
        tree = tree_of(["One"], 1, max_tokens=20000, hops=1500)
        assert Page(to_html(tree)).words.keys() == set(range(1502))


def test_the_suffix_decides_the_format(tmp_path: Path) -> None:
    tree = tree_of(HOSTILE, 1)
    opens = {".png": b"\x89PNG", ".svg": b"<?xml", ".html": b"<!DOCTYPE html>", ".DOT": b"digraph", ".json": b"{"}
    for ending, begin in opens.items():
        draw(tree, tmp_path / f"tree{ending}")
        assert (tmp_path / f"tree{ending}").read_bytes().startswith(begin)
    assert len(list(tmp_path.iterdir())) == len(opens)
    assert json.loads((tmp_path / "tree.json").read_text(encoding="utf-8"))["nodes"][-1]["kind"] == "triplet"
    with pytest.raises(InputError, match=r"tree\.gif: the name must end in \.png, \.svg, \.html, \.dot or \.json"):
        draw(tree, tmp_path / "tree.gif")
