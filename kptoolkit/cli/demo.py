"""``kptool demo``: the whole run on the bundled data, explained step by step."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.evaluation_output import show_evaluation
from kptoolkit.cli.session import Session, command
from kptoolkit.config import Config, to_toml
from kptoolkit.errors import InputError
from kptoolkit.resources import demo_data_dir
from kptoolkit.storage.atomic import remove_quietly, write_text
from kptoolkit.storage.replacement import is_own

if TYPE_CHECKING:
    from kptoolkit.graph import Graph
    from kptoolkit.runs.run import Run

READER, BOOK = "Ada Finch", "Twenty Thousand Leagues Under the Seas"
_MARK = "kptool-demo"


@command(app, "demo", example="kptool demo ./kptool-demo")
def demo(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to write into.")] = Path("kptool-demo"),
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.05, help="Maximum minutes for each of the two trainings.")
    ] = 0.9,
) -> None:
    """Load, render, draw, train, evaluate and recommend on the bundled data, in three minutes, without a server."""
    data = begin(folder)
    session.environ = {}
    session.config_file = folder / "kptool.toml"
    session.config_file.touch()
    config = session.config(**_settings(folder, data, minutes))
    write_text(folder / "kptool.toml", to_toml(config))
    _graph(session, config, folder)
    run = _train(session, config)
    _recommend(session, run)
    _farewell(session, folder)


def _settings(folder: Path, data: Path, minutes: float) -> dict[str, object]:
    return {
        "graph__uri": f"embedded:{folder / 'kg'}",
        "graph__cache": folder / "neighbourhoods",
        "prompts__cache": folder / "prompts",
        "data__dir": data,
        "run__dir": folder / "run",
        "prompts__pack": "books",
        "training__max_minutes": minutes,
        "training__epochs": 60,
        "training__warmup_steps": 30,
        "training__eval_every": 3,
    }


def begin(folder: Path) -> Path:
    """Make an empty folder, or empty that of an earlier demo, also of a killed one; copy the bundled data into it.

    Returns:
        The folder with the data.

    Raises:
        InputError: The folder has other files.
    """
    mark, data = folder / _MARK, folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if not mark.is_file():
        if not all(is_own(entry.name) for entry in folder.iterdir()):
            raise InputError(f"{folder} is not empty and not of an earlier demo; give another folder: kptool demo DIR")
        write_text(mark, "The next `kptool demo` into this folder empties it.\n")
    for entry in sorted(folder.iterdir()):
        if entry != mark:
            remove_quietly(entry)
    shutil.copytree(demo_data_dir(), data, ignore=shutil.ignore_patterns("facts", "__pycache__", "*.py"))
    return data


def _graph(session: Session, config: Config, folder: Path) -> None:
    from kptoolkit.graph import Graph, open_source

    _title(session, 1, "The knowledge graph", "Facts about public-domain books go into an embedded graph database.")
    with Graph.open(config=config.graph) as graph:
        with session.progress() as progress:
            report = graph.load(open_source([config.data.dir or folder]), progress=progress)
        rows = [[name, count] for name, count in report.graph.items()]
        session.table("In the graph, counted there and equal to what was sent", ["what", "count"], rows)
        _prompts(session, config, graph, folder)


def _prompts(session: Session, config: Config, graph: Graph, folder: Path) -> None:
    from kptoolkit.prompts import TemplatePack
    from kptoolkit.tree import KnowledgeTree
    from kptoolkit.tree.draw.output import draw

    _title(
        session, 2, f"What the graph says about “{BOOK}”", "Templates turn triples into triplet prompts, hop by hop."
    )
    pack = TemplatePack.load(config.prompts.pack)
    tree = KnowledgeTree.of_items(graph, [BOOK], pack, config.tree, degree=3)
    session.out.print(f"MPP: {tree.mpp_text}", highlight=False, markup=False)
    for item in tree.by_hop():
        for hop, sentences in item.hops.items():
            for sentence in sentences:
                session.out.print(f"  hop {hop}: {sentence}", highlight=False, markup=False)
    _title(session, 3, "The knowledge tree and its mask", "A token sees its own node, the parent, children, siblings.")
    picture = folder / "tree.png"
    draw(tree, picture)
    session.out.print(f"drawn: {picture}", highlight=False, markup=False)


def _train(session: Session, config: Config) -> Run:
    from kptoolkit import pipeline

    _title(
        session, 4, "Training", "A tiny T5 learns every reader's next book; then a control does so without knowledge."
    )
    with session.progress() as progress:
        run = pipeline.fit(config, progress=progress)
    with session.progress() as progress:
        result = pipeline.evaluate(run, controls=("no-knowledge",), progress=progress)
    _title(session, 5, "Evaluation", "Each reader's last book, ranked among all books not yet read.")
    show_evaluation(session, str(run.folder), result)
    return run


def _recommend(session: Session, run: Run) -> None:
    _title(session, 6, f"What should {READER} read next?", "The five best books outside the reader's history.")
    history = run.interactions.history_of(READER)[-3:]
    latest = ", ".join(str(run.catalogue.names[item]) for item in history)
    session.out.print(f"latest three: {latest}", highlight=False, markup=False)
    frame = run.recommend(READER, k=5)
    session.table(f"Next for {READER}", list(frame.columns), frame.values.tolist(), caption=run.notice)


def _farewell(session: Session, folder: Path) -> None:
    _title(session, 7, "The files", "")
    for name, what in (
        ("kptool.toml", "settings of this run"),
        ("tree.png", "the drawing"),
        ("data/", "facts and simulated readers"),
        ("kg/", "the embedded graph"),
        ("run/", "model, metrics, per-user results, manifest"),
    ):
        session.out.print(f"  {folder / name}  {what}", highlight=False, markup=False, soft_wrap=True)
    config = f"--config {folder / 'kptool.toml'}"
    session.out.print("\nTry next:", highlight=False)
    for line in (
        f"kptool recommend {folder / 'run'} --items 'Emma,Jane Eyre'",
        f"kptool tree --user '{READER}' --output tree.html {config}",
        f"kptool render-prompts --item Emma --hops 2 {config}",
        f"kptool templates coverage {config}",
        "kptool init my-recommender",
    ):
        session.out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _title(session: Session, number: int, title: str, text: str) -> None:
    session.out.print(f"\n[bold]{number}. {title}[/bold]", highlight=False)
    if text:
        session.out.print(text, highlight=False, markup=False)
