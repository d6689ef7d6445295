"""Opens the runs that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kptoolkit.cli.session import Session
from kptoolkit.errors import InputError

if TYPE_CHECKING:
    from kptoolkit.runs.run import Run


def load_runs(session: Session, folders: Sequence[Path]) -> list[Run]:
    """Open runs; a folder of ``fit --seeds`` stands for its finished runs, and unfinished ones are named."""
    from kptoolkit.runs.run import Run
    from kptoolkit.runs.several_runs import expand

    chosen, left_out = expand(folders)
    for folder in left_out:
        session.warn(f"run {folder} is not finished and left out; the same `kptool fit --seeds` resumes it")
    evaluation = session.evaluation()
    return [Run.load(folder, evaluation) for folder in chosen]


def load_run(session: Session, folder: Path) -> Run:
    """Open a run.

    Raises:
        InputError: The folder is one of ``fit --seeds``.
    """
    from kptoolkit.runs.run import Run
    from kptoolkit.runs.several_runs import SeedsFolder

    if runs := SeedsFolder(folder).runs():
        raise InputError(f"{folder} holds several runs; give one of them, such as {runs[0]}, or --ensemble")
    return Run.load(folder, session.evaluation())
