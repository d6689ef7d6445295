"""The result of a study: one row per backend and arm, with intervals over users and seeds and corrected tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit import metrics
from kptoolkit.errors import RunError
from kptoolkit.evaluation.several import TESTED, Spread
from kptoolkit.evaluation.significance import LEVEL, RESAMPLES, Interval, PairedTest, compare_values
from kptoolkit.runs.manifest import Manifest
from kptoolkit.storage.arrays import read_arrays, write_arrays
from kptoolkit.studies.engine.same_training import CASES, require_inputs, require_settings
from kptoolkit.studies.engine.study_definition import Study

ALONE: Final = "alone"
"""Ranked by the backend alone."""
WITH_PARTS: Final = "with score parts"


@dataclass(frozen=True)
class Trained:
    """One finished training of a study.

    Attributes:
        backend: Its backend.
        series: Series of its arm.
        x: Place of its arm.
        seed: Its seed.
        id: Id of the training.
        items: Catalogue size.
        notice: Notice of the data; empty for most.
        ranks: Ranks of the test targets, ``(N,)``, by way of ranking.
        curve: ``(epoch, NDCG@10)`` on validation, of the backend alone.
        seconds: Seconds of the training; ``None`` if it was resumed, since those before are not known.
        figures: Figures by name: of the training and of the study's own measure.
        fingerprints: Hashes of the ``interactions`` and the ``graph`` before the change of its arm, and of the
            ``cases`` that were ranked.
    """

    backend: str
    series: str
    x: float | str
    seed: int
    id: str
    items: int
    notice: str
    ranks: Mapping[str, NDArray[np.float64]]
    curve: Sequence[tuple[float, float]]
    seconds: float | None
    figures: Mapping[str, float]
    fingerprints: Mapping[str, str]

    def values(self, way: str) -> NDArray[np.float64]:
        """NDCG@10 of every case, ``(N,)``."""
        return metrics.per_case(self.ranks[way], (10,))[TESTED]

    def place(self, labels: Mapping[tuple[str, str, float | str], str]) -> str:
        """Its place in the grid as text, by the labels of the arms."""
        return f"arm '{labels[self.backend, self.series, self.x]}' of {self.backend}, seed {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Everything but the ranks, and the metrics that they give, as JSON-able values."""
        return self._known | {"test": {way: metrics.summary(ranks) for way, ranks in self.ranks.items()}}

    @property
    def _known(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "ranks"}

    def save(self, folder: Path, manifest: Manifest) -> None:
        """Write to a folder, atomically and with checksums, with the manifest of the run."""
        write_arrays(folder, dict(self.ranks), {"trained": self._known, "manifest": asdict(manifest)})

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Trained:
        """Read what :meth:`save` wrote.

        Args:
            folder: The folder.
            settings: Settings that the training must have had, see :func:`kptoolkit.runs.run_settings.plain_settings`.
            inputs: Fingerprints of the data that it must have had, see :func:`.same_training.inputs_now`.

        Raises:
            RunError: It had others.
            DataError: A file is missing or damaged.
        """
        ranks, extra = read_arrays(folder)
        require_settings(folder, extra["manifest"]["settings"], settings)
        require_inputs(folder, extra["trained"].get("fingerprints", {}), inputs)
        return cls(ranks=ranks, **extra["trained"])


@dataclass(frozen=True)
class StudyRow:
    """One backend and arm.

    Attributes:
        backend: The backend.
        series: Series of the arm.
        x: Place of the arm.
        label: Name of the arm.
        ndcg: NDCG@10 on test with its 95 % interval over users, by way of ranking; averaged over seeds first.
        hr: HR@10 on test, by way of ranking.
        spread: Spread of NDCG@10 over the seeds, by way of ranking; ``None`` for a single seed.
        against: Lead of the arm over the first arm of its backend, by way of ranking; ``None`` for the first arm.
        corrected: The p-values of these leads, corrected over the arms of the backend.
        figures: Means over the seeds that have them.
    """

    backend: str
    series: str
    x: float | str
    label: str
    ndcg: Mapping[str, Interval]
    hr: Mapping[str, float]
    spread: Mapping[str, Spread | None]
    against: Mapping[str, PairedTest | None]
    corrected: Mapping[str, float | None]
    figures: Mapping[str, float]

    def significant(self, way: str) -> bool:
        """Whether its lead is significant after the correction."""
        p_value = self.corrected[way]
        return p_value is not None and p_value <= LEVEL


