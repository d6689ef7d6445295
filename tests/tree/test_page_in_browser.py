"""The script of a tree's page, run by a browser: what it shows is what ``KnowledgeTree.visibility()`` says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_drawing import HOSTILE, Page, tree_of

from kptoolkit.tree import KnowledgeTree
from kptoolkit.tree.draw.boxes import printable
from kptoolkit.tree.draw.html_page import to_html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the PATH to run the page in")

POINT = """
const said = () => Object.fromEntries(
  ["which", "words", "triple", "sight", "pair"].map((id) => [id, document.getElementById(id).textContent]));
const marked = (kind) => [...document.querySelectorAll(kind)].map((one) => one.classList.contains("seen"));
const point = (target, kind, where = {}) => target.dispatchEvent(new PointerEvent(kind, where));
const found = { nodes: [], tokens: [], pairs: [] };
for (const [kind, into] of [[".node", found.nodes], [".token", found.tokens]]) {
  for (const element of document.querySelectorAll(kind)) {
    point(element, "pointerenter");
    into.push({ ...said(), nodes: marked(".node"), tokens: marked(".token") });
    point(element, "pointerleave");
  }
}
found.left = said().which;
const matrix = document.getElementById("matrix"), box = matrix.getBoundingClientRect();
const length = document.querySelectorAll(".token").length, dots = Math.floor(1200 / length);
const strip = matrix.width - length * dots;
const place = (number) => ((strip + (number + 0.5) * dots) * box.width) / matrix.width;
for (const [row, column] of PAIRS) {
  point(matrix, "pointermove", { clientX: box.left + place(column), clientY: box.top + place(row) });
  found.pairs.push(said());
}
point(document.querySelectorAll(".node")[2], "click");
point(document.querySelectorAll(".node")[0], "pointerenter");
found.pinned = said().which;
document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
found.let_go = said().which;
document.body.innerHTML = "";
document.body.append(JSON.stringify(found));
"""


def opened(page: Path, where: str = "") -> str:
    """The document after the page's script has run."""
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000", "--dump-dom")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [str(BROWSER), *words, profile, page.as_uri() + where], capture_output=True, check=True, timeout=120
    )
    return done.stdout.decode("utf-8")


def sight(tree: KnowledgeTree, number: int) -> str:
    """What a node sees, read off the matrix."""
    seen = tree.visibility()[int(np.flatnonzero(tree.node == number)[0])]
    nodes = ", ".join(map(str, np.unique(tree.node[seen]).tolist()))
    return f"nodes {nodes}; {int(seen.sum())} of {len(tree)} tokens"


@pytest.fixture(scope="module")
def tree() -> KnowledgeTree:
    return tree_of(["Emma", HOSTILE[7], HOSTILE[11]], 2, hops=3)


@pytest.mark.process
def test_the_address_names_the_node_that_is_shown(tree: KnowledgeTree, tmp_path: Path) -> None:
    """Under the page's own content policy."""
    page = tmp_path / "tree.html"
    page.write_text(to_html(tree), encoding="utf-8")
    deepest = len(tree.linear.nodes) - 1
    for number, what in ((2, "item "), (deepest, f"triplet prompt, hop 3, below node {deepest - 2}")):
        shown = opened(page, f"#{number}")
        said = {name: unescape(re.search(rf'id="{name}">([^<]*)<', shown)[1]) for name in ("which", "words", "sight")}  # type: ignore[index]
        assert said["which"].startswith(f"Node {number}: {what}")
        assert said["words"] == printable(tree.linear.nodes[number].text)
        assert said["sight"] == sight(tree, number)


@pytest.mark.process
def test_pointing_shows_sentence_node_and_what_it_sees(tree: KnowledgeTree, tmp_path: Path) -> None:
    """At every node, every token, and some places of the matrix; a script next to the page's own does the pointing."""
    page, visible = tmp_path / "tree.html", tree.visibility()
    pairs = [*product(range(0, len(tree), 17), range(0, len(tree), 13)), (0, len(tree) - 1)]
    script = f"<script>{POINT.replace('PAIRS', json.dumps(pairs))}</script></body>"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(tree)).replace("</body>", script)
    page.write_text(text, encoding="utf-8")
    found: dict[str, Any] = json.loads(unescape(re.search(r"<body[^>]*>(\{.*\})", opened(page), re.DOTALL)[1]))  # type: ignore[index]
    order = list(Page(to_html(tree)).words)
    assert [one["which"].partition(":")[0] for one in found["nodes"]] == [f"Node {number}" for number in order]
    assert len(found["tokens"]) == len(tree)
    for number, one in [
        *zip(order, found["nodes"], strict=True),
        *zip(tree.node.tolist(), found["tokens"], strict=True),
    ]:
        seen = visible[int(np.flatnonzero(tree.node == number)[0])]
        assert one["words"] == printable(tree.linear.nodes[number].text)
        assert one["sight"] == sight(tree, number)
        assert one["tokens"] == seen.tolist()
        assert one["nodes"] == [bool(seen[tree.node == other].all()) for other in order]
    for (row, column), one in zip(pairs, found["pairs"], strict=True):
        verb = "sees" if visible[row, column] else "does not see"
        ends = [f"(token {at}, node {tree.node[at]})" for at in (row, column)]
        assert re.sub("“.*?” (?=\\()", "", one["pair"], flags=re.DOTALL) == f"{ends[0]} {verb} {ends[1]}"
    assert {visible[pair] for pair in pairs} == {True, False}
    assert (
        found["left"] == found["let_go"] == "Point at a node, a token or the matrix. A click pins it; Escape unpins it."
    )
    assert found["pinned"].startswith(f"Node {order[2]}: "), "pointing elsewhere changes nothing"
