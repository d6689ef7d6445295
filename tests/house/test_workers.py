"""Tests that share an expensive fixture run in one process when several run at once."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all tests")
def test_tests_of_a_file_stay_together(request: pytest.FixtureRequest) -> None:
    """pytest-xdist groups tests by the last part of their ids."""
    assert request.node.nodeid.endswith("@test_workers"), "this pytest and this pytest-xdist do not fit"
