"""Keeps the DataFrames that a training is given as files, and their triples as an embedded graph.

A run of DataFrames is then a run of files: it is resumed, refreshed and evaluated as any other. Folders are named after
the content, so that the same tables are stored, and their graph is loaded, only once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from kptoolkit.config import GRAPH_DATA, Config
from kptoolkit.data.event_files import reading_of
from kptoolkit.data.interactions import read_interactions, write_notice
from kptoolkit.errors import InputError
from kptoolkit.graph import Graph
from kptoolkit.graph.sources.frame_files import frame_source, write_graph_files
from kptoolkit.knowledge.prepare import data_dir
from kptoolkit.progress import ProgressCallback
from kptoolkit.storage.arrays import checksum
from kptoolkit.storage.atomic import write_text
from kptoolkit.storage.layouts.frames import DataFrame, errors_of_frames, write_frames

KEPT = Path(".kptool/frames")
"""Folder in which DataFrames and their graphs are kept, unless another one is given."""
_LOADED, _EVENTS = "loaded", ("interactions", "items")


@dataclass(frozen=True)
class KeptFrames:
    """The DataFrames of a training as files.

    Attributes:
        config: Settings that name the files and the graph.
        data: Folder of ``interactions.parquet`` and ``items.parquet``; ``None`` if no interactions were given.
        graph: Folder of the triples and of their graph; ``None`` if no triples were given.
    """

    config: Config
    data: Path | None = None
    graph: Path | None = None

    def errors(self) -> AbstractContextManager[None]:
        """Let errors about the files name the DataFrames."""
        return errors_of_frames(self.data, self.graph)

    @contextmanager
    def opened(self, progress: ProgressCallback) -> Iterator[Graph | None]:
        """Open the graph of the triples, after loading it if it is not what was loaded; ``None`` without triples.

        Raises:
            GraphLockedError: Another process has it open.
            LoadError: The graph does not contain what was sent.
        """
        if self.graph is None:
            yield None
            return
        marker = self.graph / _LOADED
        with Graph.open(config=self.config.graph) as graph:
            loaded = marker.read_text(encoding="utf-8") if marker.is_file() else None
            if loaded is None or loaded != graph.fingerprint():
                mode = "upsert" if loaded is None else "replace"
                graph.load(frame_source(self.graph), mode=mode, progress=progress)  # type: ignore[arg-type]
                write_text(marker, graph.fingerprint())
            yield graph


def keep_frames(config: Config, frames: Mapping[str, DataFrame | None], folder: Path, notice: str = "") -> KeptFrames:
    """Write the DataFrames of a training to files, and name these in its settings.

    Args:
        config: Settings.
        frames: ``interactions``, ``items``, ``triples``, ``names`` and ``links``; ``None`` for those not given.
        folder: Where they are kept.
        notice: Notice of the interactions, one line; it is kept as a file ``NOTICE`` next to them.

    Raises:
        InputError: ``items`` or a notice are given without ``interactions``, or ``names`` or ``links`` without
            ``triples``; or the notice has several lines, or is too long.
        DataError: A DataFrame cannot be read.
    """
    given = {name: frame for name, frame in frames.items() if frame is not None}
    for name, other in (("items", "interactions"), ("names", "triples"), ("links", "triples")):
        if name in given and other not in given:
            raise InputError(f"{name} needs {other} as well")
    if notice and "interactions" not in given:
        raise InputError("notice needs interactions as well; files of interactions have a file NOTICE next to them")
    data = graph = None
    folder = folder.absolute()
    if "interactions" in given:
        events = {name: frame for name, frame in given.items() if name in _EVENTS}
        data = _kept(folder, "data", partial(_write_data, frames=events, notice=notice))
        file = data / "interactions.parquet"
        config = config.model_copy(update={"data": config.data.model_copy(update={"dir": file})})
    if "triples" in given:
        facts = {name: frame for name, frame in given.items() if name != "interactions"}
        with errors_of_frames(data):
            ids = None if "links" in given else _item_ids(config)
        graph = _kept(folder, "graph", partial(write_graph_files, frames=facts, item_ids=ids))
        where = {"uri": f"embedded:{graph / 'kg'}", "username": None, "password": None, "database": None}
        config = config.model_copy(update={"graph": config.graph.model_copy(update=where)})
    return KeptFrames(config, data, graph)


def _write_data(folder: Path, frames: Mapping[str, DataFrame], notice: str) -> None:
    write_frames(folder, frames)
    write_notice(folder, notice)


def _item_ids(config: Config) -> list[str]:
    """Ids of the items of the interactions.

    Raises:
        InputError: The interactions are in a graph, which the triples replace.
    """
    data = data_dir(config)
    if data == GRAPH_DATA:
        raise InputError("data.dir is graph:, and triples take the place of the graph; give interactions as well")
    found, _ = read_interactions(data, reading_of(config.data))
    return [str(item) for item in found.item_ids]


def _kept(folder: Path, kind: str, write: Callable[[Path], None]) -> Path:
    """Write files into a folder that is named after their content."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=f".{kind}-") as temporary:
        new = Path(temporary) / kind
        new.mkdir()
        write(new)
        sums = [f"{path.name} {checksum(path)}" for path in sorted(new.iterdir())]
        kept = folder / f"{kind}-{hashlib.sha256(' '.join(sums).encode()).hexdigest()[:16]}"
        try:
            new.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
    return kept
