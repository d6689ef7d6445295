"""Studies by name: the shipped ones, entry points of ``kptoolkit.studies``, or ``module:NAME``."""

from __future__ import annotations

import pkgutil
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from kptoolkit.errors import ConfigError, UnknownNameError, shorten
from kptoolkit.names import nearest
from kptoolkit.resources import installed_object
from kptoolkit.studies.engine.study_definition import Study

GROUP: Final = "kptoolkit.studies"
_SHIPPED = Path(__file__).resolve().parents[1] / "shipped"
_SUFFIX = "_study"


def study_names() -> list[str]:
    """Names of all shipped and installed studies."""
    return sorted({*_shipped(), *(point.name for point in entry_points(group=GROUP))})


def _shipped() -> list[str]:
    modules = pkgutil.iter_modules([str(_SHIPPED)])
    return [module.name.removesuffix(_SUFFIX).replace("_", "-") for module in modules]


def find_study(name: str) -> Study:
    """Return the study of this name.

    Args:
        name: Name of a shipped or installed study, or ``module:NAME``.

    Raises:
        UnknownNameError: No study has this name.
        ConfigError: It cannot be imported, or it is no study.
    """
    own = f"kptoolkit.studies.shipped.{name.replace('-', '_')}{_SUFFIX}:STUDY"
    found = installed_object("study", own if name in _shipped() else name, GROUP)
    if found is None:
        names = study_names()
        hint = f"Known: {', '.join(names)}; or write module:NAME"
        raise UnknownNameError("study", name, nearest(name, names), hint)
    if not isinstance(found, Study):
        raise ConfigError(f"'{shorten(name)}' is no study; see kptoolkit.studies.Study")
    return found
