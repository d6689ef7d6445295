"""A template pack of one's own: the demo's books in German, from a folder and a few lines of Python.

Run it:  python examples/custom_pack/buecher.py [GRAPH_URI ITEM]
"""

from __future__ import annotations

import sys
from pathlib import Path

from kptoolkit import Graph, KnowledgeTree, TemplatePack

FOLDER = Path(__file__).parent / "buecher"


def zitat(name: str) -> str:
    """A title between German quotation marks."""
    return f"„{name}“"


def make_pack() -> TemplatePack:
    """The folder's pack, with a filter, one relation that uses it, and one more wording of the history."""
    return (
        TemplatePack.load(FOLDER)
        .with_filter(zitat)
        .with_relation(
            "book.written_work.author",
            forward=[
                "{{ head | zitat }} ist ein Buch von {{ tail }}.",
                "{{ tail }} hat {{ head | zitat }} geschrieben.",
            ],
            inverse="Von {{ tail }} stammt {{ head | zitat }}.",
        )
        .with_mpp("buecher-5", "Bisher: {{ history }}. Nun für {{ user }}: {{ mask }}.")
    )


if __name__ == "__main__":
    pack = make_pack()
    print(pack.sentence("Emma", "author", "Jane Austen"))
    print(pack.sentence("Emma", "author", "Jane Austen", inverse=True))
    print(pack.sentence("Emma", "book.book.setting", "Highbury"))
    print(pack.sentence("Jane Austen", "people.person.nationality", "England"))
    print(pack.mpp_template("buecher-5").render(["Emma", "Persuasion"], user="7"))
    if len(sys.argv) > 2:
        with Graph.open(sys.argv[1], create=False) as graph:
            print(KnowledgeTree.of_items(graph, [sys.argv[2]], pack, hops=2, degree=3).text)
