"""The example pack is sound and its script says what it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kptoolkit.testing.template_pack_suite import TemplatePackSuite

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_pack"


class TestBuecher(TemplatePackSuite):
    pack = EXAMPLE / "buecher"
    mpp_templates = 4


@pytest.mark.process
def test_the_script_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", EXAMPLE / "buecher.py"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.splitlines() == [
        "„Emma“ ist ein Buch von Jane Austen.",
        "Von Jane Austen stammt „Emma“.",
        "Emma spielt in Highbury.",
        "Zu Jane Austen steht unter „nationality“: England.",
        "Bisher: Emma und Persuasion. Nun für 7: ___.",
    ]
