"""Evaluates several runs in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kptoolkit import distributed, pipeline
from kptoolkit.arguments import checked
from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError, RunError
from kptoolkit.evaluation.baselines import check_names
from kptoolkit.evaluation.controls import applicable
from kptoolkit.evaluation.ranking import Ranking, evaluate
from kptoolkit.evaluation.several import RunRecord, SeveralEvaluation, detectable_note, several_rows
from kptoolkit.evaluation.table import ALONE, ENSEMBLE, notes_of, protocol_line
from kptoolkit.explain.triplet_drops import check_abilities
from kptoolkit.names import SplitName
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback, silent, with_prefix
from kptoolkit.runs.ensemble import Ensemble
from kptoolkit.runs.manifest import write_json
from kptoolkit.runs.run import Run
from kptoolkit.runs.several_runs import difference_beyond_seed, require_own_interactions, require_same_data
from kptoolkit.storage.table_files import check_output
from kptoolkit.storage.write_errors import write_errors

_Rankings = dict[str, list[Ranking]]
_ENSEMBLE_NOTE = (
    "ensemble: mean of the scores of all runs, each standardized per case; one recommender, not part of the mean"
)


@checked
def evaluate_runs(
    runs: Sequence[Run],
    *,
    split: SplitName = "test",
    controls: Sequence[str] = (),
    baselines: Sequence[str] = (),
    beam: bool = False,
    explain: bool = False,
    ensemble: bool = False,
    output: str | Path | None = None,
    progress: ProgressCallback = shown,
) -> SeveralEvaluation:
    """Rank the full catalogue by several runs, and write one table of their means, spread and tests.

    Baselines are tuned once. Each run also gets its own results, as by :func:`kptoolkit.pipeline.evaluate`.

    Args:
        runs: Finished runs of one backend with the same interactions, catalogue and split.
        split: As in :func:`kptoolkit.pipeline.evaluate`.
        controls: As there; they are retrained for each run.
        baselines: As there.
        beam: As there.
        explain: As there, for each run.
        ensemble: Whether to rank by the mean of the standardized scores of the runs too, as the last row.
        output: JSON file for the table; ``metrics-SPLIT.json`` next to the first run if ``None``.
        progress: Progress callback.

    Raises:
        RunError: Runs have other data or another backend than the first.
        InputError: As there; or the name of ``output`` does not end in ``.json``, or its folder does not exist.
    """
    if output is not None:
        check_output(output, ".json")
    fingerprints = _check(runs, beam=beam, explain=explain)
    check_names(baselines)
    names, left_out = applicable(controls, [run.config for run in runs])
    progress = progress if distributed.is_first() else silent
    cases = runs[0].split.cases(split)
    shared, notes = pipeline.rank_baselines(runs[0], cases, baselines, progress)
    tables, faithfulness = [], []
    for run in runs:
        staged = with_prefix(f"seed {run.config.training.seed}", progress)
        models = pipeline.rank_run(run, cases, staged)
        others, other_notes = pipeline.rank_others(run, cases, controls=names, beam=beam, progress=staged)
        other_notes += left_out
        own = models | shared | others
        single = pipeline.record(run, split, own, [*notes, *other_notes], explain=explain, progress=staged)
        if single.faithfulness is not None:
            faithfulness.append(f"seed {run.config.training.seed}: {single.faithfulness.note}")
        tables.append(own)
        run.release()
    rankings = _by_row(tables, shared)
    if ensemble:
        rankings[f"{ENSEMBLE} {len(runs)} runs"] = [_rank_ensemble(runs, cases, progress)]
        other_notes.append(_ENSEMBLE_NOTE)
    result = _result(runs, split, rankings, [*notes, *other_notes, *faithfulness], fingerprints)
    if distributed.is_first():
        _write(result, Path(output or runs[0].folder.parent / f"metrics-{split}.json"))
    distributed.wait()
    return result


def _check(runs: Sequence[Run], *, beam: bool, explain: bool) -> dict[str, str]:
    """Check that runs can be one table, before anything is ranked; returns the fingerprints of their data."""
    if not runs:
        raise InputError("no run given; give at least one")
    for run in runs:
        require_own_interactions(run)
    fingerprints = require_same_data(runs)
    first = runs[0]
    for run in runs:
        kinds = run.config.model.backend, first.config.model.backend
        if kinds[0] != kinds[1]:
            raise RunError(
                f"run {run.folder} has the backend '{kinds[0]}', {first.folder} has '{kinds[1]}'; a mean over both "
                "says nothing about either, evaluate them one by one"
            )
        check_abilities(run, beam=beam, explain=explain)
        run.release()
    return fingerprints


def _by_row(tables: Sequence[Mapping[str, Ranking]], shared: Mapping[str, Ranking]) -> _Rankings:
    """Collect the rankings of each row; where all score parts have weight 0, a backend alone has no row of its own."""
    rows = dict.fromkeys(row for table in sorted(tables, key=len, reverse=True) for row in table)
    return {
        row: [shared[row]]
        if row in shared
        else [table[row if row in table else row.removesuffix(f" {ALONE}")] for table in tables]
        for row in rows
    }


def _rank_ensemble(runs: Sequence[Run], cases: Cases, progress: ProgressCallback) -> Ranking:
    both = Ensemble(runs)
    items, size = len(both.catalogue), both.config.evaluation.batch_size
    stage = "rank: ensemble"
    ranking = evaluate(both.score, cases, items, batch_size=size, progress=progress, stage=stage, shared=True)
    for run in runs:
        run.release()
    return ranking


def _result(
    runs: Sequence[Run], split: str, rankings: _Rankings, notes: Sequence[str], fingerprints: Mapping[str, str]
) -> SeveralEvaluation:
    first, settings, data = runs[0], runs[0].config.evaluation, runs[0].config.data
    rows = several_rows(rankings, settings.ks, beams=settings.beams, resamples=settings.resamples)
    notes = [*([first.notice] if first.notice else []), *notes, *notes_of(rows)]
    if (other := difference_beyond_seed(runs)) is not None:
        notes.append(f"the runs differ in more than their seed: {other}; their spread is not that of seeds alone")
    if (note := detectable_note(rows)) is not None:
        notes.append(note)
    seeds = [run.config.training.seed for run in runs]
    cases, items = len(next(iter(rankings.values()))[0]), len(first.catalogue)
    return SeveralEvaluation(
        runs=tuple(
            RunRecord(str(run.folder), run.manifest.id, run.config.training.seed, dict(run.manifest.fingerprints))
            for run in runs
        ),
        split=split,
        cases=cases,
        items=items,
        rows=rows,
        notes=tuple(notes),
        protocol=protocol_line(split, cases, items, seeds, method=data.split, min_events=data.min_events),
        fingerprints=fingerprints,
        resamples=settings.resamples,
        groups=pipeline.groups_of(first, rankings),
    )


def _write(result: SeveralEvaluation, path: Path) -> None:
    with write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, result.to_json())
