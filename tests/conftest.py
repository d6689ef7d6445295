"""What all tests share: a clean environment, and a real Neo4j."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
from servers.java_classes import use_archive
from servers.neo4j_server import Installation, Neo4jServer, NoServer, running_server
from worlds.examples import FULL
from worlds.marks import SharedFixtures, add_marks, needs, watched

NO_SERVER = "no Neo4j for the tests"
KEPT = ("KPTOOL_TEST_", "KPTOOL_DATA")

# Nothing reaches out to a model hub; measured in the tests, not on machines that do other work.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Sums of several threads differ in their last bits, and tests compare a training with its resumed run exactly.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The embedded graph starts in half the time when its JVM compiles quickly rather than well.
os.environ.setdefault("ARCADEDB_JVM_ARGS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
hypothesis.settings.register_profile("full", max_examples=FULL, deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("full"), max_examples=20)
hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("full"), max_examples=FULL // 2)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "full")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the settings of the person who runs the tests, before any fixture starts a process.

    A shell starts what it puts in the background with Ctrl-C ignored, and children inherit that; some tests send it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(("NEO4J_", "KPTOOL_")) and not name.startswith(KEPT):
            del os.environ[name]
    config.pluginmanager.register(SharedFixtures())
    if not hasattr(config, "workerinput"):  # workers have the variable already
        use_archive(make=bool(getattr(config.option, "numprocesses", None)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every user of the Neo4j server, keep them on one worker, and put what takes long first.

    They share one database. Other tests stay together by file, because of what a file's fixtures build. Groups with
    slow tests begin early, so that no worker waits for another at the end.
    """
    group_of: dict[pytest.Item, str] = {}
    slow = set()
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "neo4j_server" in fixtures:
            item.add_marker(pytest.mark.graph)
        add_marks(item)
        shared = item.get_closest_marker("graph") and "installation" not in fixtures
        group_of[item] = "neo4j" if shared else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group_of[item]))
        if item.get_closest_marker("slow"):
            slow.add(group_of[item])
    items.sort(key=lambda item: (group_of[item] != "neo4j", group_of[item] not in slow))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the tests of the real graph database did not run."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_SERVER in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line("")
        terminalreporter.write_line(
            f"WARNING: {len(skipped)} TESTS OF THE REAL NEO4J WERE SKIPPED. THIS RUN SAYS NOTHING ABOUT NEO4J.",
            red=True,
            bold=True,
        )


@pytest.fixture(autouse=True)
def _marks_are_true(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that starts a process or trains a model has the mark for it."""
    with watched(request.node.nodeid, lambda: {mark.name for mark in request.node.iter_markers()}):
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in an empty folder, without settings from the environment."""
    for name in list(os.environ):
        if name.startswith(("NEO4J_", "KPTOOL_")) and not name.startswith(KEPT):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
@needs("graph")
def _neo4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer | str]:
    """The session's server, or why there is none."""
    with ExitStack() as stack:
        try:
            server: Neo4jServer | str = stack.enter_context(running_server(tmp_path_factory.mktemp("neo4j")))
        except NoServer as error:
            server = str(error)
        yield server


@pytest.fixture(scope="session")
def neo4j_server(_neo4j: Neo4jServer | str) -> Neo4jServer:
    """A real Neo4j shared by the session: ``uri``, ``username``, ``password``, ``database``, ``clear()``.

    Tests that want an empty database take ``empty_neo4j``.
    """
    if isinstance(_neo4j, Neo4jServer):
        return _neo4j
    _without_neo4j(_neo4j)


def _without_neo4j(why: object) -> NoReturn:
    """Fail in continuous integration, skip elsewhere."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(f"{NO_SERVER}: {why}", pytrace=False)
    pytest.skip(f"{NO_SERVER}: {why}")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A Neo4j of the test's own, to be killed or to import into."""
    try:
        return Installation.make(tmp_path / "server")
    except NoServer as error:
        _without_neo4j(error)


@pytest.fixture
def empty_neo4j(neo4j_server: Neo4jServer) -> Neo4jServer:
    """The session's Neo4j with nothing in its database."""
    neo4j_server.clear()
    return neo4j_server
