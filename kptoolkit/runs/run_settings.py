"""The settings of a run, as its manifest has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kptoolkit.config import Config
from kptoolkit.settings_base import difference

_OF_A_SITTING: Final = {
    "graph": {"cache", "frontier", "batch_size"},
    "prompts": {"cache", "engine", "workers"},
    "training": {"max_minutes"},
}
"""Settings that may change when a training is resumed: the time it may take, and what only this machine needs."""


def plain_settings(config: Config) -> dict[str, Any]:
    """The settings that decide a training, as JSON-able values without the password."""
    return config.model_dump(mode="json", exclude={"run", "limits"}, exclude_none=True)


def different_setting(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Find the first setting in which two trainings differ, as ``section.key``; not one that may change on resuming."""
    return difference(_deciding(one), _deciding(other))


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run without those that may change when it is resumed."""
    return {
        section: {key: value for key, value in values.items() if key not in _OF_A_SITTING.get(section, ())}
        for section, values in settings.items()
    }
