"""The inputs of a training, read from the folder of a run; no graph is needed."""

from __future__ import annotations

from dataclasses import replace

from kptoolkit.config import GRAPH_DATA, Config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.event_files import reading_of
from kptoolkit.data.interactions import read_interactions
from kptoolkit.errors import RunError
from kptoolkit.knowledge.prepare import Prepared, data_dir
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import TemplatePack
from kptoolkit.prompts.pack_hash import text_hash
from kptoolkit.runs.run import Run


def inputs_of(
    run: Run, settings: Config, catalogue: Catalogue | None = None, progress: ProgressCallback = silent
) -> Prepared:
    """Read the inputs of a run.

    Args:
        run: A run, finished or not.
        settings: Settings of the training.
        catalogue: The items, instead of the run's own; the same rows.
        progress: Progress callback.
    """
    catalogue = catalogue or run.catalogue
    knowledge = replace(run.knowledge_source(), catalogue=catalogue, progress=progress)
    return Prepared(settings, run.interactions, run.split, catalogue, knowledge, run.manifest.fingerprints["graph"])


def inputs_to_resume(
    run: Run,
    settings: Config,
    pack: TemplatePack | None = None,
    progress: ProgressCallback = silent,
    *,
    changed: bool = False,
) -> Prepared:
    """Read the inputs of an interrupted training: its knowledge is that of its beginning, whatever the graph has now.

    Args:
        run: The unfinished run.
        settings: Settings of the training.
        pack: Template pack made in Python; it has to say what the run's own says.
        progress: Gets the date of the knowledge.
        changed: Whether the inputs were changed after they were read; the events are not compared then.

    Raises:
        RunError: The interactions have changed since, or the pack is another one.
        DataError: They cannot be read.
    """
    data = data_dir(settings)
    if data != GRAPH_DATA and not changed:
        events, _ = read_interactions(data, reading_of(settings.data))
        run.files.require_same({"interactions": events.content_hash()}, run.manifest)
    if pack is not None and text_hash(pack.with_labels(run.pack.graph_labels)) != text_hash(run.pack):
        raise RunError(
            f"{run.folder} was begun with another template pack; give the same, another run, or overwrite=True"
        )
    run.files.write_settings(settings, run.manifest)
    found = inputs_of(run, settings, progress=progress)
    items, date = len(found.catalogue), run.manifest.reports.get("fetched", "the beginning of the training")
    progress(ProgressEvent(f"knowledge of the unfinished run, fetched {date}", items, items, "items"))
    return found
