"""The types of package, tests and benchmarks are right."""

from __future__ import annotations

import subprocess
import sys

import pytest
from source_tree import CHECKOUT


@pytest.mark.slow
@pytest.mark.long
def test_mypy_finds_no_error() -> None:
    """Run next to other tests, since mypy uses one core for a minute when it has no cache."""
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
