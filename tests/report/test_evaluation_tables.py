"""The tables of a report say what ``metrics-SPLIT.json`` contains."""

from __future__ import annotations

from typing import Any

import pytest

from kptoolkit.report.evaluation_tables import RelativeLeads, group_tables, kind_of, relative_leads, result_table


def row(name: str, value: float, lead: float | None = None, p_value: float | None = None) -> dict[str, Any]:
    metrics = {"NDCG@10": value, "HR@10": 2 * value, "HR@1": 0.5}
    interval = [value - 0.01, value + 0.01]
    return {"name": name, "metrics": metrics, "interval": interval, "difference": lead, "p_value": p_value}


EVALUATION: dict[str, Any] = {
    "rows": [
        row("sequence", 0.12),
        row("sequence alone", 0.08, 0.04, 0.001),
        row("popularity", 0.02, 0.1, 0.001),
        row("blend", 0.1, 0.02, 0.03),
        row("no-knowledge", 0.096, 0.024, 0.01),
        row("reliance", 0.05, 0.07, 0.001),
    ],
    "notes": ["a notice", "blend: weight 0.7"],
    "protocol": "protocol: leave-one-out",
    "groups": [
        {
            "by": "events of the target",
            "group": group,
            "cases": cases,
            "rows": {
                "sequence": {"NDCG@10": value, "lead": None, "low": None, "high": None},
                "popularity": {"NDCG@10": 0.01, "lead": 0.001, "low": -0.001, "high": 0.002},
                "blend": {"NDCG@10": 0.01, "lead": lead, "low": low, "high": high},
                "no-knowledge": {"NDCG@10": 0.01, "lead": 0.02, "low": 0.01, "high": 0.03},
            },
        }
        for group, cases, value, lead, low, high in (
            ("cold", 1200, 0.03, 0.02, -0.01, 0.05),
            ("1 event", 20, 0.05, None, None, None),
            ("more", 900, 0.07, -0.03, -0.04, -0.02),
        )
    ],
}


def test_a_table_of_results() -> None:
    table = result_table("first", EVALUATION, "a notice")
    assert table.metrics == ("NDCG@10", "HR@10"), "not every metric is shown"
    assert [each.name for each in table.rows] == [each["name"] for each in EVALUATION["rows"]]
    assert [each.kind for each in table.rows] == [
        "run",
        "backend alone",
        "baseline",
        "baseline",
        "control",
        "other",
    ]
    run, alone, *_ = table.rows
    assert (run.figure, run.interval, run.cells) == ("0.1200", "0.1100 to 0.1300", ("0.1200", "0.2400"))
    assert (run.lead, run.p_value, run.spread) == ("", "", "")
    assert (alone.lead, alone.p_value) == ("+0.0400", "0.0010")
    assert run.dot is not None
    assert run.dot.at == table.axis.percent(0.12)
    assert (run.dot.low, run.dot.high) == (table.axis.percent(0.11), table.axis.percent(0.13))
    assert table.notes == ("blend: weight 0.7",), "the notice is shown elsewhere"
    assert table.protocol == "protocol: leave-one-out"
    assert not table.has_spread


def test_a_table_of_several_runs_has_the_spread() -> None:
    rows = [{**each, "spread": {"deviation": 0.002, "low": 0.119, "high": 0.121}} for each in EVALUATION["rows"][:1]]
    table = result_table("mean", {"rows": rows})
    assert table.has_spread
    assert table.rows[0].spread == "0.0020 (0.1190 to 0.1210)"


def test_a_row_without_the_metric_is_shown_empty() -> None:
    beams = {"name": "beam search", "metrics": {"HR@5": 0.1}, "interval": None}
    table = result_table("beams", {"rows": [EVALUATION["rows"][0], beams]})
    assert table.rows[1].kind == "other"
    assert (table.rows[1].figure, table.rows[1].interval, table.rows[1].dot) == ("", "", None)
    assert table.rows[1].cells == ("0.1000", "", "")


def test_leads_for_the_signatures() -> None:
    leads = relative_leads(EVALUATION)
    assert leads.baseline == pytest.approx(0.02 / 0.1), (
        "over the best baseline, not over the backend alone or a control"
    )
    assert leads.no_knowledge == pytest.approx(0.024 / 0.096)
    for name, field in (
        *(("no-knowledge", "no_knowledge"), ("mask-off", "mask_off")),
        *(("one-hop", "one_hop"), ("held-out template", "held_out")),
    ):
        real = {"rows": [EVALUATION["rows"][0], row(name, 0.096, 0.024, 0.01)]}
        assert relative_leads(real) == RelativeLeads(**{field: 0.024 / 0.096})
        chance = {"rows": [EVALUATION["rows"][0], row(name, 0.096, 0.024, 0.2)]}
        assert relative_leads(chance) == RelativeLeads(**{field: 0.0}), "a lead that may be chance is none"
        same = {"rows": [EVALUATION["rows"][0], {**row(name, 0.12), "identical": True}]}
        assert relative_leads(same) == RelativeLeads(**{field: 0.0}), "nothing is tested where all ranks are the same"
        assert result_table("same", same).rows[1].lead == "identical"
    assert relative_leads({}) == RelativeLeads()
    assert kind_of("ensemble of 3 runs", 4) == "other"


def test_gains_by_group() -> None:
    (table,) = group_tables(EVALUATION)
    assert table.by == "events of the target"
    assert table.others == ("popularity", "blend", "no-knowledge")
    assert [table.others[place] for place in table.drawn] == ["blend", "no-knowledge"]
    assert [(each.name, each.cases, each.figure) for each in table.rows] == [
        ("cold", "1,200", "0.0300"),
        ("1 event", "20", "0.0500"),
        ("more", "900", "0.0700"),
    ]
    blend = [each.leads[1] for each in table.rows]
    assert [cell.lead for cell in blend] == ["+0.0200", "", "-0.0300"]
    assert [cell.interval for cell in blend] == ["-0.0100 to +0.0500", "", "-0.0400 to -0.0200"]
    assert [cell.sure for cell in blend] == [False, False, True]
    assert blend[1].dot is None
    assert blend[0].dot is not None
    assert blend[0].dot.at == table.axis.percent(0.02)
    assert group_tables({"rows": EVALUATION["rows"]}) == []


def test_groups_without_any_lead_have_a_table() -> None:
    alone = {"sequence": {"NDCG@10": 0.1, "lead": None, "low": None, "high": None}}
    (table,) = group_tables({"groups": [{"by": "b", "group": "g", "cases": 1, "rows": alone}]})
    assert not table.others
    assert not table.drawn
    assert table.rows[0].figure == "0.1000"
