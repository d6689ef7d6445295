"""Trains several runs that differ in their seed."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

from kptoolkit import distributed
from kptoolkit.arguments import checked
from kptoolkit.config import Config, load_config
from kptoolkit.errors import InputError
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.pipeline import fit
from kptoolkit.progress import ProgressCallback, ProgressEvent, with_prefix
from kptoolkit.prompts import TemplatePack
from kptoolkit.resources import Trust
from kptoolkit.runs.frame_inputs import KEPT, keep_frames
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.several_runs import SeedsFolder
from kptoolkit.storage.layouts.frames import DataFrame
from kptoolkit.storage.replacement import remove_left_overs


@checked
def fit_seeds(
    config: Config | str | Path | None = None,
    *,
    seeds: int,
    interactions: DataFrame | None = None,
    triples: DataFrame | None = None,
    items: DataFrame | None = None,
    names: DataFrame | None = None,
    links: DataFrame | None = None,
    notice: str = "",
    keep: str | Path = KEPT,
    run: str | Path | None = None,
    overwrite: bool = False,
    fresh: bool = False,
    pack: TemplatePack | None = None,
    trust_code: Trust = False,
    progress: ProgressCallback = shown,
) -> list[Run]:
    """Train several runs that differ in ``training.seed`` alone, each into ``seed-NUMBER`` of a folder.

    The same call again keeps finished runs, resumes an interrupted one and trains the others. The graph is read once,
    also if the same call continues later.

    Args:
        config: Settings, or a TOML file with settings; ``None`` reads ``kptool.toml`` if there is one. The first run
            has their seed, the next one that plus 1.
        seeds: Number of runs.
        interactions: DataFrame of users, items and times; this and the next six as in
            :func:`kptoolkit.pipeline.fit`.
        triples: As there.
        items: As there.
        names: As there.
        links: As there.
        notice: As there.
        keep: As there.
        run: Folder of the runs; ``[run] dir`` if ``None``.
        overwrite: Replace all runs in the folder; they are deleted together when the first training begins.
        fresh: As in :func:`kptoolkit.pipeline.fit`, for each run.
        pack: As in :func:`kptoolkit.pipeline.fit`.
        trust_code: As there.
        progress: Progress callback; names of stages start with the seed.

    Returns:
        The runs, by seed.

    Raises:
        RunError: The folder is itself a run, or contains a finished run of other settings.
        InputError: ``seeds`` is below 1, or a DataFrame lacks another one that it needs.

    Example:
        >>> runs = fit_seeds(interactions=events, triples=facts, seeds=5)  # doctest: +SKIP
    """
    if seeds < 1:
        raise InputError(f"{seeds} seeds; train at least one run")
    base = config if isinstance(config, Config) else load_config(config)
    folder = SeedsFolder(run or base.run.dir)
    frames: dict[str, Any] = {"interactions": interactions, "items": items, "triples": triples, "names": names}
    frames["links"] = links
    settings = folder.settings(keep_frames(base, frames, Path(keep), notice).config, seeds)
    trusted = True if pack is not None else trust_code
    finished = folder.finished(settings, overwrite=overwrite, trust_code=trusted)
    distributed.wait()  # every process has looked at the folder before the first process writes into it
    runs, began = [], time.time()
    if not overwrite:
        began = min([began, *(each.read_manifest().started for each in folder.runs())])
    for number, (each, earlier) in enumerate(zip(settings, finished, strict=True), 1):
        stage = f"seed {each.training.seed} ({number} of {seeds})"
        if earlier is None:
            progress(ProgressEvent(stage, 0, 1, "runs", {"into": str(each.run.dir)}))
            how: dict[str, Any] = {"overwrite": overwrite, "fresh": fresh, "since": began, "pack": pack}
            if overwrite and number == 1:
                how["change"] = functools.partial(_cleared, folder, RunFolder(each.run.dir))
            how["progress"] = with_prefix(f"seed {each.training.seed}", progress)  # short, for narrow terminals
            earlier = fit(each, run=each.run.dir, trust_code=trust_code, notice=notice, keep=keep, **frames, **how)
            progress(ProgressEvent(stage, 1, 1, "runs"))
        else:
            if distributed.is_first():
                remove_left_overs(earlier.folder)
            progress(ProgressEvent(stage, 1, 1, "runs", {"finished": "earlier"}))
        runs.append(earlier)
    return runs


def _cleared(folder: SeedsFolder, first: RunFolder, prepared: Prepared) -> Prepared:
    """Delete the earlier runs when the inputs of the first run are read, so that none is ever next to a new one."""
    folder.clear(first)
    return prepared
