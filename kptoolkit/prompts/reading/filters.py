"""Import paths of the Python functions that templates use as filters."""

from __future__ import annotations

import importlib

from kptoolkit.errors import TemplateError, shorten
from kptoolkit.prompts.templating.findings import Place
from kptoolkit.prompts.templating.sandbox import Filter


def filter_path(function: Filter, place: Place) -> str:
    """Return ``module:qualname`` of a function.

    Raises:
        TemplateError: The function cannot be imported by its name: a lambda, a local function, a function of
            ``__main__``, or an object without a name.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    fix = "move it to the top level of a module that can be imported"
    if not module or not name or "<" in name or module == "__main__":
        raise place.finding("the filter cannot be imported", fix).error()
    path = f"{module}:{name}"
    if import_filter(path, place) is not function:
        raise place.finding(f"{path} is not this filter", fix).error()
    return path


def import_filter(path: str, place: Place) -> Filter:
    """Import the function that ``module:qualname`` names.

    Raises:
        TemplateError: There is no such function.
    """
    module, _, name = path.partition(":")
    fix = "install the package that contains it, or put its folder on PYTHONPATH"
    if not module or not name or "<" in path:
        raise place.finding(f"'{shorten(path)}' is not an import path", "write module:function").error()
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except TemplateError:
        raise
    except Exception as error:  # the module is foreign code
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        raise place.finding(f"cannot import the filter {shorten(path)} ({reason})", fix).error() from error
    if not callable(found):
        raise place.finding(f"the filter {shorten(path)} is not a function", fix).error()
    return found
