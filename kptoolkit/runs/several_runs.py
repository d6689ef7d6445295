"""Several runs that belong together: a folder of runs that differ in their seed, and whether runs share their data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from kptoolkit.config import Config, RunConfig
from kptoolkit.errors import InputError, RunError
from kptoolkit.resources import Trust, agreed
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.run_settings import plain_settings
from kptoolkit.settings_base import difference
from kptoolkit.storage.replacement import atomic_parts, finish_replacement, folder_lock, is_own

_PREFIX: Final = "seed-"
_SPLIT_SETTINGS: Final = ("split", "min_events", "valid_fraction", "test_fraction")


class SeedsFolder:
    """A folder of runs that differ in ``training.seed`` alone, one in each ``seed-NUMBER``.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    def run(self, seed: int) -> RunFolder:
        """The folder of the run of a seed."""
        return RunFolder(self.path / f"{_PREFIX}{seed}")

    def runs(self) -> list[RunFolder]:
        """The runs in the folder, finished or not, in the order of their seeds."""
        finish_replacement(self.path)
        numbers = (entry.name.removeprefix(_PREFIX) for entry in self.path.glob(f"{_PREFIX}*"))
        folders = [self.run(seed) for seed in sorted(int(number) for number in numbers if number.isdecimal())]
        return [folder for folder in folders if folder.exists]

    def settings(self, config: Config, count: int) -> list[Config]:
        """Create the settings of the runs: seeds from ``training.seed`` on, each run in its own folder."""
        made = []
        for seed in range(config.training.seed, config.training.seed + count):
            training = config.training.model_copy(update={"seed": seed})
            made.append(config.model_copy(update={"training": training, "run": RunConfig(dir=self.run(seed).path)}))
        return made

    def finished(self, settings: Sequence[Config], *, overwrite: bool, trust_code: Trust = False) -> list[Run | None]:
        """Check before a training that all runs can be trained here; nothing is written.

        Args:
            settings: Settings of the runs.
            overwrite: Whether runs that are there will be replaced.
            trust_code: As for :meth:`Run.load`.

        Returns:
            For each of the settings, the finished run that the folder contains, or ``None``.

        Raises:
            RunError: The folder is itself a run or a file, a finished run is damaged, or a run that is there has other
                settings.
        """
        if RunFolder(self.path).exists:
            raise RunError(f"{self} is itself a run; give another --run for the runs of --seeds")
        if self.path.is_file():
            raise RunError(f"{self} is a file; give another --run for the runs of --seeds")
        finish_replacement(self.path)
        if not overwrite:
            self._check_settings(settings[0])
        found: list[Run | None] = []
        for each in settings:
            folder = self.run(each.training.seed)
            if not overwrite and folder.is_finished:
                trusted = agreed(trust_code, plain_settings(each))
                found.append(Run.load(folder.path, trust_code=trusted))
                continue
            folder.begin(each, resume=False, overwrite=overwrite)
            found.append(None)
        return found

    def _check_settings(self, config: Config) -> None:
        for folder in self.runs():
            if folder.is_finished and (other := other_setting(folder.read_manifest().settings, plain_settings(config))):
                raise RunError(
                    f"{folder} holds a finished run with another {other}; give the same settings, another --run, or "
                    "--overwrite to replace all runs"
                )

    def clear(self, locked: RunFolder) -> None:
        """Delete all runs and the results of their evaluations together: a process that is killed leaves all or none.

        Args:
            locked: The run that the caller keeps other commands from writing into; its folder stays, empty.

        Raises:
            LockedError: Another command is writing into a run.
        """
        runs = [folder for folder in self.runs() if folder.path != locked.path]
        inside = [entry.name for entry in locked.path.iterdir() if not is_own(entry.name)]
        removed = [folder.path.name for folder in runs] + [f"{locked.path.name}/{name}" for name in inside]
        removed += [results.name for results in self.path.glob("metrics-*.json")]
        with ExitStack() as stack:
            for folder in [*map(RunFolder.writing, runs), folder_lock(self.path)]:
                stack.enter_context(folder)
            with atomic_parts(self.path, removed):
                pass


