"""Marks for what a test costs: ``process`` and ``train``, checked while the tests run.

A test that starts a process or trains a model without the mark fails, so ``make quick`` can rely on the marks. A
fixture states its costs with :func:`needs`, and every test that uses it gets these marks. If the variable
``KPTOOL_TEST_MARKS`` names a file, missing marks are written there and nothing fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest

PROCESS, TRAIN = "process", "train"
PROCESS_STARTED = "kptoolkit.tests.process"
"""Audit event of what starts a process in a way that Python does not report."""
_SLOW = {"embedded", "graph", "slow"}
"""Marks that keep a test out of quick runs already."""
STORES = [pytest.param("neo4j", marks=pytest.mark.graph), pytest.param("embedded", marks=pytest.mark.long)]
"""Both graph databases, for a fixture or a test; the embedded one where long tests run."""
_LOOKUPS = {"cc", "gcc", "ld", "ldconfig", "lscpu", "objdump", "uname"}
"""What Python and torch start while they are imported, to look around."""
_Function = TypeVar("_Function", bound=Callable[..., Any])
_found: set[str] = set()


def needs(*marks: str) -> Callable[[_Function], _Function]:
    """State what a fixture costs; put it below ``@pytest.fixture``."""

    def noted(function: _Function) -> _Function:
        function.needs = marks  # type: ignore[attr-defined]
        return function

    return noted


def add_marks(item: pytest.Item) -> None:
    """Give a test the marks of its fixtures."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for definitions in known.values():
        for definition in definitions:
            for name in getattr(definition.func, "needs", ()):
                item.add_marker(name)


@contextmanager
def watched(owner: str, marks: Callable[[], set[str]]) -> Iterator[None]:
    """Fail what starts a process or trains a model without the mark.

    Args:
        owner: Id of the test, or name of the fixture.
        marks: Returns its marks.
    """
    outside = set(_found)
    _found.clear()
    try:
        with _watched_training():
            yield
        missing = [kind for kind in sorted(_found) if not ({kind} | _SLOW) & marks()]
    finally:
        _found.clear()
        _found.update(outside)
    if missing and (record := os.environ.get("KPTOOL_TEST_MARKS")):
        with open(record, "a", encoding="utf-8") as file:
            file.writelines(f"{kind}\t{owner}\n" for kind in missing)
    elif missing:
        pytest.fail(f"{owner} needs the mark {', '.join(missing)}", pytrace=False)


@contextmanager
def _watched_training() -> Iterator[None]:
    training = sys.modules.get("kptoolkit.models.training")
    if training is None:
        yield
        return
    real = training.train

    def train(*given: Any, **named: Any) -> Any:
        _found.add(TRAIN)
        return real(*given, **named)

    with mock.patch.object(training, "train", train):
        yield


class SharedFixtures:
    """A plugin: a fixture that several tests share states its costs; one of a single test counts for that test."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Watch the setup of a fixture."""
        if fixturedef.scope == "function":
            return (yield)
        name = f"fixture {fixturedef.baseid}::{fixturedef.argname}"
        test = request._pyfuncitem
        stated = {*getattr(fixturedef.func, "needs", ()), *(mark.name for mark in test.iter_markers())}
        with watched(name, lambda: stated):
            return (yield)


def _notice(event: str, given: tuple[Any, ...]) -> None:
    if (
        event == PROCESS_STARTED
        or event == "os.fork"
        or (event == "subprocess.Popen" and Path(os.fsdecode(given[0])).name not in _LOOKUPS)
    ):
        _found.add(PROCESS)


sys.addaudithook(_notice)
