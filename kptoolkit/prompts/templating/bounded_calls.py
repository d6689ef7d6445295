"""Filters, methods and operators of templates in a budget: what would be too large is refused before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import update_wrapper
from typing import Any

from kptoolkit.limits import Budget

LARGEST_NUMBER = 10_000
_WIDTHS = (
    "center",
    "ljust",
    "rjust",
    "zfill",
    "expandtabs",
    "indent",
    "wordwrap",
    "batch",
    "slice",
    "truncate",
    "round",
)
_METHODS = frozenset(
    (
        *("capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "get", "index", "isalnum"),
        *("isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper"),
        *("items", "join", "keys", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace"),
        *("rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
        *("swapcase", "title", "upper", "values", "zfill"),
    )
)
"""Methods that a template may call: those of texts, lists and mappings that change nothing."""


class Refused(Exception):
    """A call that no template may make."""


def bounded_filter(name: str, function: Callable[..., Any], budget: Callable[[], Budget]) -> Callable[..., Any]:
    """Wrap a filter so that it is called within the budget.

    Args:
        name: Its name in templates.
        function: The filter; Jinja's marks on it, such as ``pass_environment``, are kept.
        budget: Returns the budget of the rendering.
    """
    first = 1 if getattr(function, "jinja_pass_arg", None) is not None else 0

    def call(*args: Any, **kwargs: Any) -> Any:
        given = [*args]
        if len(given) > first:
            given[first] = _whole(given[first], budget())
        _foresee(name, given[first:], kwargs, budget())
        return _counted(function(*given, **kwargs), budget())

    return update_wrapper(call, function)


def bounded_method(method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], budget: Budget) -> Any:
    """Call a method of a value within the budget.

    Raises:
        Refused: No template may call it.
        LimitError: It would produce too much.
    """
    name, owner = getattr(method, "__name__", ""), getattr(method, "__self__", None)
    if name not in _METHODS or not isinstance(owner, str | list | tuple | dict):
        raise Refused(f"{name or 'this'}() is not available in templates")
    given = [_whole(value, budget) for value in args]
    values = [given[0], owner] if name == "join" and given else [owner, *given]
    _foresee(name, values, kwargs, budget)
    return _counted(method(*given, **kwargs), budget)


def bounded_sum(left: Any, right: Any, budget: Budget) -> Any:
    """Add two values within the budget."""
    budget.spend(budget.size(left) + budget.size(right))
    return left + right


def _whole(value: Any, budget: Budget) -> Any:
    """A list in place of an iterator, which could produce anything."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | list | tuple | dict | set | frozenset):
        return budget.listed(value)
    return value


def _foresee(name: str, values: list[Any], kwargs: dict[str, Any], budget: Budget) -> None:
    """Count what a call will produce where its arguments tell."""
    for value in (*values[1:], *kwargs.values()):
        if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
            raise Refused(f"a number above {LARGEST_NUMBER:,}")
    if name in _WIDTHS:
        numbers = [int(value) for value in (*values[1:], *kwargs.values()) if isinstance(value, int | float)]
        lines = str(values[0]).count("\n") + str(values[0]).count("\t") + 1 if isinstance(values[0], str) else 1
        budget.spend(max(numbers, default=0) * lines)
    if name == "join" and values:
        between = next((value for value in (*values[1:], *kwargs.values()) if isinstance(value, str)), "")
        parts = values[0] if isinstance(values[0], str | list | tuple | dict | set | frozenset) else ()
        budget.spend(len(between) * len(parts) + budget.size(parts))
    if name in ("indent", "wordwrap"):
        texts = [len(value) for value in (*values[1:], *kwargs.values()) if isinstance(value, str)]
        budget.spend(budget.size(values[0]) * max(texts, default=0) if values else 0)
    if name == "replace" and len(values) + len(kwargs) > 2:
        old, new = [*values[1:], *kwargs.values()][:2]
        budget.spend(str(values[0]).count(str(old)) * len(str(new)))


def _counted(result: Any, budget: Budget) -> Any:
    """Count what a call has produced; an iterator counts as it is read."""
    if isinstance(result, Iterator):
        return _counting(result, budget)
    budget.spend(budget.size(result))
    return result


def _counting(values: Iterator[Any], budget: Budget) -> Iterator[Any]:
    for value in values:
        budget.spend(budget.size(value) + 1)
        yield value
