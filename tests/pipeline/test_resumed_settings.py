"""Which settings may change when an interrupted training is resumed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from kptoolkit.config import Config, load_config
from kptoolkit.errors import InputError, RunError
from kptoolkit.models.checkpoints import COMPLETE
from kptoolkit.runs.manifest import Manifest, write_json
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.run_settings import plain_settings

MAY_CHANGE = {
    "training.max_minutes": "9",
    "graph.cache": "elsewhere",
    "graph.frontier": "10",
    "graph.batch_size": "10",
    "prompts.cache": "elsewhere",
    "prompts.engine": "ray",
    "prompts.workers": "2",
}
DECIDE = {
    "training.epochs": "9",
    "training.seed": "9",
    "tree.hops": "1",
    "tree.ranking": "random",
    "prompts.pack": "music",
    "model.backend": "kp4sr",
    "data.min_events": "5",
    "graph.cap": "10",
    "parts.titles": "false",
}


@pytest.fixture
def interrupted(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    begun = Manifest(settings=plain_settings(Config()), reports={"data": {"users": 7}})
    write_json(folder.path / "manifest.json", asdict(begun))
    (folder.checkpoints / "checkpoint-1").mkdir(parents=True)
    (folder.checkpoints / "checkpoint-1" / COMPLETE).touch()
    return folder


def test_without_a_complete_checkpoint_training_begins_again(interrupted: RunFolder) -> None:
    """Also from the weights of `training.start_from`: those of the first step are in no file then."""
    (interrupted.checkpoints / "checkpoint-1" / COMPLETE).unlink()
    start = interrupted.begin(Config(), resume=True, overwrite=False)
    assert (start.resumed, start.again) == (False, True)
    (interrupted.checkpoints / "counts.npy").touch()
    assert interrupted.begin(Config(), resume=True, overwrite=False).resumed, "a backend of one's own writes its own"


@pytest.mark.parametrize("status", ["training", "finished"])
def test_a_run_is_resumed_or_overwritten_but_not_both(interrupted: RunFolder, status: str) -> None:
    manifest = interrupted.read_manifest()
    write_json(interrupted.path / "manifest.json", asdict(manifest) | {"status": status})
    with pytest.raises(InputError, match="--resume and --overwrite exclude each other"):
        interrupted.begin(Config(), resume=True, overwrite=True)
    assert interrupted.read_manifest().status == status


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("neighbourhoods", "other neighbourhoods"),
        ("interactions", "other interactions"),
        ("catalogue", "other items, titles or links"),
        ("pack", "another template pack"),
    ],
)
def test_every_input_must_be_that_of_the_beginning(interrupted: RunFolder, part: str, named: str) -> None:
    inputs = {"graph": "g", "neighbourhoods": "n", "interactions": "i", "catalogue": "c", "pack": "p"}
    begun = Manifest(fingerprints=inputs)
    interrupted.require_same(inputs | {"graph": "grown"}, begun)
    with pytest.raises(RunError, match=f"was begun with {named}; give another --run"):
        interrupted.require_same(inputs | {part: "changed"}, begun)


@pytest.mark.parametrize(("key", "value"), MAY_CHANGE.items())
def test_it_is_resumed_with_another(interrupted: RunFolder, key: str, value: str) -> None:
    changed = load_config(overrides={key: value}, environ={})
    start = interrupted.begin(changed, resume=True, overwrite=False)
    assert start.resumed
    assert start.manifest.settings == plain_settings(changed) != plain_settings(Config())
    assert start.manifest.reports == {"data": {"users": 7}}, "the rest of the manifest is that of the interrupted run"


@pytest.mark.parametrize(("key", "value"), DECIDE.items())
def test_it_is_refused_with_another(interrupted: RunFolder, key: str, value: str) -> None:
    changed = load_config(overrides={key: value}, environ={})
    with pytest.raises(RunError, match=f"an unfinished run with another {key}"):
        interrupted.begin(changed, resume=True, overwrite=False)
