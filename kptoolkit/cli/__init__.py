"""The command line: one file a command, and the only place that prints."""

from __future__ import annotations


def run() -> None:
    """Entry point of ``kptool``."""
    from kptoolkit.cli.app import main

    main()
