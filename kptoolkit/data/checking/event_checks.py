"""Checks events for users with few of them, and times for what moves the figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import GRAPH_DATA
from kptoolkit.data.checking.finding import Finding, examples
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.interactions import Interactions, ReadReport
from kptoolkit.data.splits import FEWEST_EVENTS
from kptoolkit.storage.values.times import unset

REPEATS = 0.9
_DATES = 1e8
"""Seconds since 1970 that are a date, in 1973 or later."""


def check_events(folder: DataFolder) -> list[Finding]:
    """Return what is notable in the events of a folder, or that there are none."""
    found, report = folder.interactions, folder.report
    if found is None or report is None:
        advice = "a model needs them; the graph can be loaded without"
        if folder.path == GRAPH_DATA:
            advice = "a model needs them: write interactions.cypher into the folder of graph.cypher, or give --data DIR"
        return [Finding("note", "no interactions here", 1, advice)]
    lengths = np.diff(found.indptr)
    short, few = int((lengths < FEWEST_EVENTS).sum()), int((lengths < 5).sum())
    findings = [
        Finding(
            "error" if short == found.n_users else "warning",
            f"users with fewer than {FEWEST_EVENTS} events",
            short,
            "left out of training and evaluation; they cannot be split",
            short / max(found.n_users, 1),
            examples(found.user_ids[lengths < FEWEST_EVENTS]),
        ),
        Finding(
            "note",
            "users with fewer than 5 events",
            few,
            "published figures often leave them out; data.min_events=5 does the same",
            few / max(found.n_users, 1),
        ),
        Finding(
            "note",
            "events that repeat an earlier one of the same user and item",
            report.repeats,
            "left out, the first stays",
            report.repeats / report.rows,
        ),
    ]
    findings += _check_ratings(report)
    of_graph = report.path == GRAPH_DATA
    return findings + (_check_times(found, lengths, of_graph) if found.timed else [_no_times(of_graph)])


def _check_ratings(report: ReadReport) -> list[Finding]:
    """Return that some ratings probably say that nothing happened, or that it was not liked."""
    found = report.ratings
    if found is None:
        return []
    two = len(found.few) == 2
    shown = " and ".join(f"{one:g}" for one in found.few) if two else ""
    high = found.few[1] if two else 1.0
    what = f"ratings have two values only, {shown}" if two else "events with a rating of 0 or less"
    advice = f"every event counts as one that happened and was liked; data.min_rating={high:g} leaves the others out"
    count = found.not_positive if not two or found.not_positive else 1
    return [Finding("warning", what, count, advice, found.not_positive / max(found.events, 1) or None)]


def _no_times(of_graph: bool) -> Finding:
    if of_graph:
        advice = "a graph has no order, so a training needs one: RETURN it in interactions.cypher"
        return Finding("error", "interactions without a time", 1, advice)
    text = "no time column: the order of the rows counts"
    return Finding("warning", text, 1, "make sure that each user's rows are oldest first; no temporal split")


def _check_times(found: Interactions, lengths: NDArray[np.int64], of_graph: bool) -> list[Finding]:
    same_user = found.user[1:] == found.user[:-1]
    tied = same_user & (found.time[1:] == found.time[:-1])
    adjacent = int(same_user.sum())
    last_two = np.zeros(found.n_users, dtype=bool)
    last_two[found.user[1:][tied & (np.arange(2, len(found) + 1) == found.indptr[1:][found.user[1:]])]] = True
    splittable = int((lengths >= 2).sum())
    starts = np.unique(found.time[found.indptr[:-1][lengths > 0]], return_counts=True)[1]
    early = unset(found.time)
    ordinal = found.n_users > 1 and int(starts.max(initial=0)) >= REPEATS * found.n_users
    ordinal &= not _are_dates(found.time)
    order = "their item ids" if of_graph else "the file's rows, from below if these are newest first"
    heavy = adjacent > 0 and int(tied.sum()) / adjacent > 0.1
    return [
        Finding(
            "warning" if heavy else "note",
            "events at the same time as the user's one before",
            int(tied.sum()),
            f"their order is that of {order}; other orders move the figures, so report several",
            int(tied.sum()) / max(adjacent, 1),
        ),
        Finding(
            "warning" if heavy else "note",
            "users whose last two events share their time",
            int(last_two.sum()),
            "which of them is validation and which is test is arbitrary",
            int(last_two.sum()) / max(splittable, 1),
            examples(found.user_ids[last_two]),
        ),
        Finding(
            "warning",
            "events at time 0, the beginning of 1970, although most are later",
            int(early.sum()),
            "they probably have no time, and are before all others of their user; leave them out with --skip-bad-rows",
            int(early.sum()) / max(len(found), 1),
            examples(found.user_ids[np.unique(found.user[early])]),
        ),
        Finding(
            "warning",
            "times begin at the same value for nearly every user",
            int(ordinal),
            "they seem to number a history and to say nothing between users; use leave-one-out, not the temporal split",
        ),
    ]


def _are_dates(times: NDArray[np.float64]) -> bool:
    """Return whether times are seconds since 1970, and not numbers that count events."""
    return bool(len(times)) and float(np.median(times)) > _DATES
