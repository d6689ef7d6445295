"""The notebook runs as it stands and shows what it says, and it is kept without outputs.

Run as a program, this file takes outputs, counters and what an editor noted out of the notebook.
"""

from __future__ import annotations

import ast
import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOK = EXAMPLES / "first_look.ipynb"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read() -> NotebookNode:
    notebook: NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    return notebook


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is kept."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def test_the_notebook_is_kept_clean() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert notebook == cleaned(read()), "python tests/examples/test_notebook.py takes the outputs out"
    assert sum(cell.cell_type == "code" for cell in notebook.cells) > 10
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\w.])/(?:home|root|work|Users|mnt|tmp)/\S+", text)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert (EXAMPLES / link).exists(), link


def test_an_output_would_be_seen() -> None:
    notebook = read()
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="1\n")]
    assert notebook != cleaned(read())


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[NotebookNode]]:
    """Outputs by cell of one run, in an empty folder; nothing is written outside it."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "TMPDIR"):
            (folder / name).mkdir()
            patch.setenv(name, str(folder / name))
        (folder / "here").mkdir()
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder / "here")}}).execute()
    assert not list((folder / "here").iterdir())
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def printed(outputs: list[NotebookNode]) -> list[str]:
    """What a cell prints, in lines."""
    assert not [output for output in outputs if output.get("name") == "stderr"]
    return "".join(output.text for output in outputs if output.output_type == "stream").splitlines()


def shown(outputs: list[NotebookNode], kind: str = "text/plain") -> str:
    """The value that a cell ends with."""
    return str(outputs[-1].data[kind])


def rows(outputs: list[NotebookNode]) -> list[list[str]]:
    """The cells of the table that a cell ends with, without the header."""
    table = shown(outputs, "text/html")
    listed = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row, re.DOTALL) for row in listed]


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
class TestRun:
    def test_it_loads_the_bundled_graph(self, outputs: dict[str, list[NotebookNode]]) -> None:
        demo = EXAMPLES / "demo"
        lines = {
            name: len((demo / f"demo.{name}").read_text(encoding="utf-8").splitlines()) - 1 for name in ("kg", "item")
        }
        loaded = ast.literal_eval(shown(outputs["load"]))
        assert (loaded["relationships"], loaded["items"]) == (lines["kg"], lines["item"])
        assert sum(int(count) for _, count in rows(outputs["relations"])) == lines["kg"]

    def test_it_words_the_neighbourhood(self, outputs: dict[str, list[NotebookNode]]) -> None:
        around = rows(outputs["neighbourhood"])
        covered, *sentences = printed(outputs["sentences"])
        assert covered == "100% of the triples have sentences of their own in the pack books"
        assert "Emma was written by Jane Austen." in sentences
        assert len(sentences) == len(around) > 5
        for (_, head, _, tail), sentence in zip(around, sentences, strict=True):
            assert head in sentence
            assert tail in sentence

    def test_own_words_take_the_place_of_the_packs(self, outputs: dict[str, list[NotebookNode]]) -> None:
        assert printed(outputs["own-words"]) == [
            "Emma is set in Surrey.",
            "The story of Emma takes you to Surrey.",
            "Surrey is where Emma takes place.",
            "On the night table: Emma and Oliver Twist. Next to it soon: ___.",
        ]
        assert "undeclared variable 'tial'; did you mean {{ tail }}?" in printed(outputs["slip"])[0]

    def test_the_tree_is_drawn_inline(self, outputs: dict[str, list[NotebookNode]]) -> None:
        (text,) = printed(outputs["tree"])
        assert text.startswith("On the night table: Emma and Oliver Twist. ")
        assert "The story of Emma takes you to Surrey. Surrey is where " in text
        picture = base64.b64decode(shown(outputs["tree"], "image/png"))
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 20_000

    def test_the_matrix_is_the_definition(self, outputs: dict[str, list[NotebookNode]]) -> None:
        *lines, equal = printed(outputs["matrix"])
        assert equal == "equal: True"
        found = [re.fullmatch(r" *(\S+)  node (\d+)  parent +(-?\d+)  ([#.]+)", line) for line in lines]
        tokens = [(match[1], int(match[2]), int(match[3]), match[4]) for match in found if match]
        assert len(tokens) == len(lines) > 20
        family = {node: parent for _, node, parent, _ in tokens}
        for _, node, parent, sees in tokens:
            near = {node, parent, *(other for other in family if family[other] in (node, parent))}
            assert sees == "".join("#" if other in near else "." for _, other, _, _ in tokens)

    def test_the_model_learns(self, outputs: dict[str, list[NotebookNode]]) -> None:
        assert ast.literal_eval(shown(outputs["fit"]))["epochs"] == 12
        bars, *_ = (output.data["text/html"] for output in outputs["fit"] if output.output_type == "display_data")
        assert re.search(r"<tr><td[^>]*>train</td>.*<progress value=.*valid NDCG@10 \d", bars)
        assert printed(outputs["evaluate"]) == [
            "300 cases, 239 books. simulated readers: shows that the tool works, is no evidence for the method"
        ]
        ranked = {name: float(figure) for name, figure, *_ in rows(outputs["evaluate"]) if figure[:1].isdigit()}
        assert list(ranked) == ["sequence", "sequence alone", "popularity", "item-kNN"]
        assert ranked["sequence"] > 1.5 * ranked["popularity"]

    def test_recommendations_have_reasons(self, outputs: dict[str, list[NotebookNode]]) -> None:
        titles = [title for *_, title, _ in rows(outputs["recommend"])]
        assert len(set(titles)) == 5
        assert not {"Emma", "Oliver Twist"} & set(titles)
        lines = printed(outputs["reasons"])
        assert [line for line in lines if line[0] != " "] == [f"1. {titles[0]}", f"2. {titles[1]}"]
        falls = [
            float(match[1]) for line in lines if (match := re.match(r" +score falls by ([\d.]+) without: \w", line))
        ]
        assert len(falls) >= 2
        first = lines[: lines.index(f"2. {titles[1]}")]
        paths = [line for line in first if line.startswith("   in the graph: ")]
        assert paths
        assert all(re.search("Emma|Oliver Twist", path) and titles[0] in path for path in paths)


if __name__ == "__main__":
    nbformat.write(cleaned(read()), NOTEBOOK)
