"""A run: a trained recommender with its catalogue and histories; recommends without a graph."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.arguments import checked
from kptoolkit.config import Config, validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.event_files import reading_of
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.interactions import Interactions
from kptoolkit.data.splits import Split
from kptoolkit.errors import DataError, InputError, RunError
from kptoolkit.evaluation.table import Evaluation
from kptoolkit.graph import Graph
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.prepare import split_of
from kptoolkit.models import AcceptsNewItems, Backend, backend_class
from kptoolkit.models.backend import beam_search_of
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.names import SplitName, quantity
from kptoolkit.notebook.html_tables import facts_html
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import TemplatePack
from kptoolkit.resources import Trust, check_settings, without_program
from kptoolkit.runs.manifest import Manifest, facts_of
from kptoolkit.runs.many_histories import Skipped, allowed_items, histories_by_name, interactions_of
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.storage.layouts.frames import DataFrame
from kptoolkit.storage.table_files import write_table_file


class Run:
    """A finished run, opened by :meth:`load`, which checks its folder.

    Args:
        folder: Folder that ``fit`` wrote.
        manifest: Its manifest.
        evaluation: Settings of ``[evaluation]`` to use in place of the run's own.
        trust_code: Whether code that it names may be run, see :meth:`load`.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        evaluation: Mapping[str, Any] | None = None,
        *,
        trust_code: Trust = False,
    ) -> None:
        self.folder, self.manifest, self._evaluation = folder, manifest, evaluation or {}
        self.trust_code = trust_code
        self.files = RunFolder(folder, opened=manifest)
        self._own_users, self.skipped = True, Skipped()

    evaluator: ClassVar[Callable[..., Evaluation]]
    """Ranks and compares, for :meth:`evaluate`; set by :mod:`kptoolkit.pipeline` when it is imported."""
    explainer: ClassVar[Callable[..., list[Any]]]
    """Explains recommendations, for :meth:`explain`; set by :mod:`kptoolkit.explain` when it is imported."""

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return what was trained on what as a notebook shows it."""
        return facts_html(repr(self), facts_of(self.manifest))

    @classmethod
    @checked
    def load(cls, folder: str | Path, evaluation: Mapping[str, Any] | None = None, *, trust_code: Trust = False) -> Run:
        """Open a finished run. Code that a run names is not executed unless it is trusted or of an installed package.

        Args:
            folder: Folder that ``fit`` wrote.
            evaluation: Settings of ``[evaluation]`` to use in place of the run's own, such as ``{"explained": 500}``.
            trust_code: Whether code that the run names may be executed: its backend, its ranking, the filters of its
                pack, and the Python of ``evaluation.rectools``; or the code that may, such as
                ``{"my_package.markov:MarkovBackend"}``. The pack is read when it is first needed.

        Raises:
            RunError: Not a run, an unfinished one, or a damaged one; the message names the part.
            ConfigError: Its backend or its ranking is code that is not trusted.
        """
        files = RunFolder(folder)
        run = cls(files.path, files.open(), evaluation, trust_code=trust_code)
        check_settings(run.files.settings(), trust_code, f"run {folder}")
        return run

    @cached_property
    def config(self) -> Config:
        """The settings of the training; ``[evaluation]`` as given when the run was opened.

        A program that the run names, ``evaluation.rectools``, is left out unless it is trusted.

        Raises:
            ConfigError: A setting given when the run was opened is unknown or has a bad value.
        """
        settings = without_program(self.files.settings(), self.trust_code)
        return validate(Config, settings | {"evaluation": {**settings.get("evaluation", {}), **self._evaluation}})

    @property
    def refresh_advice(self) -> str:
        """The command that adds new facts and items; empty if the backend ranks only items that it was trained on."""
        if not issubclass(backend_class(self.config.model.backend), AcceptsNewItems):
            return ""
        return f"`kptool compile {shlex.quote(str(self.folder))} --refresh` adds what is new in the graph"

    @property
    def notice(self) -> str:
        """Notice that must be shown with every result of this data; empty for most."""
        return str(self.manifest.reports.get("notice", ""))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.files.catalogue()

    @cached_property
    def interactions(self) -> Interactions:
        """The events that it was trained on and is evaluated on."""
        return self.files.interactions()

    @cached_property
    def split(self) -> Split:
        """The split of the events: training histories, validation and test cases."""
        return split_of(self.interactions, self.config.data)

    @cached_property
    def training_histories(self) -> Histories:
        """The training histories of the run, also where its users have other histories."""
        return (self.split if self._own_users else split_of(self.files.interactions(), self.config.data)).train

    @cached_property
    def recommender(self) -> Recommender:
        """The trained backend with the score parts."""
        found, items = self.files.recommender(self.config), len(self.catalogue)
        if len(found.parts.events) != items:
            raise RunError(f"run {self.files} is damaged: its score parts are not those of {quantity(items, 'items')}")
        return found

    @checked
    def score(self, cases: Cases) -> NDArray[np.floating[Any]]:
        """Scores of the whole catalogue, ``(N, n_items)``, for N histories; higher is better, never NaN."""
        return self.recommender.score(cases)

    @checked
    def evaluate(
        self,
        *,
        split: SplitName = "test",
        controls: Sequence[str] = (),
        baselines: Sequence[str] = (),
        beam: bool = False,
        explain: bool = False,
        progress: ProgressCallback = shown,
    ) -> Evaluation:
        """Rank the full catalogue for every case, and compare with baselines and controls.

        Arguments and errors are those of :func:`kptoolkit.evaluate`. A notebook shows the result as a table, and
        :meth:`Evaluation.frame` returns it as a DataFrame.
        """
        how = {"controls": controls, "baselines": baselines, "beam": beam, "explain": explain, "progress": progress}
        return type(self).evaluator(self, split=split, **how)

    @checked
    def explain(
        self,
        user: str | None = None,
        items: Sequence[str] | None = None,
        k: int = 10,
        *,
        graph: Graph | None = None,
        with_seen: bool = False,
        **limits: int,
    ) -> list[Any]:
        """Recommend items and explain them: parts of the score, triplets that mattered, and paths in the graph.

        Arguments, result and errors are those of :func:`kptoolkit.explain`; ``limits`` are its ``triplets`` and
        ``paths``.
        """
        return type(self).explainer(self, user, items, k, graph=graph, with_seen=with_seen, **limits)

    def release(self) -> None:
        """Free the memory of the trained model; it is read again when it is needed."""
        vars(self).pop("recommender", None)

    @property
    def backend(self) -> Backend:
        """The trained backend, without the score parts."""
        return self.recommender.backend

    @cached_property
    def pack(self) -> TemplatePack:
        """The template pack."""
        return self.files.pack(trust_code=self.trust_code)

    def knowledge_source(self) -> KnowledgeSource:
        """Create the knowledge that the run was trained with from its own files; no graph is needed."""
        config = self.config
        return KnowledgeSource(
            self.files.neighbourhoods(),
            self.catalogue,
            self.pack,
            config.tree,
            config.prompts,
            config.graph.max_degree,
            cache=config.prompts.cache,
        )

    @property
    def users(self) -> list[str]:
        """Ids of the users with a history, sorted; any of them can be given to :meth:`recommend`."""
        return [str(user) for user in self.interactions.user_ids[self._users]]

    @property
    def has_own_interactions(self) -> bool:
        """Whether it has the interactions that it was trained on, not those of :meth:`with_interactions`."""
        return self._own_users

    @checked
    def with_interactions(self, interactions: Interactions | DataFrame) -> Run:
        """Return this run with other histories, e.g. newer ones; model and catalogue stay the same.

        Events with items that are not in the catalogue are left out and counted in ``skipped`` of the result. The
        result recommends; it is not evaluated, because results in the folder are those of the run's own interactions.

        Args:
            interactions: Interactions, or a DataFrame of them with the columns that files have.

        Raises:
            DataError: The DataFrame is wrong.
            RunError: No event has an item of the catalogue.
        """
        if not isinstance(interactions, Interactions):
            interactions = interactions_of(interactions, reading_of(self.config.data))
        other = Run(self.folder, self.manifest, self._evaluation, trust_code=self.trust_code)
        try:
            other.interactions, events = interactions.restrict_to(self.catalogue.item_ids)
        except DataError as error:
            raise RunError(f"run {self.folder} and these interactions do not belong together: {error}") from error
        other._own_users = False
        unknown = sorted(set(map(str, interactions.item_ids)) - set(map(str, self.catalogue.item_ids)))
        users = len(interactions.user_ids) - len(np.unique(other.interactions.user))
        advice = self.refresh_advice or "train again to add them"
        other.skipped = Skipped(tuple(unknown), events, users, advice)
        return other

    @checked
    def recommend(
        self,
        user: str | None = None,
        items: Sequence[str] | None = None,
        k: int = 10,
        *,
        histories: Mapping[str, Sequence[str]] | DataFrame | None = None,
        exclude: Sequence[str] = (),
        candidates: Sequence[str] | None = None,
        with_seen: bool = False,
        beam: bool = False,
    ) -> pd.DataFrame:
        """Recommend the ``k`` best next items for a known user, for a history, or for many histories.

        Args:
            user: User id; the history is all events of the user.
            items: A history by item id, entity id or exact name, oldest first; instead of ``user``. Of an item that is
                repeated the first stays, as in files.
            k: Number of items.
            histories: Many histories, instead of ``user`` and ``items``: such lists of items by user, or a DataFrame
                with the columns that files of interactions have. In a DataFrame, events with items that are not in the
                catalogue are left out, and so are users without any other event.
            exclude: Items that are not recommended, by item id, entity id or exact name.
            candidates: The only items that may be recommended; ``None`` for all.
            with_seen: Whether items of the history may be recommended again.
            beam: Whether to search by beams with the backend alone, as the paper does, instead of ranking the
                catalogue by all score parts.

        Returns:
            Columns ``rank``, ``item_id``, ``title`` (its id for an item without one) and ``score`` (the sum of the
            score parts, or with ``beam`` a log-likelihood), best first. With ``histories``, ``user_id`` comes first.

        Raises:
            UnknownNameError: No such user or item.
            AmbiguousNameError: Several items have the name.
            DataError: The DataFrame of ``histories`` is wrong.
            RunError: It has no item of the catalogue.
            InputError: Not one of ``user``, ``items`` and ``histories``, no history, no item left to recommend, ``k``
                below 1, or ``beam`` with ``with_seen`` (beam search never offers items of the history), with
                ``histories``, ``exclude`` or ``candidates``, or with a backend without beam search.
        """
        _check_k(k)
        if beam and (histories is not None or len(exclude) or candidates is not None):
            raise InputError("beam search takes no histories, exclude or candidates; leave them or beam out")
        allowed = allowed_items(self.catalogue, exclude, candidates)
        if histories is not None:
            if user is not None or items is not None:
                raise InputError("give either a user, a list of items, or histories")
            return self._recommend_many(histories, k, with_seen, allowed)
        if beam and with_seen:
            raise InputError("beam search never offers items of the history; leave out beam or with_seen")
        if beam:
            beam_search_of(self.backend)
        cases = self.case_of(user, items)
        if beam:
            return self._beam(cases, k)
        best, scores = top_k(self.score(cases), cases, k, with_seen=with_seen, allowed=allowed)
        return self._frame(best[0], scores[0])

    def _recommend_many(
        self,
        given: Mapping[str, Sequence[str]] | DataFrame,
        k: int,
        with_seen: bool,
        allowed: NDArray[np.bool_] | None,
    ) -> pd.DataFrame:
        if isinstance(given, Mapping):
            users, histories = histories_by_name(given, self.catalogue)
        else:
            other = self.with_interactions(given)
            if other.skipped.items:
                warnings.warn(other.skipped.message, stacklevel=4)
            users, histories = (
                other.interactions.user_ids[other._users],
                other.interactions.histories.take(other._users),
            )
        size, parts = self.config.evaluation.batch_size, []
        for first in range(0, len(users), size):
            own = np.arange(first, min(first + size, len(users)))
            cases = Cases.of(histories.take(own), user=np.full(len(own), -1, dtype=np.int32))
            parts.append(self._ranked(cases, users[own], k, with_seen, allowed))
        return pd.concat(parts, ignore_index=True)

    @checked
    def case_of(self, user: str | None = None, items: Sequence[str] | None = None) -> Cases:
        """Create the case that :meth:`recommend` scores; arguments and errors as there."""
        if (user is None) == (items is None):
            raise InputError("give either a user or a list of items")
        history = self.catalogue.history_of(items) if items is not None else self.interactions.history_of(str(user))
        if len(history) == 0:
            why = "" if user is None else self.skipped.message
            raise InputError(f"the history is empty; {why or 'give at least one item'}")
        number = -1 if user is None else self.interactions.user_number(user)
        return self._cases(Histories.of([list(history)]), np.array([number]))

    @checked
    def recommend_all(
        self,
        path: str | Path,
        k: int = 10,
        *,
        exclude: Sequence[str] = (),
        candidates: Sequence[str] | None = None,
        with_seen: bool = False,
        progress: ProgressCallback = shown,
    ) -> int:
        """Write the ``k`` best items of every user to a file, chunk by chunk and atomically.

        Columns ``user_id``, ``rank``, ``item_id``, ``title``, ``score``.

        Args:
            path: The file: ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``.
            k: Number of items per user.
            exclude: Items that are not recommended, as in :meth:`recommend`.
            candidates: The only items that may be recommended; ``None`` for all.
            with_seen: Whether items of the history may be recommended again.
            progress: Progress callback.

        Returns:
            The number of users; those without an item of the catalogue are left out.

        Raises:
            InputError: The suffix is another one, the folder of the file does not exist, ``k`` is below 1, or no item
                is left to recommend.
            UnknownNameError: No such item.
            AmbiguousNameError: Several items have the name.
        """
        allowed = allowed_items(self.catalogue, exclude, candidates)
        write_table_file(path, self.chunks(k, with_seen=with_seen, allowed=allowed, progress=progress))
        return len(self._users)

    @property
    def _users(self) -> NDArray[np.int64]:
        """Numbers of the users with a history."""
        return np.flatnonzero(self.interactions.histories.lengths)

    def chunks(
        self,
        k: int = 10,
        *,
        with_seen: bool = False,
        allowed: NDArray[np.bool_] | None = None,
        progress: ProgressCallback = silent,
    ) -> Iterator[pd.DataFrame]:
        """Yield the ``k`` best items of every user, some users at a time; columns as in :meth:`recommend_all`.

        Args:
            k: Number of items per user.
            with_seen: Whether items of the history may be recommended again.
            allowed: ``(n_items,)`` items that may be recommended; ``None`` for all.
            progress: Progress callback.
        """
        _check_k(k)
        users, size = self._users, self.config.evaluation.batch_size
        for first in range(0, len(users), size):
            numbers = users[first : first + size]
            cases = self._cases(self.interactions.histories.take(numbers), numbers)
            yield self._ranked(cases, self.interactions.user_ids[numbers], k, with_seen, allowed)
            progress(ProgressEvent("recommend", first + len(numbers), len(users), "users"))

    def _cases(self, histories: Histories, users: NDArray[np.int64]) -> Cases:
        return Cases.of(histories, user=(users if self._own_users else np.full(len(users), -1)).astype(np.int32))

    def _ranked(
        self,
        cases: Cases,
        users: NDArray[Any],
        k: int,
        with_seen: bool,
        allowed: NDArray[np.bool_] | None = None,
    ) -> pd.DataFrame:
        """The best items of each case, with its user."""
        best, scores = top_k(self.score(cases), cases, k, with_seen=with_seen, allowed=allowed)
        row, place = np.nonzero(best >= 0)  # left-out items come last
        items = best[row, place]
        return pd.DataFrame(
            {
                "user_id": users[row].astype(str).astype(object),
                "rank": place + 1,
                "item_id": self.catalogue.item_ids[items],
                "title": self.catalogue.names[items],
                "score": scores[row, place],
            }
        )

    def _beam(self, cases: Cases, k: int) -> pd.DataFrame:
        best, scores = beam_search_of(self.backend).beam_search(cases, k, max(k, self.config.evaluation.beams))
        return self._frame(best[0], scores[0])

    def _frame(self, rows: NDArray[np.int64], scores: NDArray[np.floating[Any]]) -> pd.DataFrame:
        kept = rows >= 0
        rows, scores = rows[kept], scores[kept]
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(rows) + 1),
                "item_id": [str(self.catalogue.item_ids[row]) for row in rows],
                "title": [str(self.catalogue.names[row]) for row in rows],
                "score": scores,
            }
        )


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k is {k}; ask for at least one item")


def top_k(
    scores: NDArray[np.floating[Any]],
    cases: Cases,
    k: int,
    *,
    with_seen: bool = False,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """Return the ``k`` best items of each case; equal scores keep the order of the catalogue.

    Args:
        scores: ``(N, n_items)``.
        cases: N histories; their items are left out unless ``with_seen``.
        k: At most this many; items that are left out are -1 with score -inf.
        with_seen: Whether items of the histories may be returned.
        allowed: ``(n_items,)`` items that may be returned; ``None`` for all.

    Returns:
        Items and scores, both ``(N, min(k, n_items))``.
    """
    scores = scores.copy()
    if not with_seen:
        scores[cases.histories.rows, cases.items] = -np.inf
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    k = min(k, scores.shape[1])
    least = np.partition(scores, -k, axis=1)[:, -k, None]  # (N, 1) the k-th best score
    above, level = scores > least, scores == least
    level &= np.cumsum(level, axis=1) <= k - above.sum(axis=1, keepdims=True)
    chosen = np.nonzero(above | level)[1].reshape(len(scores), k)  # in catalogue order
    best = np.take_along_axis(scores, chosen, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return np.where(best > -np.inf, np.take_along_axis(chosen, order, axis=1), -1), best
