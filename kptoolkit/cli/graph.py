"""``kptool graph``: runs the embedded graph as a server for several clients."""

from __future__ import annotations

import os
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.command_group import CommandGroup
from kptoolkit.cli.session import Session, command
from kptoolkit.errors import GraphUnavailableError

if TYPE_CHECKING:
    from kptoolkit.graph.embedded import EmbeddedServer

CREDENTIAL_FILE = "password"

graph_app = typer.Typer(cls=CommandGroup, help="Run the embedded graph as a server.", no_args_is_help=True)
app.add_typer(graph_app, name="graph")


@command(graph_app, "serve", example="kptool graph serve ./kg --port 7687")
def serve(
    session: Session,
    path: Annotated[Path, typer.Argument(help="Folder of the embedded graph.")],
    port: Annotated[int | None, typer.Option(help="Port on the loopback interface; by default a free one.")] = None,
) -> None:
    """Run an embedded graph as a server in the foreground; several processes can use it over Bolt. Ctrl-C stops it.

    The password is NEO4J_PASSWORD (or KPTOOL_GRAPH__PASSWORD). Without it, a new password is written to the file
    PATH/password, which only you can read; the file is deleted when the server stops.
    """
    from kptoolkit.graph.embedded import EmbeddedServer

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    configured = session.config().graph.password
    password = secrets.token_urlsafe(24) if configured is None else configured.get_secret_value()
    server = EmbeddedServer(path, password=password, port=port)
    file = server.path / CREDENTIAL_FILE
    try:
        if configured is None:
            _write_secret(file, password)
        _announce(session, server.uri, server.username, server.database, None if configured else file)
        _wait(server)
    finally:
        server.close()
        if configured is None:
            file.unlink(missing_ok=True)


def _write_secret(file: Path, password: str) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(password)


def _announce(session: Session, uri: str, username: str, database: str, file: Path | None) -> None:
    password = "the one you set" if file is None else f"in {file}"
    given = "" if file is None else f'export NEO4J_PASSWORD="$(cat {file})"; '
    lines = [
        f"serving  {uri}",
        f"user     {username}, database {database}, password {password}",
        f"connect  {given}kptool … --graph {uri} --set graph.username={username} --set graph.database={database}",
    ]
    session.lines(lines)
    session.out.file.flush()
    session.say("Ctrl-C stops it")


def _wait(server: EmbeddedServer) -> None:
    """Wait until Ctrl-C, which is not an error."""
    try:
        while server.alive:
            time.sleep(0.2)
    except KeyboardInterrupt:
        return
    raise GraphUnavailableError(
        f"the server of {server.path} ended unexpectedly; see its log folder {server.path / 'log'}"
    )