@dataclass(frozen=True)
class StudyResult:
    """All rows of a study, and what they were made of.

    Attributes:
        study: The study.
        mode: ``"quick"``, ``"standard"`` or ``"full"``.
        seeds: The seeds.
        rows: One per backend and arm.
        trained: The trainings.
    """

    study: Study
    mode: str
    seeds: tuple[int, ...]
    rows: tuple[StudyRow, ...]
    trained: tuple[Trained, ...] = field(repr=False)

    @property
    def ways(self) -> tuple[str, ...]:
        """Ways of ranking that every row has."""
        return tuple(way for way in self.rows[0].ndcg if all(way in row.ndcg for row in self.rows))

    @property
    def cases(self) -> int:
        """Test cases."""
        return len(next(iter(self.trained[0].ranks.values())))

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-able values; of the study, what it asks and what it does not say."""
        study = {name: getattr(self.study, name) for name in ("name", "question", "axis", "limits")}
        return {
            **study,
            "mode": self.mode,
            "seeds": self.seeds,
            "cases": self.cases,
            "rows": [asdict(row) for row in self.rows],
            "trained": [each.to_json() for each in self.trained],
        }


def study_rows(
    labels: Mapping[tuple[str, str, float | str], str], trained: Sequence[Trained], resamples: int = RESAMPLES
) -> tuple[StudyRow, ...]:
    """Create the rows of a study.

    Args:
        labels: Label of each arm by backend, series and place, in the order of the table.
        trained: The trainings.
        resamples: Bootstrap resamples and sign flips.

    Raises:
        RunError: Two trainings have ranked other cases.
    """
    for each in trained:
        if each.fingerprints[CASES] != trained[0].fingerprints[CASES]:
            raise RunError(
                f"{each.place(labels)}, ranks other users or targets than {trained[0].place(labels)}; arms can be "
                "compared only where all rank the same cases"
            )
    rows: list[StudyRow] = []
    for backend in dict.fromkeys(backend for backend, _, _ in labels):
        cells = {
            key: [each for each in trained if (each.backend, each.series, each.x) == key]
            for key in labels
            if key[0] == backend
        }
        rows.extend(_rows(cells, labels, resamples))
    return tuple(rows)


def _rows(
    cells: Mapping[tuple[str, str, float | str], list[Trained]],
    labels: Mapping[tuple[str, str, float | str], str],
    resamples: int,
) -> list[StudyRow]:
    """The rows of one backend."""
    ways = list(next(iter(cells.values()))[0].ranks)
    compared = {}
    for way in ways:
        means = {
            labels[key]: np.asarray(np.mean([each.values(way) for each in runs], axis=0)) for key, runs in cells.items()
        }
        compared[way] = {line.name: line for line in compare_values(means, metric=TESTED, resamples=resamples)}
    found = []
    for key, runs in cells.items():
        lines = {way: compared[way][labels[key]] for way in ways}
        leads = {way: None if line.against is None else _turned(line.against) for way, line in lines.items()}
        found.append(
            StudyRow(
                *key,
                label=labels[key],
                ndcg={way: line.value for way, line in lines.items()},
                hr={way: float(np.mean([(each.ranks[way] <= 10).mean() for each in runs])) for way in ways},
                spread={way: Spread.of([float(each.values(way).mean()) for each in runs]) for way in ways},
                against=leads,
                corrected={way: line.corrected for way, line in lines.items()},
                figures=_means(runs),
            )
        )
    return found


def _turned(test: PairedTest) -> PairedTest:
    """The lead of the second over the first."""
    return PairedTest(-test.difference, test.p_value, test.cases, test.deviation)


def _means(runs: Sequence[Trained]) -> dict[str, float]:
    names = dict.fromkeys(name for each in runs for name in each.figures)
    found = {name: [each.figures[name] for each in runs if name in each.figures] for name in names}
    seconds = {"seconds": [each.seconds for each in runs if each.seconds is not None]}
    return {name: float(np.mean(values)) for name, values in (seconds | found).items() if values}
