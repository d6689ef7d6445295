"""Settings of the process for training on a CPU: freed memory is kept, denormal numbers are rounded to 0."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from kptoolkit.models.cpu_speed import flushed_denormals

_FAULTS = """
import resource, sys, torch
from kptoolkit.models.cpu_speed import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def step():
    sum(torch.ones(size).sum() for size in [3_000_000] * 8)
    together = [torch.ones(3_000_000) for _ in range(8)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.long
@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator has such settings")
def test_kept_memory_is_not_taken_from_the_system_again() -> None:
    def faults(how: str) -> int:
        child = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True)
        return int(child.stdout)

    assert 5 * faults("kept") < faults("given back")


def test_denormal_numbers_are_zero_only_inside() -> None:
    tiny = torch.tensor(2.0**-1060, dtype=torch.float64)
    assert tiny.mul(1.0) != 0
    with flushed_denormals():
        assert tiny.mul(1.0) == 0
    assert tiny.mul(1.0) != 0
