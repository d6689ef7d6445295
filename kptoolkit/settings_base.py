"""The base of all settings, and what their values must be."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

LARGEST = 2**31 - 1
"""Largest whole number that is a setting."""
Seed = Annotated[int, Field(ge=0)]


def check_bounded(value: Any) -> Any:
    """Check that the numbers in a value are finite, and whole ones not too large to be stored.

    Raises:
        ValueError: One is not.
    """
    for part in value if isinstance(value, list | tuple) else (value,):
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("numbers must be finite")
        if isinstance(part, int) and abs(part) > LARGEST:
            raise ValueError(f"whole numbers must be below {LARGEST + 1:,}")
    return value


def shown_value(value: Any) -> str:
    """Return a value as it is shown in a message."""
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


class Section(BaseModel):
    """Base of all settings: unknown keys are errors, values are immutable, docstrings describe the fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind in (int, float, int | None, float | None):
            raise ValueError("input should be a number")
        if isinstance(value, list | tuple) and any(isinstance(part, bool) for part in value):
            raise ValueError("input should be a list without true or false")
        if kind in (Path, Path | None) and "\x00" in str(value):
            raise ValueError("input should not contain NUL")
        return value

    @field_validator("*")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        return check_bounded(value)


def read_toml(text: str) -> dict[str, Any]:
    """Read a TOML text.

    Raises:
        ValueError: It is not TOML, has a whole number of thousands of digits, or is nested too deeply.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def toml_value(text: str) -> Any:
    """Return the value of a TOML expression, ``text`` itself if it is none."""
    try:
        return read_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Find the first setting in which two configurations differ, as ``section.key``."""
    for section in sorted({*one, *other}):
        left, right = one.get(section, {}), other.get(section, {})
        for key in sorted({*left, *right}):
            if left.get(key) != right.get(key):
                return f"{section}.{key}"
    return None
