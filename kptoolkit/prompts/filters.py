"""Python functions as filters in templates, recorded in a saved pack by import path."""

from __future__ import annotations

import importlib

from kptoolkit.errors import TemplateError, shorten
from kptoolkit.prompts.sandbox import Filter
from kptoolkit.prompts.validation.findings import Place


def filter_path(function: Filter, place: Place) -> str:
    """``module:qualname`` of a function that can be imported again.

    Raises:
        TemplateError: It cannot: a lambda, a local function, one of ``__main__``, or an object without a name.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    mend = "move it to the top level of a module that can be imported"
    if not module or not name or "<" in name or module == "__main__":
        raise place.finding("the filter cannot be imported again", mend).error()
    path = f"{module}:{name}"
    if import_filter(path, place) is not function:
        raise place.finding(f"{path} is not this filter", mend).error()
    return path


def import_filter(path: str, place: Place) -> Filter:
    """The function that ``module:qualname`` names; imports the module.

    Raises:
        TemplateError: There is no such function.
    """
    module, _, name = path.partition(":")
    mend = "install the package that has it, or put its folder on PYTHONPATH"
    if not module or not name or "<" in path:
        raise place.finding(f"'{shorten(path)}' is not an import path", "write module:function").error()
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except TemplateError:
        raise
    except Exception as error:  # the module is other people's code
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        raise place.finding(f"cannot import the filter {shorten(path)} ({reason})", mend).error() from error
    if not callable(found):
        raise place.finding(f"the filter {shorten(path)} is not a function", mend).error()
    return found
