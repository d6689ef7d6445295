"""Renders a knowledge tree as one self-contained HTML page: the tree, its visibility matrix, and what each node sees.

All text from the graph is escaped, and the vectors that the script reads are JSON in which no tag can open or close.
The page's content security policy allows its own script and style, by their hashes, and nothing else: no other script,
no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kptoolkit.errors import shorten
from kptoolkit.names import quantity
from kptoolkit.tree.draw.boxes import printable
from kptoolkit.tree.draw.colours import COLOURS, ROOT_COLOUR, colour_numbers, colours

if TYPE_CHECKING:
    from kptoolkit.tree.knowledge_tree import KnowledgeTree
    from kptoolkit.tree.linearization import Node

_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Knowledge tree</h1>
<p class="soft">{summary}</p>
<noscript><p class="soft">Without JavaScript the page shows tree and tokens, but not what tokens see.</p></noscript>
</header>
<main>
<section><h2>Tree</h2>
{tree}
</section>
<div class="side">
<section><h2>Visibility matrix</h2>
<p class="soft">Row: a token; filled where it sees the token of the column.</p>
<canvas id="matrix" role="img" aria-label="Visibility matrix of {length} tokens"></canvas>
</section>
<section id="about" aria-live="polite">
<div class="soft" id="which"></div>
<bdi id="words"></bdi>
<dl><dt>triple</dt><dd><bdi id="triple"></bdi></dd><dt>sees</dt><dd id="sight"></dd></dl>
<p class="soft" id="pair"></p>
</section>
</div>
<section class="wide"><h2>What the model reads</h2>
<p class="tokens">{tokens}</p>
</section>
</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def to_html(tree: KnowledgeTree) -> str:
    """Return the page of a tree; pointing at a node shows its sentence, its triple and what it sees."""
    style, script = _file("page.css") + _tones(), _file("page.js")
    return _PAGE.format(
        title=escape(shorten(printable(tree.mpp_text), 120)),
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        summary=escape(_summary(tree)),
        tree="\n".join(_branch(tree, 0)),
        length=len(tree),
        tokens=" ".join(_tokens(tree)),
        data=json.dumps(_data(tree), ensure_ascii=False, separators=(",", ":")).translate(_JSON),
    )


def _branch(tree: KnowledgeTree, root: int) -> Iterator[str]:
    """Nested lists, made without recursion because a tree may be deeper than Python's stack."""
    tone = colour_numbers(tree)
    stack: list[int | str] = [root]
    yield "<ul>"
    while stack:
        number = stack.pop()
        if isinstance(number, str):
            yield number
            continue
        node = tree.linear.nodes[number]
        words = f'<span class="number">{number}</span><bdi class="words">{escape(printable(node.text))}</bdi>'
        classes = f"node {node.kind} t{tone[number] + 1}"
        yield f'<li><button type="button" class="{classes}" data-node="{number}">{words}</button>'
        children = list(tree.graph.successors(number))
        if children:
            yield "<ul>"
            stack += ["</ul></li>", *reversed(children)]
        else:
            yield "</li>"
    yield "</ul>"


def _tokens(tree: KnowledgeTree) -> Iterator[str]:
    tone = colour_numbers(tree)
    for text, number in zip(tree.token_texts, tree.node.tolist(), strict=True):
        yield f'<bdi class="token t{tone[number] + 1}" data-node="{number}">{escape(printable(text))}</bdi>'


def _data(tree: KnowledgeTree) -> dict[str, Any]:
    """Data for the script: the node of each token; parent, colour and facts of each node."""
    nodes = tree.linear.nodes
    return {
        "node": tree.node.tolist(),
        "parent": [node.parent for node in nodes],
        "colours": colours(tree),
        "facts": [{"what": _what(tree, node), "triple": _triple(node)} for node in nodes],
    }


def _what(tree: KnowledgeTree, node: Node) -> str:
    if node.triplet is not None:
        return f"triplet prompt, hop {node.triplet.hop}, below node {node.parent}"
    if node.kind == "item":
        return f"item {printable(tree.linear.history[node.number - 1].key)} of the history"
    return "root, the masked personalised prompt"


def _triple(node: Node) -> str:
    if node.triplet is None:
        return ""
    ends = (node.triplet.head, node.triplet.relation, node.triplet.tail)
    return "  —  ".join(printable(end) for end in ends)


def _summary(tree: KnowledgeTree) -> str:
    left = tree.left_out
    parts = [
        quantity(len(tree.linear.nodes), "nodes"),
        f"{len(tree)} of {quantity(tree.max_tokens, 'tokens')}, counted by {tree.tokenizer_name}",
        f"{quantity(left.triplets, 'triplets')} and {quantity(left.items, 'items')} did not fit",
        f"{left.nameless} facts left out because an end has no name",
    ]
    return "; ".join(parts)


def _tones() -> str:
    rules = enumerate((ROOT_COLOUR, *COLOURS))
    return "".join(f".t{number} {{ --tone: {colour}; }}\n" for number, colour in rules)


@cache
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
