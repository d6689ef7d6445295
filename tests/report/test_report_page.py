"""The page of a report: what it says, what it leaves out, and that names stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.hostile_names import ATTACKS, ATTRIBUTES, KINDS, RUN, TAGS, Parsed
from worlds.page_of_texts import page_of

from kptoolkit import evaluate, load, write_report
from kptoolkit.errors import InputError, RunError
from kptoolkit.graph import Graph
from kptoolkit.report.report_page import to_html
from kptoolkit.report.run_summary import RunSummary, unique_names
from kptoolkit.runs.manifest import Manifest
from kptoolkit.runs.run import Run
from kptoolkit.storage.arrays import checksum

pytestmark = [pytest.mark.embedded, pytest.mark.slow]


@pytest.fixture(scope="session")
def hostile_page(hostile_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page about both runs."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report([load(run) for run in hostile_runs], path).path.read_text(encoding="utf-8")


def test_no_element_and_no_attribute_comes_from_data(hostile_page: str) -> None:
    found = Parsed(hostile_page)
    for tag, attributes in found.elements:
        assert tag in TAGS
        for name, value in attributes:
            assert name in ATTRIBUTES
            assert "PWN" not in (value or "") or name == "aria-label", (tag, name, value)
    assert not found.others, "no comment, no instruction"
    for kind in (*KINDS[:-1], "notice", "run", "data", "pack", "machine"):
        assert f"PWN{kind}" in found.text, f"the page shows no {kind}"
    for attack in (ATTACKS[0], ATTACKS[1], ATTACKS[3]):
        assert attack in found.text, "the text itself is not changed"
    assert found.text.count("http://") == hostile_page.count("http://"), "addresses are text"
    controls = {c for c in hostile_page if (ord(c) < 32 and c != "\n") or c in "\x7f\u202e\u2066\u200f"}
    assert not controls
    targets = {value for tag, attributes in found.elements for name, value in attributes if name == "href"}
    ids = {value for tag, attributes in found.elements for name, value in attributes if name == "id"}
    assert targets == {f"#{each}" for each in ids}


def test_the_policy_allows_the_own_style_and_nothing_else(hostile_page: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", hostile_page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(Parsed(hostile_page).elements[3][1])
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "PWN" not in style
    assert "url(" not in style


@given(st.text(max_size=40).map(lambda text: f"x{text}x"))
def test_no_text_changes_the_elements_of_a_page(text: str) -> None:
    assert Parsed(to_html(page_of(text))).skeleton == Parsed(to_html(page_of("x"))).skeleton


@pytest.mark.parametrize("attack", [*ATTACKS, "\ud800", "a" * 5000])
def test_no_attack_changes_the_elements_of_a_page(attack: str) -> None:
    page = to_html(page_of(f"x{attack}x"))
    assert Parsed(page).skeleton == Parsed(to_html(page_of("x"))).skeleton
    page.encode("utf-8")


def test_what_the_page_says(runs: list[Run], tmp_path: Path) -> None:
    written = write_report(runs[0], tmp_path / "one.html", users=2)
    page, text = written.page, Parsed(written.path.read_text(encoding="utf-8")).text
    run, report = runs[0], runs[0].manifest.reports
    facts = dict(page.shared)
    assert facts["users"] == f"{report['data']['users']:,}"
    assert facts["items with triples"] == f"{report['knowledge']['items_with_triples']:,}"
    assert facts["id"] == run.manifest.id
    assert facts["epochs"] == "3 of at most 3"
    assert set(run.manifest.seconds) <= set(re.findall(r"\w+", facts["seconds by stage"]))
    assert page.overview is None
    evaluation = run.files.evaluation("test")
    assert evaluation["rows"]
    for row in evaluation["rows"]:
        assert f"{row['metrics']['NDCG@10']:.4f}" in text
    assert evaluation["protocol"] in text
    history = run.files.training()["history"]
    best = max(history, key=lambda row: row["eval_NDCG@10"])["epoch"]
    assert page.chosen == ((page.names[0], f"{best:g}"),)
    validation, loss = page.charts
    assert [point.label.rpartition(" ")[2] for point in validation.lines[0].points] == [
        f"{row['eval_NDCG@10']:.4f}" for row in history
    ]
    assert [point.chosen for point in validation.lines[0].points].count(True) == 1
    assert len(loss.lines[0].points) == 3
    weights = run.recommender.parts
    assert [(bar.name, bar.figure) for bar in page.weights[0].charts[0].bars] == [
        (name, f"{value:.3g}") for name, value in weights.weights.items()
    ]
    taken = weights.report["taken"]
    losses = weights.report["cross entropy, five folds"]
    assert [(each.name, each.figure, each.taken) for each in page.weights[0].variants] == [
        (name, f"{value:.4f}", name == taken) for name, value in losses.items()
    ]
    ndcg = weights.report["NDCG, five folds"]
    assert {each.name: each.figure for each in page.weights[0].measures} == {
        name: f"{value:.4f}" for name, value in ndcg.items()
    }
    assert [each.name for each in page.weights[0].measures if each.taken] == [weights.report["fitted by"]]


def test_relations_have_their_weights(runs: list[Run], tmp_path: Path) -> None:
    page = write_report(runs, tmp_path / "two.html", users=0).page
    parts = runs[0].recommender.parts.pairs
    shown = {chart.title: {bar.name for bar in chart.bars} for chart in page.weights[0].charts}
    for name, part in parts.items():
        if len(part.kinds) > 1:
            assert shown[f"{name}: weight of each kind of pair"] == set(part.kinds)
    assert len(page.weights[1].charts) == 2, "kinds of the first run only"


def test_examples_are_recommendations_whose_parts_add_up(runs: list[Run], tmp_path: Path) -> None:
    first, again = (write_report(runs[0], tmp_path / f"{n}.html", users=4).page.examples for n in range(2))
    assert first == again, "the sample is fixed"
    assert len(first.users) == 4
    for example in first.users:
        ranked = runs[0].recommend(example.user, k=3)
        assert [item.entry.item_id for item in example.items] == ranked["item_id"].tolist()
        history = runs[0].interactions.history_of(example.user)
        assert list(example.history) == runs[0].catalogue.names[history].tolist()[-10:]
        for item in example.items:
            assert sum(part.value for part in item.entry.parts) == pytest.approx(item.entry.score, abs=1e-4)
            assert np.isclose(sum(float(part.figure) for part in item.parts), item.entry.score, atol=1e-3)
            assert item.entry.paths is None


def seal(folder: Path) -> None:
    """Write the checksums of a run's files again, as if training and evaluation had written these files."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: checksum(folder / name) for name in manifest["files"]}
    path.write_text(json.dumps(manifest))


