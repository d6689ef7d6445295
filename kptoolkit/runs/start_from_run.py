"""Lets a training start from the weights of an earlier run."""

from __future__ import annotations

from kptoolkit.config import Config
from kptoolkit.errors import ConfigError, RunError
from kptoolkit.models import Backend, StartsFromRun
from kptoolkit.resources import Trust, agreed
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_settings import plain_settings

_SETTING = "setting training.start_from"


def start_from_run(backend: Backend, settings: Config, *, trust_code: Trust = False) -> None:
    """Give an untrained backend the weights of the run that ``training.start_from`` names, if it names one.

    Args:
        backend: An untrained backend.
        settings: Settings of its training.
        trust_code: As for :meth:`kptoolkit.runs.run.Run.load`.

    Raises:
        ConfigError: There is no such finished run, or it is of another backend or of one that cannot do this.
    """
    folder = settings.training.start_from
    if folder is None:
        return
    if not isinstance(backend, StartsFromRun):
        raise ConfigError(f"{_SETTING}: backend '{settings.model.backend}' cannot start from the weights of a run")
    try:
        run = Run.load(folder, trust_code=agreed(trust_code, plain_settings(settings)))
    except RunError as error:
        raise ConfigError(f"{_SETTING}: {error}") from error
    if run.config.model.backend != settings.model.backend:
        found = f"{folder} has backend '{run.config.model.backend}', and this training '{settings.model.backend}'"
        raise ConfigError(f"{_SETTING}: {found}")
    backend.start_from(run.backend, run.catalogue)
