"""What a notebook shows: progress without widgets, and tables in which nothing from data is markup."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import pytest

from kptoolkit.evaluation.table import Row, evaluation_html, frame_of
from kptoolkit.notebook import progress_bars
from kptoolkit.notebook.html_tables import facts_html, lines_html, rows_html
from kptoolkit.notebook.progress_bars import NotebookBars, shown
from kptoolkit.progress import ProgressEvent
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.manifest import Manifest, facts_of

ATTACK = "<img src=x onerror=alert(1)>&\x1b\u202e"
HARMLESS = "&lt;img src=x onerror=alert(1)&gt;&amp;\\x1b\\u202e"


class Handle:
    """Keeps what a notebook would show."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, str]] = []

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        """Replace the output."""
        assert raw
        self.outputs.append(data)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> tuple[types.SimpleNamespace, list[Handle]]:
    """The shell of a notebook, and the outputs of its cells."""
    handles: list[Handle] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        handles.append(Handle())
        handles[-1].update(data, raw=raw and display_id)
        return handles[-1]

    shell = types.SimpleNamespace(kernel=object(), execution_count=1)
    modules: dict[str, Any] = {
        "IPython": types.SimpleNamespace(get_ipython=lambda: shell),
        "IPython.display": types.SimpleNamespace(display=display),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(progress_bars, "_BARS", {})
    return shell, handles


def test_a_cell_gets_bars_of_its_own(kernel: tuple[types.SimpleNamespace, list[Handle]]) -> None:
    shell, handles = kernel
    for done in range(5):
        shown(ProgressEvent("train", done, 4, "steps", info={"loss": 0.5} if done == 1 else {}))
    shown(ProgressEvent("rank", 3, None, "cases", note="slow"))
    shell.execution_count = 2
    shown(ProgressEvent("rank", 1, 1, "cases"))
    first, second = handles
    html = first.outputs[-1]["text/html"]
    assert '<progress value="4" max="4">' in html
    assert "4/4 steps" in html
    assert "loss 0.5000" in html, "figures stay until the next ones"
    assert "3 cases" in html
    assert ">rank: slow</div>" in html
    assert len(first.outputs) < 6, "steps between two updates are not drawn"
    assert "train" not in second.outputs[-1]["text/html"]
    assert second.outputs[-1]["text/plain"] == "rank: 1/1 case"


def test_outside_a_notebook_only_a_terminal_shows_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, expected in ((io.StringIO(), ""), (Terminal(), "load: 3/3 triples\n")):
        monkeypatch.setattr(sys, "stderr", stream)
        shown(ProgressEvent("load", 1, 3, "triples"))
        shown(ProgressEvent("load", 3, 3, "triples"))
        assert stream.getvalue() == expected
    monkeypatch.setattr(sys, "stderr", None)
    shown(ProgressEvent("load", 3, 3, "triples"))


def test_text_from_data_is_escaped() -> None:
    bars = NotebookBars()
    bars._draw = lambda data: None  # type: ignore[method-assign]
    bars(ProgressEvent(ATTACK, 1, 2, ATTACK, {ATTACK: ATTACK}, ATTACK))
    pack = TemplatePack("x", description=ATTACK).with_relation("<b>", forward="<i>{{ head }}</i> {{ tail }}")
    manifest = Manifest(reports={"notice": ATTACK, "knowledge": {"pack": ATTACK}})
    frame = frame_of([Row(ATTACK, {"MRR": 0.5}, (0.1, 0.2))])
    pages = {
        "bars": bars.html(),
        "facts": facts_html(ATTACK, {ATTACK: ATTACK}),
        "rows": rows_html([ATTACK], [[ATTACK]]),
        "lines": lines_html([ATTACK]),
        "pack": pack._repr_html_(),
        "run": facts_html("Run", facts_of(manifest)),
        "evaluation": evaluation_html(frame, ATTACK, [ATTACK]),
    }
    for name, page in pages.items():
        assert HARMLESS in page, name
        assert not [text for text in ("<img", "<i>", "\x1b", "\u202e") if text in page], name


def test_a_pack_is_one_line_and_a_table() -> None:
    pack = TemplatePack.load("books")
    assert repr(pack) == f"TemplatePack('books': {len(pack.relations)} relations, {len(pack.mpp)} MPP templates, 'en')"
    html = pack._repr_html_()
    assert "{{ head }} was written by {{ tail }}." in html
    assert f"and {len(pack.relations) + len(pack.mpp) - 20} more" in html