def other_setting(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Find the first setting but ``training.seed`` in which two trainings differ, as ``section.key``."""
    plain = ({**each, "training": {**each.get("training", {}), "seed": None}} for each in (one, other))
    return difference(*plain)


def expand(paths: Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    """Replace folders of ``fit --seeds`` by the finished runs in them.

    Args:
        paths: Folders of runs, or folders that ``fit --seeds`` wrote.

    Returns:
        Folders of runs, and those of unfinished runs that were left out.

    Raises:
        RunError: A folder of seeds has no finished run.
        InputError: A run is given twice.
    """
    chosen, left_out = [], []
    for path in map(Path, paths):
        runs = [] if RunFolder(path).exists else SeedsFolder(path).runs()
        finished = [folder.path for folder in runs if folder.is_finished]
        if runs and not finished:
            raise RunError(f"{path} holds no finished run; the same `kptool fit --seeds` resumes its training")
        chosen += finished or [path]
        left_out += [folder.path for folder in runs if folder.path not in finished]
    for place, path in enumerate(chosen):
        if path.resolve() in [earlier.resolve() for earlier in chosen[:place]]:
            raise InputError(f"{path} is given twice; give each run once")
    return chosen, left_out


def fingerprints(run: Run) -> dict[str, str]:
    """Return hashes of what runs must share: their interactions, catalogue and split."""
    train, *others = run.split.train, run.split.valid, run.split.test
    cases = [array.tolist() for each in others for array in (each.user, each.targets)]
    split = [{name: getattr(run.config.data, name) for name in _SPLIT_SETTINGS}, train.indptr.tolist(), cases]
    items = run.catalogue.item_ids.tolist()
    trained = run.manifest.fingerprints.get("interactions") if run.has_own_interactions else None
    found = {"interactions": trained or run.interactions.content_hash()}
    for name, content in (("catalogue", items), ("split", split)):
        found[name] = hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()
    return found


def require_own_interactions(run: Run) -> None:
    """Check that a run has the interactions that it was trained on.

    Raises:
        InputError: It has those of :meth:`~kptoolkit.runs.run.Run.with_interactions`.
    """
    if not run.has_own_interactions:
        raise InputError(
            f"run {run.folder} with other interactions is for recommendations; evaluate it as Run.load opens it"
        )


def require_same_data(runs: Sequence[Run]) -> dict[str, str]:
    """Check that runs have the same interactions, items and split; from then on they share them in memory.

    A run with other titles or links, because it was refreshed, keeps its own catalogue.

    Args:
        runs: At least one run.

    Returns:
        The fingerprints of these.

    Raises:
        RunError: Runs differ in one of them; the message names it.
    """
    first, *others = runs
    expected = fingerprints(first)
    for run in others:
        found = fingerprints(run)
        different = next((f"another {part}" for part in ("split", "catalogue") if found[part] != expected[part]), None)
        if found["interactions"] != expected["interactions"]:
            different = "other interactions"
        elif different == "another split":
            own, theirs = first.config.data, run.config.data
            names = [name for name in _SPLIT_SETTINGS if getattr(own, name) != getattr(theirs, name)]
            different = f"another split ({f'data.{names[0]}' if names else 'other times of events'})"
        if different:
            raise RunError(
                f"run {run.folder} has {different} than {first.folder}; runs of one table need the same data"
            )
    for run in others:
        run.interactions, run.split = first.interactions, first.split
        if run.catalogue.same_as(first.catalogue):
            run.catalogue = first.catalogue
    return expected


def difference_beyond_seed(runs: Sequence[Run]) -> str | None:
    """Find what runs differ in other than their seed: a setting, or the knowledge; ``None`` for nothing."""
    first, *others = (run.manifest for run in runs)
    for other in others:
        if setting := other_setting(_decisive(first.settings), _decisive(other.settings)):
            return setting
        if first.fingerprints.get("neighbourhoods") != other.fingerprints.get("neighbourhoods"):
            return "the knowledge of the graph"
        if (different := first.other_input(other.fingerprints)) is not None:
            return different.partition(" ")[2]
    return None


def _decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that say where data, graph and caches are."""
    places = {"data": {"dir"}, "graph": {"uri", "username", "database", "cache"}, "prompts": {"cache"}}
    return {
        section: {key: value for key, value in entries.items() if key not in places.get(section, set())}
        for section, entries in settings.items()
        if section != "evaluation"
    }
