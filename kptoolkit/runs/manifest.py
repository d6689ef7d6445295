"""The manifest of a run: versions, settings, fingerprints, reports and checksums of its files."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kptoolkit.arguments import check_fields, require
from kptoolkit.storage.atomic import write_text

_PACKAGES = ("kptoolkit", "torch", "transformers", "accelerate", "numpy", "pandas", "networkx", "jinja2", "neo4j")

_REPORTS: dict[str, Any] = {
    **dict.fromkeys(("data", "knowledge", "training", "parts", "refreshed"), dict[str, Any]),
    **{
        "notice": str,
        "resumed": int,
        "training.epochs": float,
        "training.best": dict[str, float],
        "parts.weights": dict[str, float],
    },
}
"""Types of the reports, and of parts of them, that commands print."""


_INPUTS = {
    "neighbourhoods": "other neighbourhoods",
    "interactions": "other interactions",
    "catalogue": "other items, titles or links",
    "pack": "another template pack",
}
"""How a message names another input, by the name of its fingerprint."""


@dataclass
class Manifest:
    """The manifest of one run.

    Attributes:
        status: ``"training"`` until everything is written, then ``"finished"``.
        settings: All settings, without the password.
        fingerprints: Hashes of the graph and of the inputs: neighbourhoods, interactions, catalogue, template pack.
        reports: Counts and figures of data, knowledge and training.
        files: SHA-256 of every file that is verified when the run is opened, by path inside the run.
        versions: Versions of Python and of the packages that influence results.
        machine: Cores, platform, processor.
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

    def __post_init__(self) -> None:
        check_fields(self)
        for name, kind in _REPORTS.items():
            part: Any = self.reports
            for key in name.split("."):
                part = part.get(key) if isinstance(part, dict) else None
            if part is not None:
                require(part, kind, f"Manifest(reports=…)['{name}']")

    def other_input(self, fingerprints: Mapping[str, str]) -> str | None:
        """Find the first input that is another one than that of this training, such as ``"other interactions"``.

        The graph is not compared: it may have grown elsewhere.

        Args:
            fingerprints: Hashes of inputs by name; one that is missing on either side is not compared.
        """
        for part, text in _INPUTS.items():
            if part in fingerprints and self.fingerprints.get(part, fingerprints[part]) != fingerprints[part]:
                return text
        return None

    @property
    def id(self) -> str:
        """Id of the training, independent of its folder: its day, and a hash of its start time and settings."""
        known = json.dumps([self.started, self.settings], sort_keys=True, default=_plain)
        day = time.strftime("%Y-%m-%d", time.gmtime(self.started))
        return f"{day}-{hashlib.sha256(known.encode()).hexdigest()[:8]}"


def facts_of(manifest: Manifest) -> dict[str, object]:
    """Return what was trained on what, by label; without what the reports do not contain."""
    reports = manifest.reports
    knowledge, training = reports.get("knowledge", {}), reports.get("training", {})
    facts = {
        "status": manifest.status,
        "backend": manifest.settings.get("model", {}).get("backend"),
        "users with training events": reports.get("data", {}).get("train_users"),
        "items": knowledge.get("items"),
        "items with triples": knowledge.get("items_with_triples"),
        "template pack": knowledge.get("pack"),
        "epochs": f"{training['epochs']:g}" if "epochs" in training else None,
        "validation NDCG@10, backend alone": training.get("best", {}).get("NDCG@10"),
        "knowledge fetched": reports.get("fetched"),
        "notice": reports.get("notice"),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, atomically."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, default=_plain) + "\n")


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that influence results."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return cores, platform and processor, which are needed to compare times."""
    return {"cores": os.cpu_count(), "platform": platform.platform(terse=True), "processor": platform.machine()}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