def test_figures_of_a_run_for_its_signatures(hostile_runs: list[Path], tmp_path: Path) -> None:
    """By hand; the course of the training is that of a backend which names its figures plainly."""
    copy = Path(shutil.copytree(hostile_runs[0], tmp_path / "run"))
    history = [{"epoch": 1, "loss": 3.0, "NDCG@10": 0.5}, {"epoch": 2, "loss": 2.0, "NDCG@10": 0.25}, {"step": 9}]
    figures = {"triplets_left_out_per_prompt": 7.0}
    training = {"epochs": 2, "best": {"NDCG@10": 0.5}, "history": history, "figures": figures}
    (copy / "training.json").write_text(json.dumps(training))
    seal(copy)
    run = load(copy)
    summary = RunSummary.of(run, "run", "test")
    assert summary.curve == [(1.0, 0.5), (2.0, 0.25)]
    assert summary.losses == [(1.0, 3.0), (2.0, 2.0)]
    assert summary.chosen_epoch == 1
    found, known = summary.figures, run.manifest.reports["knowledge"]
    trained = {item for history in run.split.train for item in history.tolist()}
    assert found.cold == np.mean([target not in trained for target in run.split.test.targets.tolist()])
    assert (found.items, found.items_with_triples) == (known["items"], known["items_with_triples"])
    assert (found.nameless, found.left_out_per_prompt) == (known["left_out_nameless"], 7.0)
    assert found.nameless > 0
    assert found.rows == len(run.files.neighbourhoods().relation)
    rows = {row["name"]: row["metrics"]["NDCG@10"] for row in run.files.evaluation("test")["rows"]}
    assert (found.valid, found.test) == (0.5, rows["sequence alone"]), "both of the backend alone"
    best = max(rows["popularity"], rows["item-kNN"])
    assert found.over_baseline == pytest.approx(rows["sequence"] / best - 1)
    assert found.over_no_knowledge is None
    spreads = {part.name: part.spread for part in summary.parts}
    knowledge = spreads["graph similarity"] + spreads.get("prompts", 0.0)
    assert found.knowledge == pytest.approx(knowledge / sum(spreads.values()))
    evaluate(run, split="valid")
    both = RunSummary.of(run, "run", "test").figures
    assert (both.valid, both.test) == (run.files.evaluation("valid")["rows"][0]["metrics"]["NDCG@10"], rows["sequence"])


def test_several_runs_in_one_page(runs: list[Run], tmp_path: Path) -> None:
    written = write_report(runs, users=1)
    assert written.path == runs[0].folder.parent / "report.html"
    page = written.page
    assert page.names == (RUN, "second PWNrun")
    assert [label for label, _ in page.differing] == ["run", "id", "trained"]
    assert page.overview is not None
    together = json.loads((runs[0].folder.parent / "metrics-test.json").read_text())
    assert page.overview.rows[0].figure == f"{together['rows'][0]['metrics']['NDCG@10']:.4f}"
    assert page.overview.has_spread
    assert [table.title for table in page.tables] == list(page.names)
    assert [len(row.findings) for row in page.signatures] == [2] * len(page.signatures)
    assert written.to_json()["runs"] == list(page.names)
    assert set(written.to_json()["signatures"]) == set(page.names)
    json.dumps(written.to_json())
    alone = write_report(runs[1:], tmp_path / "x.html", users=0).page
    assert alone.overview is None
    assert "overview" not in alone.left_out


