"""What a run says of itself: versions, settings, fingerprints, data hashes, checksums of its files."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kptoolkit.errors import RunError
from kptoolkit.storage.arrays import checksum
from kptoolkit.storage.atomic import atomic_write

MANIFEST = "manifest.json"
_PACKAGES = ("kptoolkit", "torch", "transformers", "accelerate", "numpy", "pandas", "networkx", "jinja2", "neo4j")


@dataclass
class Manifest:
    """The manifest of one run.

    Attributes:
        status: ``"training"`` until everything is written, then ``"finished"``.
        settings: All settings, without the password.
        fingerprints: Of the graph, the neighbourhoods, the interactions and the catalogue.
        reports: What was counted on the way: data, knowledge, training.
        files: SHA-256 of every file that :meth:`verify` checks, by path inside the run.
        versions: Of Python and of the packages that matter.
        machine: Cores, platform, device.
        started: Seconds since the epoch.
        seconds: Wall time by stage.
    """

    status: str = "training"
    settings: dict[str, Any] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=lambda: package_versions())
    machine: dict[str, Any] = field(default_factory=lambda: machine())
    started: float = field(default_factory=time.time)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Names the training, wherever its folder stands: the day it began, and a hash of that moment and settings."""
        known = json.dumps([self.started, self.settings], sort_keys=True, default=_plain)
        day = time.strftime("%Y-%m-%d", time.gmtime(self.started))
        return f"{day}-{hashlib.sha256(known.encode()).hexdigest()[:8]}"

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` into ``folder``, atomically."""
        write_json(folder / MANIFEST, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read ``manifest.json``.

        Raises:
            RunError: There is none, or it cannot be read.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise RunError(f"{folder} is not a run: it holds no {MANIFEST}; `kptool fit --run {folder}` makes one")
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path} is damaged: {error}; train again into another folder") from error

    def seal(self, folder: Path, paths: list[Path]) -> None:
        """Record the checksums of files and of all files below folders."""
        every = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        self.files = {str(file.relative_to(folder)): checksum(file) for file in every if file.is_file()}

    def verify(self, folder: Path) -> None:
        """Compare the files with their checksums.

        Raises:
            RunError: A file is missing or differs; the message names it.
        """
        for name, expected in self.files.items():
            path = folder / name
            if not path.is_file():
                raise RunError(f"run {folder} is damaged: {name} is missing; train again into another folder")
            if checksum(path) != expected:
                raise RunError(f"run {folder} is damaged: {name} is not what training wrote; train again")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, as :func:`atomic_write` does."""
    with atomic_write(path) as temporary:
        text = json.dumps(content, ensure_ascii=False, indent=1, default=_plain)
        temporary.write_text(text + "\n", encoding="utf-8")


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Cores, platform and processor, for people who compare times."""
    return {"cores": os.cpu_count(), "platform": platform.platform(terse=True), "processor": platform.machine()}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
