"""Whether a stored training is the one that a study asks for: its settings and its data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kptoolkit.config import Config
from kptoolkit.data.event_files import reading_of
from kptoolkit.errors import RunError
from kptoolkit.graph import Graph
from kptoolkit.knowledge.prepare import data_dir, read_events
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_settings import different_setting
from kptoolkit.storage.arrays import json_hash

INTERACTIONS, GRAPH, CASES = "interactions", "graph", "cases"
_FOLDERS = (("training", "start_from"), ("parts", "text_encoder"))
"""Settings that can name folders, also of the study itself."""
_ADVICE = "give another --output"


def require_settings(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a finished training had the settings that a study asks for, also the time that it could take.

    The run or the encoder that it starts from may be spelled in another way; one in the folder of the study is the
    same after the study was moved.

    Args:
        folder: Folder of the run or of its results, two levels below that of the study.
        stored: Settings of the training.
        wanted: Settings that the study asks for.

    Raises:
        RunError: It had others; the message names the first.
    """
    stored = _spelled_as(wanted, stored, folder.absolute().parents[1])
    minutes = [settings.get("training", {}).get("max_minutes") for settings in (stored, wanted)]
    other = different_setting(stored, wanted) or ("training.max_minutes" if minutes[0] != minutes[1] else None)
    if other is not None:
        raise RunError(f"{folder} has another {other}; {_ADVICE}")


def _spelled_as(wanted: Mapping[str, Any], stored: Mapping[str, Any], study: Path) -> dict[str, Any]:
    """Stored settings with folders spelled as in others, where they are the same."""
    found = {name: dict(values) for name, values in stored.items()}
    for section, key in _FOLDERS:
        one, other = (settings.get(section, {}).get(key) for settings in (wanted, stored))
        if one is not None and other is not None and _same_folder(Path(one), Path(other), study):
            found[section][key] = one
    return found


def _same_folder(wanted: Path, stored: Path, study: Path) -> bool:
    place, study = wanted.resolve(), study.resolve()
    if place.is_relative_to(study):
        inside = place.relative_to(study).parts
        return stored.parts[-len(inside) :] == inside
    return place == stored.resolve()


def require_inputs(folder: Path, stored: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Check that a training read the interactions and the graph that are there now, before any change of its arm.

    Args:
        folder: Folder of the training or of its results.
        stored: Fingerprints of what it read.
        now: Fingerprints of what is there now, by :func:`inputs_now`.

    Raises:
        RunError: One differs, or it has no fingerprints; the message names training and input.
    """
    for name, fingerprint in now.items():
        if name not in stored:
            raise RunError(f"{folder} is of an earlier version, which did not store a hash of the {name}; {_ADVICE}")
        if stored[name] != fingerprint:
            raise RunError(f"{folder}: the {name} changed since this training; {_ADVICE}")


def inputs_now(config: Config) -> dict[str, str]:
    """Return the fingerprints of the interactions and the graph that settings name."""
    with Graph.open(config=config.graph, create=False) as graph:
        events = read_events(data_dir(config), graph, reading_of(config.data))
        return {INTERACTIONS: events.content_hash(), GRAPH: graph.fingerprint()}


def cases_of(run: Run) -> str:
    """Return a fingerprint of the test cases of a run: users and targets, in their order."""
    cases = run.split.test
    users, targets = run.interactions.user_ids[cases.user], run.catalogue.item_ids[cases.targets]
    return json_hash([users.astype(str).tolist(), targets.astype(str).tolist()])