def test_what_is_missing_is_said_in_one_sentence(hostile_runs: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(run, tmp_path / "bare" / run.name)) for run in hostile_runs]
    for copy in copies:
        (copy / "metrics-test.json").unlink()
        shutil.rmtree(copy / "checkpoints")
    written = write_report([load(copy) for copy in copies], users=1)
    said = written.page.left_out
    assert set(said) == {"overview", "results", "groups", "paths"}
    assert said["results"] == "Not evaluated yet: kptool evaluate RUN."
    assert said["overview"] == "The 2 runs were not evaluated together: kptool evaluate RUN…."
    text = Parsed(written.path.read_text(encoding="utf-8")).text
    for sentence in said.values():
        assert sentence in text
        assert sentence.count(". ") == 0
    valid = write_report(load(copies[0]), tmp_path / "valid.html", split="valid", users=0).page
    assert valid.left_out["results"] == "Not evaluated yet: kptool evaluate RUN --split valid."
    assert valid.split == "valid"


@pytest.mark.parametrize("changed", ["", "id", "neighbourhoods", "catalogue", "pack"])
def test_a_table_of_other_runs_or_of_earlier_inputs_is_not_taken(
    hostile_runs: list[Path], tmp_path: Path, changed: str
) -> None:
    """A refreshed run keeps its id, but not what it read."""
    copies = [Path(shutil.copytree(run, tmp_path / run.name)) for run in hostile_runs]
    table = json.loads((hostile_runs[0].parent / "metrics-test.json").read_text())
    if changed:
        ranked = table["runs"][1]
        (ranked if changed == "id" else ranked["fingerprints"])[changed] = "another"
    (tmp_path / "metrics-test.json").write_text(json.dumps(table))
    page = write_report([load(copy) for copy in copies], users=0).page
    assert (page.overview is None) is bool(changed)
    assert ("overview" in page.left_out) is bool(changed)


def test_runs_that_were_not_evaluated_are_named(hostile_runs: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(run, tmp_path / run.name)) for run in hostile_runs]
    (copies[1] / "metrics-test.json").unlink()
    written = write_report([load(copy) for copy in copies], users=0)
    assert [table.title for table in written.page.tables] == [RUN]
    assert written.to_json()["not_evaluated"] == ["second PWNrun"]
    text = " ".join(Parsed(written.path.read_text(encoding="utf-8")).text.split())
    assert "Not evaluated: second PWNrun" in text


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/x/a", "/x/b"], ["a", "b"]),
        (["/x/a/seed-1", "/x/b/seed-1", "/x/a/seed-2"], ["a/seed-1", "b/seed-1", "seed-2"]),
        (["/x/1/grid/seed-1", "/x/2/grid/seed-1"], ["1/grid/seed-1", "2/grid/seed-1"]),
        (["/grid/seed-1", "/x/grid/seed-1"], ["/grid/seed-1", "x/grid/seed-1"]),
        (["/a/b/c", "/a/c", "/c"], ["b/c", "a/c", "/c"]),
    ],
)
def test_every_run_of_a_page_has_a_name_of_its_own(folders: list[str], names: list[str]) -> None:
    assert unique_names([Run(Path(folder), Manifest()) for folder in folders]) == names


def test_mistakes(runs: list[Run], hostile_runs: list[Path], tmp_path: Path) -> None:
    for name in ("report.pdf", "report", "report.html.gz"):
        with pytest.raises(InputError, match=r"must end in \.html"):
            write_report(runs[0], tmp_path / name)
    with pytest.raises(InputError, match="no run given"):
        write_report([], tmp_path / "x.html")
    with pytest.raises(InputError, match="users is -1"):
        write_report(runs[0], tmp_path / "x.html", users=-1)
    broken = Path(shutil.copytree(hostile_runs[0], tmp_path / "broken"))
    (broken / "metrics-test.json").write_text("{")
    seal(broken)
    with pytest.raises(RunError, match=r"metrics-test\.json is damaged"):
        write_report(load(broken), tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_a_backend_that_explains_nothing_has_parts_all_the_same(runs: list[Run], tmp_path: Path) -> None:
    class Silent:
        """The scores of a backend, without its explanations."""

        name = "silent"

        def __init__(self, backend: Any) -> None:
            self.score = backend.score

    run = runs[0]
    vars(run)["recommender"] = type(run.recommender)(Silent(run.backend), run.recommender.parts)  # type: ignore[arg-type]
    page = write_report(run, tmp_path / "x.html", users=1).page
    assert page.left_out["triplets"] == "The backend cannot say which triplets mattered."
    assert "paths" not in page.left_out
    (example,) = page.examples.users
    assert [len(item.entry.triplets) for item in example.items] == [0, 0, 0]
    assert all(item.parts for item in example.items)


def test_nothing_of_the_graph_is_needed(runs: list[Run]) -> None:
    with pytest.raises(Exception, match="no graph"):
        Graph.open(config=runs[0].config.graph, create=False)
