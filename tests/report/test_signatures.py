"""Each failure signature: its figure by hand, and both sides of its limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from kptoolkit.report.run_summary import ndcg_on_both_splits
from kptoolkit.report.signatures import SIGNATURES, RunFigures, Signature, findings

BY_NAME = {signature.name: signature for signature in SIGNATURES}
#: Name of the signature; figures in which it is found, its value there, and figures in which it is not.
CASES: dict[str, tuple[RunFigures, float, RunFigures]] = {
    "overfitting": (
        RunFigures(curve=[(5, 0.05), (10, 0.1), (15, 0.08)]),
        0.2,
        RunFigures(curve=[(5, 0.05), (10, 0.1), (15, 0.095)]),
    ),
    "still improving": (
        RunFigures(curve=[(5, 0.05), (10, 0.1)]),
        0,
        RunFigures(curve=[(5, 0.05), (10, 0.1), (15, 0.1)]),
    ),
    "validation promises more": (RunFigures(valid=0.2, test=0.1), 0.5, RunFigures(valid=0.2, test=0.19)),
    "behind a baseline": (RunFigures(over_baseline=-0.01), -0.01, RunFigures(over_baseline=0.01)),
    "knowledge brings nothing": (RunFigures(over_no_knowledge=0.0), 0.0, RunFigures(over_no_knowledge=0.05)),
    "further hops hurt": (RunFigures(over_one_hop=-0.1), -0.1, RunFigures(over_one_hop=0.0)),
    "mask blocks what is useful": (RunFigures(over_mask_off=-0.1), -0.1, RunFigures(over_mask_off=0.0)),
    "overfitting to templates": (RunFigures(over_held_out=0.2), 0.2, RunFigures(over_held_out=0.01)),
    "model does not use its knowledge": (RunFigures(knowledge=0.0), 0.0, RunFigures(knowledge=0.2)),
    "items without triples": (
        RunFigures(items=10, items_with_triples=6),
        0.4,
        RunFigures(items=10, items_with_triples=9),
    ),
    "prompts cut by the token budget": (
        RunFigures(left_out_per_prompt=15, triples_per_item=20),
        0.75,
        RunFigures(left_out_per_prompt=1, triples_per_item=20),
    ),
    "triples beyond the cap": (
        RunFigures(rows=60, rows_beyond_cap=40),
        0.4,
        RunFigures(rows=60, rows_beyond_cap=0),
    ),
    "nameless entities": (
        RunFigures(nameless=20, items=10, triples_per_item=8),
        0.2,
        RunFigures(nameless=0, items=10, triples_per_item=8),
    ),
    "cold targets": (RunFigures(cold=0.3), 0.3, RunFigures(cold=0.0)),
}


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.name)
def test_a_signature_is_found_beyond_its_limit_only(signature: Signature) -> None:
    bad, value, good = CASES[signature.name]
    found, fine = signature.check(bad), signature.check(good)
    assert (found.state, fine.state) == ("found", "fine")
    assert found.value == pytest.approx(value)
    assert found.figure == (f"{100 * value:.1f} %" if signature.share else f"{value:g}")
    assert signature.check(RunFigures()).state == "not measured"
    assert signature.advice.endswith(".")


def test_every_signature_has_its_case_and_all_are_checked() -> None:
    assert set(CASES) == set(BY_NAME)
    assert len(BY_NAME) == len(SIGNATURES)
    assert list(findings(RunFigures())) == list(BY_NAME)
    assert {finding.state for finding in findings(RunFigures()).values()} == {"not measured"}


def test_one_evaluation_says_nothing_about_a_curve() -> None:
    found = findings(RunFigures(curve=[(5, 0.1)]))
    assert found["overfitting"].state == found["still improving"].state == "not measured"


def test_a_figure_at_the_limit_is_fine() -> None:
    for signature in SIGNATURES:
        for shift, state in ((0.0, "fine"), (-1e-9 if signature.below else 1e-9, "found")):
            limit = signature.limit + shift
            exact = Signature(signature.name, "", lambda _, limit=limit: limit, signature.limit, "", signature.below)  # type: ignore[misc]
            assert exact.check(RunFigures()).state == state


def test_limits_are_shown_as_they_are_compared() -> None:
    assert BY_NAME["overfitting"].limit_text == "above 10.0 %"
    assert BY_NAME["still improving"].limit_text == "below 1"


def test_the_documentation_lists_all_signatures() -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    table = page.partition("<!-- signatures -->")[2].partition("<!-- end of signatures -->")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if "|" in line]
    assert rows[2:] == [(each.name, each.figure, each.limit_text) for each in SIGNATURES]


def test_the_fall_from_validation_is_that_of_the_runs_own_backend() -> None:
    """A run that took no score part has no row of its backend alone; its control may have one."""
    rows = [
        {"name": name, "metrics": {"NDCG@10": value}}
        for name, value in (("kp4sr", 0.10), ("no-knowledge", 0.09), ("no-knowledge alone", 0.04))
    ]
    assert ndcg_on_both_splits({"NDCG@10": 0.11}, [], rows) == (0.11, 0.10)
    rows.insert(1, {"name": "kp4sr alone", "metrics": {"NDCG@10": 0.08}})
    assert ndcg_on_both_splits({"NDCG@10": 0.11}, [], rows) == (0.11, 0.08)
    assert ndcg_on_both_splits({"NDCG@10": 0.11}, rows[1:], rows) == (0.08, 0.10)
    assert ndcg_on_both_splits({"NDCG@10": 0.11}, rows, []) == (0.11, None)
