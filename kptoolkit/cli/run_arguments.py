"""Opens the runs that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kptoolkit.cli.session import Session
from kptoolkit.errors import ConfigError, GraphError, InputError, MissingExtraError

if TYPE_CHECKING:
    from kptoolkit.graph import Graph
    from kptoolkit.runs.run import Run


def load_runs(session: Session, folders: Sequence[Path], *read: str) -> list[Run]:
    """Open runs; a folder of ``fit --seeds`` stands for its finished runs, and unfinished ones are named.

    Args:
        session: The command.
        folders: Folders of runs, or of ``fit --seeds``.
        read: Sections and settings of ``--set`` that the command reads; others are refused.
    """
    from kptoolkit.runs.run import Run
    from kptoolkit.runs.several_runs import expand

    chosen, left_out = expand(folders)
    for folder in left_out:
        session.warn(f"run {folder} is not finished and left out; the same `kptool fit --seeds` resumes it")
    evaluation = session.evaluation(*read)
    return [Run.load(folder, evaluation, trust_code=session.trust_code) for folder in chosen]


def load_run(session: Session, folder: Path, *read: str) -> Run:
    """Open a run.

    Args:
        session: The command.
        folder: The folder of the run.
        read: As for :func:`load_runs`.

    Raises:
        InputError: The folder is one of ``fit --seeds``.
    """
    from kptoolkit.runs.run import Run
    from kptoolkit.runs.several_runs import SeedsFolder

    if runs := SeedsFolder(folder).runs():
        raise InputError(f"{folder} holds several runs; give one of them, such as {runs[0]}, or --ensemble")
    return Run.load(folder, session.evaluation(*read), trust_code=session.trust_code)


def warn_of_evaluation(session: Session, run: Run) -> None:
    """Print which settings of ``[evaluation]`` in file and environment are not used: a run keeps its own."""
    try:
        configured = session.config().evaluation
    except ConfigError:
        return  # a finished run does not need these settings
    for name in sorted(configured.model_fields_set):
        if getattr(configured, name) != getattr(run.config.evaluation, name):
            session.warn(
                f"evaluation.{name} of the settings file or the environment is not used, the run keeps its own; "
                f"--set evaluation.{name}=… changes it"
            )


def open_graph_if_there(session: Session, run: Run) -> Graph | None:
    """Open the graph; ``None`` with a message if that fails and the command line names no graph."""
    from kptoolkit.graph import Graph

    try:
        return Graph.open(config=session.graph(run.config.graph), create=False)
    except (GraphError, MissingExtraError) as error:
        if session.names_graph:
            raise
        session.say(f"paths are left out, the graph cannot be opened: {error}")
        return None
