"""``python -m kptoolkit`` is ``kptool``."""

from __future__ import annotations

from kptoolkit.cli import run

if __name__ == "__main__":
    run()
