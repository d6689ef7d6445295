"""The duration of a training is reported before its first step, and measuring it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from worlds.training import BACKENDS, TINY, untrained

from kptoolkit.models import training
from kptoolkit.models.training_time import Duration, shown
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.small_worlds import chain_task

SETTINGS = {"training.epochs": 2, "training.eval_every": 1, "training.batch_size": 8}


def duration(**other: float | None) -> Duration:
    given = {"epochs": 10, "steps": 60, "step": 0.5, "evaluation": 3.0, "evaluations": 2, "patience": 5}
    return Duration(**given | {"max_minutes": None} | other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "about 1 s"),
        (41.0, "about 41 s"),
        (75.0, "about 1 min"),
        (3600.0, "about 1 h 0 min"),
        (4830, "about 1 h 20 min"),
    ],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert shown(seconds) == text


def test_seconds_are_those_of_steps_and_evaluations_within_the_limit() -> None:
    assert duration().seconds == 10 * 60 * 0.5 + 2 * 3.0
    assert duration(max_minutes=1.0).seconds == 60.0
    assert str(duration()).startswith("about 5 min for all 10 epochs of 60 steps")


@pytest.mark.train
@pytest.mark.parametrize("backend", ["kp4sr", "sequence", "trees"])
def test_the_duration_is_reported_before_the_first_step(tmp_path: Path, backend: str) -> None:
    events: list[ProgressEvent] = []
    untrained(TINY | BACKENDS[backend]).fit(chain_task(tmp_path, SETTINGS, progress=events.append))
    noted = [event for event in events if event.note]
    assert len(noted) == 1
    assert events[0] is noted[0]
    assert "for all 2 epochs" in noted[0].note
    assert noted[0].total == events[-1].total


@pytest.mark.train
def test_every_evaluation_comes_with_the_loss_before_it(tmp_path: Path) -> None:
    history = untrained(TINY | BACKENDS["sequence"]).fit(chain_task(tmp_path, SETTINGS)).history
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["loss"] < history[0]["loss"]


@pytest.mark.train
@pytest.mark.parametrize("backend", ["kp4sr", "sequence", "trees in turns"])
def test_measuring_changes_no_weight(tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = TINY | BACKENDS[backend] | {"dropout": 0.2}
    measured = untrained(options)
    measured.fit(chain_task(tmp_path / "measured", SETTINGS))
    monkeypatch.setattr(training, "_report_duration", lambda *_: None)
    other = untrained(options)
    other.fit(chain_task(tmp_path / "other", SETTINGS))
    weights, others = (each.fitted.model.state_dict() for each in (measured, other))
    assert all(torch.equal(weights[name], others[name]) for name in weights)
