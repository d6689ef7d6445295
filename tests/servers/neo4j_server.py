"""A real Neo4j for the tests: the one in the environment, else by docker, else by Maven and Java."""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import neo4j
from filelock import FileLock

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
CACHE = CHECKOUT / ".neo4j"
POM = HERE / "pom.xml"
START_SECONDS = 180
JAVA_NEEDED = 17
OPENED = ("java.nio", "java.io", "sun.nio.ch")


@dataclass(frozen=True)
class Room:
    """Memory limits of a server from Maven's jars.

    Attributes:
        heap: Largest Java heap.
        pages: Page cache.
        options: Options of the Java virtual machine.
    """

    heap: str
    pages: str
    options: tuple[str, ...] = ()


#: Starts and ends quickly, and leaves the machine to the tests.
SMALL = Room("512m", "128m", ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"))
#: For measurements: Java and Neo4j as they come.
ROOMY = Room("2g", "1g")


class NoServer(Exception):
    """Neo4j cannot be started; the message says what is missing."""


@dataclass(frozen=True)
class Neo4jServer:
    """The address and login of the tests' Neo4j."""

    uri: str
    username: str
    password: str = field(repr=False)
    database: str = "neo4j"

    def driver(self) -> neo4j.Driver:
        """A driver of the server; the caller closes it."""
        return neo4j.GraphDatabase.driver(self.uri, auth=(self.username, self.password))

    def is_empty(self) -> bool:
        """Return whether the database has no nodes."""
        with self.driver() as driver:
            return not driver.execute_query("MATCH (n) RETURN n LIMIT 1", database_=self.database).records

    def clear(self) -> None:
        """Delete every node, constraint and index of the database."""
        with self.driver() as driver, driver.session(database=self.database) as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()
            for name in [row["name"] for row in session.run("SHOW CONSTRAINTS YIELD name")]:
                session.run(f"DROP CONSTRAINT `{name}` IF EXISTS").consume()
            for name in [row["name"] for row in session.run("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'")]:
                session.run(f"DROP INDEX `{name}` IF EXISTS").consume()


def login_of(server: Any) -> dict[str, str]:
    """Return the environment variables with which a command reaches a server, Neo4j or embedded."""
    return {f"NEO4J_{key.upper()}": getattr(server, key) for key in ("uri", "username", "password", "database")}


@contextmanager
def running_server(folder: Path, room: Room = SMALL) -> Iterator[Neo4jServer]:
    """Yield a Neo4j with an empty database; ``folder`` takes its files and log, ``room`` is not docker's.

    Raises:
        NoServer: Neither a server in the environment, nor docker, nor Maven and Java.
        RuntimeError: The named database is not empty, or the server did not start; the log's end is in the message.
    """
    if os.environ.get("KPTOOL_TEST_NEO4J_URI"):
        with _named_in_environment() as server:
            yield server
        return
    with docker_server(folder) if docker_answers() else maven_server(folder, room) as server:
        yield server


@contextmanager
def _named_in_environment() -> Iterator[Neo4jServer]:
    given = {key: os.environ.get(f"KPTOOL_TEST_NEO4J_{key}", "") for key in ("URI", "USERNAME", "PASSWORD", "DATABASE")}
    server = Neo4jServer(given["URI"], given["USERNAME"] or "neo4j", given["PASSWORD"], given["DATABASE"] or "neo4j")
    _wait_until_it_answers(server, None, None)
    if not server.is_empty():
        raise RuntimeError(
            f"database {server.database} at {server.uri} (KPTOOL_TEST_NEO4J_URI) holds nodes, and tests delete "
            "everything: name an empty database"
        )
    yield server
    server.clear()


# -- docker -----------------------------------------------------------------------------------------------------------


def docker_answers() -> bool:
    """Return whether a docker daemon with compose answers and has, or can fetch, the image."""
    if shutil.which("docker") is None:
        return False
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if not _succeeds(command, 20):
            return False
    return _succeeds(["docker", "compose", "-f", str(CHECKOUT / "compose.yaml"), "pull", "--policy", "missing"], 300)


def _succeeds(command: list[str], seconds: float) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextmanager
def docker_server(folder: Path) -> Iterator[Neo4jServer]:
    """A server from ``compose.yaml`` under its own project name; its volumes are removed at the end."""
    bolt, http = _free_port(), _free_port()
    server = Neo4jServer(f"bolt://127.0.0.1:{bolt}", "neo4j", secrets.token_hex(8))
    compose = [
        "docker",
        "compose",
        "-f",
        str(CHECKOUT / "compose.yaml"),
        "-p",
        f"kptoolkit-tests-{secrets.token_hex(4)}",
    ]
    environment = {
        "NEO4J_PASSWORD": server.password,
        "NEO4J_BOLT_PORT": str(bolt),
        "NEO4J_HTTP_PORT": str(http),
    }
    up, down = [*compose, "up", "--abort-on-container-exit"], [*compose, "down", "--volumes"]
    with _watched(up, down, folder / "neo4j.log", server, {**os.environ, **environment}):
        yield server


# -- Maven and Java ---------------------------------------------------------------------------------------------------


@contextmanager
def maven_server(folder: Path, room: Room = SMALL) -> Iterator[Neo4jServer]:
    """A server from the jars that Maven fetches once into ``.neo4j/``."""
    with Installation.make(folder, room).running() as server:
        yield server


@dataclass(frozen=True)
class Installation:
    """A Neo4j from Maven's jars that can be filled by the admin tool, killed and restarted."""

    folder: Path
    server: Neo4jServer
    java: str
    classpath: tuple[str, ...]
    room: Room = SMALL

    @classmethod
    def make(cls, folder: Path, room: Room = SMALL) -> Installation:
        """Write its settings and set its password.

        Raises:
            NoServer: There is no Maven or no Java.
        """
        java, jars = find_java(), fetch_jars()
        port = _free_port()
        server = Neo4jServer(f"bolt://127.0.0.1:{port}", "neo4j", secrets.token_hex(8))
        made = cls(folder, server, java, ("-cp", f"{jars}{os.sep}*"), room)
        made.conf.mkdir(parents=True)
        (made.conf / "neo4j.conf").write_text(_settings(port, room), encoding="utf-8")
        made.admin("dbms", "set-initial-password", server.password)
        return made

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def conf(self) -> Path:
        return self.home / "conf"

    @property
    def log(self) -> Path:
        return self.folder / "neo4j.log"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NEO4J_HOME": str(self.home), "NEO4J_CONF": str(self.conf)}

    def admin(self, *words: str, cwd: Path | None = None) -> str:
        """Run ``neo4j-admin`` and return its output.

        Raises:
            RuntimeError: It failed.
        """
        command = [self.java, *self.classpath, "org.neo4j.cli.AdminTool", *words]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise RuntimeError(f"neo4j-admin {words[0]} {words[1]} failed: {(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    @contextmanager
    def running(self) -> Iterator[Neo4jServer]:
        """Run the server until the block ends."""
        command = [self.java, "-Xms256m", f"-Xmx{self.room.heap}", *self.room.options]
        command += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        command += ["--enable-native-access=ALL-UNNAMED", *self.classpath, "org.neo4j.server.CommunityEntryPoint"]
        command += [f"--home-dir={self.home}", f"--config-dir={self.conf}"]
        with _watched(command, None, self.log, self.server, self.environment):
            yield self.server

    def configure(self, setting: str, value: str) -> None:
        """Add a setting, for the next start."""
        with (self.conf / "neo4j.conf").open("a", encoding="utf-8") as file:
            file.write(f"{setting}={value}\n")

    def kill(self) -> None:
        """Send SIGKILL to the running server."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the running server."""
        os.kill(int(self.log.with_suffix(".pid").read_text()), number)


def _settings(port: int, room: Room) -> str:
    settings = {
        "server.bolt.listen_address": f"127.0.0.1:{port}",
        "server.bolt.advertised_address": f"127.0.0.1:{port}",
        "server.http.enabled": "false",
        "server.https.enabled": "false",
        "dbms.security.auth_enabled": "true",
        "dbms.usage_report.enabled": "false",
        "server.memory.heap.initial_size": "256m",
        "server.memory.heap.max_size": room.heap,
        "server.memory.pagecache.size": room.pages,
        "db.tx_log.preallocate": "false",
        # Ends in two seconds instead of ten.
        "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def find_java() -> str:
    """Return the path of a Java new enough for Neo4j."""
    home = os.environ.get("JAVA_HOME")
    at_home = Path(home, "bin", "java") if home else None
    java = str(at_home) if at_home is not None and at_home.is_file() else shutil.which("java")
    if java is None:
        raise NoServer(f"no docker daemon and no java; install docker, or Java {JAVA_NEEDED} or newer and Maven")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_NEEDED:
        raise NoServer(f"{java} is too old for Neo4j, Java {JAVA_NEEDED} or newer is needed")
    return java


def fetch_jars() -> Path:
    """Return the folder with the server's jars, fetched by Maven if they are missing."""
    version = _neo4j_version()
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / "fetch.lock"):
        home, part = CACHE / version, CACHE / f"{version}.part"
        if not home.is_dir():
            maven = shutil.which("mvn")
            if maven is None:
                raise NoServer("no docker daemon and no mvn; install docker, or Maven and Java")
            shutil.rmtree(part, ignore_errors=True)
            command = [maven, "--batch-mode", "--quiet", "--file", str(POM), f"-Dneo4j.home={part}", "package"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise NoServer(f"Maven could not fetch Neo4j {version}: {(done.stdout + done.stderr).strip()[-500:]}")
            part.rename(home)
        return home / "lib"


def _neo4j_version() -> str:
    found = ElementTree.parse(POM).find(".//{*}neo4j.version")
    if found is None or not found.text:
        raise RuntimeError(f"{POM} names no neo4j.version")
    return found.text


# -- both -------------------------------------------------------------------------------------------------------------


@contextmanager
def _watched(
    command: list[str], cleanup: list[str] | None, log: Path, server: Neo4jServer, environment: dict[str, str]
) -> Iterator[None]:
    """Run ``command`` under ``watch.py`` until the block ends or this process is gone."""
    job = json.dumps({"command": command, "cleanup": cleanup})
    watch = subprocess.Popen(
        [sys.executable, str(HERE / "watch.py"), str(log), job],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    assert watch.stdin is not None
    try:
        _wait_until_it_answers(server, watch, log)
        yield
    finally:
        watch.stdin.close()
        watch.wait()


def _wait_until_it_answers(server: Neo4jServer, watch: subprocess.Popen[bytes] | None, log: Path | None) -> None:
    end = time.monotonic() + START_SECONDS
    tail = functools.partial(_tail, log)
    with server.driver() as driver:
        while True:
            try:
                driver.verify_connectivity()
                driver.execute_query("RETURN 1", database_=server.database)
            except (neo4j.exceptions.ServiceUnavailable, neo4j.exceptions.TransientError) as error:
                if watch is None:
                    raise RuntimeError(f"no Neo4j at {server.uri} (KPTOOL_TEST_NEO4J_URI): {error}") from error
                if watch.poll() is not None:
                    raise RuntimeError(f"Neo4j ended while starting; {tail()}") from error
                if time.monotonic() > end:
                    raise RuntimeError(f"Neo4j did not answer within {START_SECONDS} s; {tail()}") from error
                time.sleep(0.3)
            else:
                return


def _tail(log: Path | None) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log is not None and log.is_file() else ""
    return f"end of {log}:\n{text[-3000:]}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
