"""The command line: one file per command, and the only place that prints."""

from __future__ import annotations


def run() -> None:
    """Run ``kptool``; the entry point of the command."""
    from kptoolkit.cli.app import main

    main()
