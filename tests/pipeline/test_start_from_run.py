"""`training.start_from`: a run whose weights another training starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kptoolkit import pipeline
from kptoolkit.config import Config, ModelConfig
from kptoolkit.errors import ConfigError
from kptoolkit.progress import ProgressEvent
from kptoolkit.runs.run import Run

pytestmark = [pytest.mark.embedded, pytest.mark.train]


def test_a_run_starts_from_another(configure: Callable[..., Config], run: Run, tmp_path: Path) -> None:
    events = list[ProgressEvent]()
    config = configure(training__start_from=run.folder, training__epochs=0)
    started = pipeline.fit(config, run=tmp_path / "started", progress=events.append)
    test = run.split.test
    np.testing.assert_allclose(started.backend.score(test), run.backend.score(test), atol=1e-5)
    notes = [event.note for event in events if "starts from" in event.note]
    assert len(notes) == 1
    assert str(run.folder) in notes[0]
    assert started.manifest.settings["training"]["start_from"] == str(run.folder)
    # A control starts from the same weights, without the knowledge.
    control = pipeline.control(started, "no-knowledge")
    assert np.abs(control.backend.score(test) - started.backend.score(test)).max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training__start_from": "nowhere"}, "nowhere"),
        ({"model__backend": "linear"}, "'linear' cannot start from the weights of a run"),
        ({"model__backend": "sequence"}, "has backend 'kp4sr', and this training 'sequence'"),
    ],
)
def test_what_cannot_be_started_from_is_said_before_anything_is_read(
    configure: Callable[..., Config], run: Run, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    given = {"training__start_from": run.folder, "graph__uri": f"embedded:{tmp_path / 'no'}", **changes}
    config = configure(**given)
    if changes.get("model__backend") == "linear":
        config = config.model_copy(update={"model": ModelConfig(backend="linear")})
    with pytest.raises(ConfigError, match=f"training.start_from: .*{message}"):
        pipeline.fit(config, run=tmp_path / "new")
    assert not (tmp_path / "new").exists()
