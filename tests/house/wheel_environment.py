"""The wheel, and an environment of its own that has it installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from source_tree import CHECKOUT


def built_wheel(folder: Path) -> Path:
    """Build the wheel into a folder."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


def environment_of(wheel: Path, folder: Path) -> Path:
    """Make an environment in a folder that holds the wheel and sees the dependencies, but not the checkout.

    The dependencies are those of the environment that runs the tests, through a ``.pth`` file. The editable install of
    the checkout is a ``.pth`` file there; such files count only in an environment's own folder, not in an added one.
    """
    venv.create(folder, symlinks=os.name != "nt")
    where = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", vars=where))
    (own / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    return folder


def programs_of(environment: Path) -> Path:
    """The folder of an environment's programs."""
    return Path(sysconfig.get_path("scripts", vars={"base": str(environment), "platbase": str(environment)}))
