"""The page on DataFrames goes from two of them to recommendations in ten lines, which run as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page_blocks import python
from source_tree import CHECKOUT

PAGE = (CHECKOUT / "docs" / "dataframes.md").read_text(encoding="utf-8")


@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.process
def test_two_dataframes_become_recommendations(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    code, output = found.groups()
    assert len([line for line in code.splitlines() if line]) <= 10
    assert python([code], tmp_path) == [output]
