"""Draws ``docs/layers.svg``, the picture of the package's layers: ``python docs/draw_layers.py``."""

from __future__ import annotations

from html import escape
from pathlib import Path

#: Layers from top to bottom: packages or modules, content, numbers of the steps of docs/architecture.md.
LAYERS = (
    ("cli", "one file per command; the only layer that prints", ""),
    ("studies, report", "several runs as one study; an HTML page about one or several runs", ""),
    ("pipeline.py", "fit, evaluate, control, refresh: one function per stage", "4"),
    ("explain", "why an item: parts of its score, triplets, paths in the graph", "12"),
    ("runs", "the run folder: write, load, recommend", "11"),
    ("evaluation", "full ranking, baselines, controls, significance", "11"),
    ("models", "backends kp4sr and sequence, training, score parts", "8 9 10"),
    ("knowledge", "item trees, facts, tokens; caches and batches", "4 6 7 8"),
    ("data", "interactions, splits, catalogue, checks", "4"),
    ("tree", "which triples, knowledge tree, visibility; draw/ draws it", "6"),
    ("prompts", "template packs: load, check, render, draft", "7"),
    ("graph", "sources/ read files, loading/ writes, foreign/ drafts; queries", "1 2 3 5"),
    ("notebook, storage", "what notebooks show; ragged arrays, vocabularies, atomic files, text tables", "1"),
    ("distributed, metrics, progress", "processes of torchrun, HR and NDCG, progress callback", ""),
    ("resources.py", "finds packs, Cypher files and the bundled data", ""),
    ("config.py", "settings: file, environment, flags", ""),
    ("limits.py", "what a small input may cost", ""),
    ("arguments.py, settings_base.py", "checks of arguments and settings", ""),
    ("errors.py, names.py", "every error; nearest names", ""),
)
WIDTH, ROW, TOP, LEFT = 880, 42, 46, 20
NAME = 250


def circle(x: float, y: float, text: str) -> str:
    """A numbered step."""
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="12" fill="#c8641b"/>'
        f'<text x="{x:g}" y="{y + 4.5:g}" text-anchor="middle" fill="#fff" font-size="12" '
        f'font-weight="bold">{text}</text>'
    )


def layer(index: int, name: str, content: str, steps: str) -> str:
    """One bar of the picture."""
    y = TOP + index * ROW
    colour = "#e3ecf7" if "." not in name and "," not in name else "#eef0f2"
    parts = [
        f'<rect x="{LEFT}" y="{y}" width="{WIDTH - 2 * LEFT}" height="{ROW - 6}" rx="6" fill="{colour}" '
        'stroke="#2d6bb4"/>',
        f'<text x="{LEFT + 14}" y="{y + 23}" font-weight="bold" fill="#1d3f6b">{escape(name)}</text>',
        f'<text x="{LEFT + NAME}" y="{y + 23}" fill="#333">{escape(content)}</text>',
    ]
    numbers = steps.split()
    for place, number in enumerate(numbers):
        parts.append(circle(WIDTH - LEFT - 20 - 28 * (len(numbers) - 1 - place), y + (ROW - 6) / 2, number))
    return "\n".join(parts)


def picture() -> str:
    """The whole picture as SVG."""
    height = TOP + len(LAYERS) * ROW + 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13" role="img">\n'
        "<title>The layers of kptoolkit: a layer imports the layers below it</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="{LEFT}" y="28" fill="#333">A layer imports only layers below it.</text>'
        f"{circle(WIDTH - LEFT - 246, 23, '1')}"
        f'<text x="{WIDTH - LEFT}" y="28" text-anchor="end" fill="#333">step of a triple from file to score</text>\n'
    )
    return head + "\n".join(layer(index, *entry) for index, entry in enumerate(LAYERS)) + "\n</svg>\n"


if __name__ == "__main__":
    Path(__file__).with_name("layers.svg").write_text(picture(), encoding="utf-8")
