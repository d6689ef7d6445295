"""A ring of books in which every name from data tries to become markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from kptoolkit.testing.small_worlds import ITEMS, chain_interactions

PORT = "127.0.0.1:9"
"""Address in the names; a test puts that of a server in its place."""
ATTACKS = (
    "<script>document.documentElement.setAttribute('data-ran','1')</script>",
    "\"onmouseover=document.documentElement.setAttribute('data-ran','2') x=\"",
    f"</style><style>@import url(http://{PORT}/style);</style>",
    f"<img src=http://{PORT}/picture onerror=document.documentElement.setAttribute('data-ran','3')>",
    "</bdi></td></table></section><h1>",
    "</title></svg><svg onload=document.documentElement.setAttribute('data-ran','4')>",
    "\u202eright to left\u2066",
    "bell\x07 escape\x1b[2J",
    "<!-- {{ 7 * 7 }} {% raw %}",
    "' style='position:fixed",
    "&lt;b&gt;&#60;",
)
KINDS = ("title", "entity", "relation", "user", "item")
NOTICE = f"PWNnotice {ATTACKS[0]} {ATTACKS[3]}"
RUN = "PWNrun <b onclick=x>"
TAGS = set(
    re.findall(
        r"\w+",
        """html head meta title style body header h1 h2 h3 h4 p nav a main section dl div dt dd bdi table thead tbody tr
    th td ul li span b svg g line rect circle path text figure figcaption article footer""",
    )
)
ATTRIBUTES = set(
    re.findall(
        r"[\w-]+",
        """lang charset http-equiv content name href id class scope tabindex role aria-label aria-hidden
    x y x1 x2 y1 y2 r d dy rx width height text-anchor""",
    )
)


class Parsed(HTMLParser):
    """The elements of a page and the texts between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.texts: list[str] = []
        self.others: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    handle_pi = handle_comment

    @property
    def text(self) -> str:
        """All texts, on one line."""
        return " ".join(" ".join(self.texts).split())

    @property
    def skeleton(self) -> list[tuple[str, tuple[tuple[str, str | None], ...]]]:
        """The elements without what a screen reader reads of them."""
        return [(tag, tuple((k, None if k == "aria-label" else v) for k, v in attrs)) for tag, attrs in self.elements]


def hostile(kind: str, number: int) -> str:
    """A name that tries to become markup; ``PWN`` is in all of them."""
    return f"PWN{kind} {number} {ATTACKS[number % len(ATTACKS)]}"


def write_hostile_world(folder: Path) -> Path:
    """Write ``.inter``, ``.item``, ``.link``, ``.kg``, ``.ent`` and a notice."""
    folder.mkdir(parents=True)
    found = chain_interactions()
    users = [hostile("user", number) for number in range(len(found.user_ids))]
    items = [hostile("item", number) for number in range(ITEMS)]
    events = [
        f"{users[user]}\t{items[item]}\t{time}"
        for user, item, time in zip(found.user, found.item, found.time, strict=True)
    ]
    triples, names = [], []
    for item in range(ITEMS - 1):
        names.append(f"e{item}\t{hostile('entity', item)}")
        triples.append(f"e{item}\t{hostile('relation', 0)}\ta{item % 4}")
        triples.append(f"e{item}\t{hostile('relation', 1)}\te{(item + 1) % (ITEMS - 1)}")
    for author in range(4):
        names.append(f"a{author}\t{hostile('entity', 100 + author)}")
        triples.append(f"a{author}\t{hostile('relation', 3)}\tp{author % 2}")
    tables = {
        "inter": ["user_id:token\titem_id:token\ttimestamp:float", *events],
        "item": [
            "item_id:token\ttitle:token_seq",
            *(f"{items[item]}\t{hostile('title', item)}" for item in range(ITEMS)),
        ],
        "link": ["item_id:token\tentity_id:token", *(f"{items[item]}\te{item}" for item in range(ITEMS - 1))],
        "kg": ["head_id:token\trelation_id:token\ttail_id:token", *triples],
        "ent": ["entity_id:token\tname:token_seq", *names],
    }
    for suffix, rows in tables.items():
        (folder / f"ring.{suffix}").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "NOTICE").write_text(NOTICE + "\n", encoding="utf-8")
    return folder
