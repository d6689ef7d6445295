"""Checks the arguments of public functions by their annotations, so that a wrong one is an error that names it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from kptoolkit.errors import InputError, shorten

Moment = Annotated[float, "infinite"]
"""Seconds since the epoch; infinity is never."""
P = ParamSpec("P")
R = TypeVar("R")
LARGEST = 2**63 - 1
"""Largest whole number that is an argument."""
_LONGEST_PATH, _LONGEST_NAME = 4096, 255
_NEEDS: Mapping[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    Path: "a path",
    types.NoneType: "None",
}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of every call by the annotations of the function; those without one are not checked.

    A text is no list of texts, ``True`` is no number, and numbers are finite. Values are passed on as they are.

    Args:
        function: A function or method; below ``@classmethod`` if it is one.

    Raises:
        InputError: From the function: an argument has the wrong type; the message names it.
    """
    signature = inspect.signature(function)

    @functools.cache
    def hints() -> dict[str, Any]:
        return _hints(function, signature.parameters)

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InputError(f"{function.__qualname__}: {error}") from error
        for name, kind in hints().items():
            described = signature.parameters[name]
            if name not in given or described.kind is inspect.Parameter.VAR_KEYWORD or given[name] is described.default:
                continue
            require(given[name], kind, f"{function.__qualname__}({name}=…)")
        return function(*args, **kwargs)

    wrapper.__checked__ = True  # type: ignore[attr-defined]
    return wrapper


def _hints(function: Callable[..., Any], names: Iterable[str]) -> dict[str, Any]:
    """The annotations of parameters, without those that name something imported for type checkers alone."""
    found: dict[str, Any] = {}
    for name in names:
        holder = types.SimpleNamespace(__annotations__={})
        if name in function.__annotations__:
            holder.__annotations__[name] = function.__annotations__[name]
        with contextlib.suppress(NameError):
            found |= typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)
    return found


def check_fields(instance: Any) -> None:
    """Check the fields of a dataclass by their annotations; call it in ``__post_init__``.

    Raises:
        InputError: A field has a value of the wrong type; the message names it.
    """
    kind: Any = type(instance)
    hints = _hints_of(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            require(getattr(instance, field.name), hints[field.name], f"{kind.__name__}({field.name}=…)")


@functools.cache
def _hints_of(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def require(value: object, kind: Any, name: str) -> None:
    """Check that a value has the type of an annotation.

    Args:
        value: The value.
        kind: The annotation.
        name: Name of the value in the message.

    Raises:
        InputError: It has not.
    """
    if not fits(value, kind):
        raise InputError(f"{name}: {_need(kind)} is needed, not {shown(value)}")


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value has the type of an annotation, with its parts."""
    origin = get_origin(kind)
    if kind == Moment:
        return value == math.inf or fits(value, float)
    if origin is Annotated:
        return fits(value, get_args(kind)[0])
    if origin in (Union, types.UnionType):
        parts = get_args(kind)
        if Path in parts and isinstance(value, str):
            return _is_path(value)
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return any(value is part or (type(value) is type(part) and value == part) for part in get_args(kind))
    if origin is not None:
        return _fits_generic(value, origin, get_args(kind))
    if kind in _NEEDS:
        return _fits_plain(value, kind)
    return kind is Any or _fits_class(value, kind)


def _fits_plain(value: Any, kind: Any) -> bool:
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral if kind is int else numbers.Real):
            return False
        return abs(int(value)) <= LARGEST if isinstance(value, numbers.Integral) else math.isfinite(float(value))
    if kind is str:
        return isinstance(value, str)
    if kind is Path:
        return isinstance(value, os.PathLike) and _is_path(os.fspath(value))
    return value is None


def _is_path(text: str | bytes) -> bool:
    parts = os.fsencode(text).split(os.fsencode(os.sep)) if not isinstance(text, bytes) else text.split(b"/")
    return b"\x00" not in b"/".join(parts) and len(text) <= _LONGEST_PATH and max(map(len, parts)) <= _LONGEST_NAME


def _fits_class(value: Any, kind: Any) -> bool:
    if not isinstance(kind, type) or (getattr(kind, "_is_protocol", False) and not _can_check(kind)):
        return True
    return isinstance(value, kind)


def _can_check(kind: type) -> bool:
    return bool(getattr(kind, "_is_runtime_protocol", False))


def _fits_generic(value: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    if origin is type or not isinstance(origin, type):
        return origin is not type or isinstance(value, type)
    if issubclass(origin, Callable):  # type: ignore[arg-type]
        return callable(value)
    if issubclass(origin, Mapping):
        columns: tuple[Iterable[Any], ...] = (value.keys(), value.values()) if isinstance(value, Mapping) else ()
        return bool(columns) and all(map(_all_fit, columns, parts))
    if not issubclass(origin, Iterable) or origin.__module__ == "numpy":
        return isinstance(value, origin)
    return _fits_list(value, origin, parts)


def _fits_list(value: Any, origin: type, parts: tuple[Any, ...]) -> bool:
    if isinstance(value, str | bytes | Mapping) or not _is_listed(value, origin):
        return False
    if origin is tuple and parts[-1:] != (Ellipsis,):
        return len(value) == len(parts) and all(map(fits, value, parts))
    part = parts[0] if parts else Any
    if hasattr(value, "dtype"):
        return part in (int, float) or _all_fit(value.tolist(), part)
    return not isinstance(value, Collection) or _all_fit(value, part)


def _is_listed(value: Any, origin: type) -> bool:
    """Whether a value may stand for a list; arrays and columns of pandas may, tables may not."""
    if hasattr(value, "ndim"):
        return bool(value.ndim == 1)
    return isinstance(value, origin)


def _all_fit(values: Iterable[Any], kind: Any) -> bool:
    if kind is str:
        return set(map(type, values)) <= {str} or all(isinstance(value, str) for value in values)
    if kind == Sequence[object] and set(map(type, values)) <= {tuple, list}:
        return True
    return kind in (Any, object) or all(fits(value, kind) for value in values)


def _need(kind: Any) -> str:
    """Describe the values that an annotation allows."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _need(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_need, parts)))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if kind in _NEEDS:
        return _NEEDS[kind]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping"
    if isinstance(origin, type) and issubclass(origin, Callable):  # type: ignore[arg-type]
        return "a function"
    if isinstance(origin, type) and issubclass(origin, Iterable) and origin.__module__ != "numpy":
        return f"a list ({_need(parts[0])} each)" if parts and parts[0] not in (Any, object) else "a list"
    return f"a {getattr(origin or kind, '__name__', str(kind))}"


def shown(value: object) -> str:
    """Return a value as a message names it: short values with their type, of others the type."""
    kind = type(value).__name__
    return f"{shorten(repr(value), 40)} ({kind})" if isinstance(value, str | int | float | bool) else f"a {kind}"
