"""``kptool init``: a folder to start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.config import Config, describe
from kptoolkit.errors import InputError
from kptoolkit.resources import cypher_dir, pack_dir


@command(app, "init", example="kptool init my-recommender --pack generic")
def init(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path("."),
    pack: Annotated[str, typer.Option("--pack", help="Shipped pack to start from.")] = "generic",
) -> None:
    """Write a commented kptool.toml, a template pack and the Cypher files, all to be edited."""
    source = pack_dir(pack)
    targets = [folder / "kptool.toml", folder / "templates" / source.name, folder / "cypher"]
    for target in targets:
        if target.exists():
            raise InputError(f"{target} is there already; nothing was written. Give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, targets[1])
    shutil.copytree(cypher_dir(), targets[2])
    targets[0].write_text(commented_toml(), encoding="utf-8")
    for target in targets:
        session.say(f"wrote {target}")
    session.say(
        f"next: edit {targets[0]}; to use the copies set prompts.pack and graph.cypher there; then "
        "kptool load-kg SOURCE and kptool fit --data DIR"
    )


def commented_toml() -> str:
    """Every setting with its default and its description, commented out; without a default nothing follows the =."""
    lines = ["# Settings of kptool; every line shows a default. Remove the # of a line to change it.", ""]
    section = ""
    for dotted, default, text in describe(Config):
        if dotted.partition(".")[0] != section:
            section = dotted.partition(".")[0]
            lines += ["", f"[{section}]"]
        lines += [f"# {text}", f"# {dotted.partition('.')[2]} = {_value(default)}".rstrip()]
    return "\n".join(lines) + "\n"


def _value(default: str) -> str:
    if not default:
        return ""
    if default in ("True", "False"):
        return default.lower()
    if default.startswith("("):
        return f"[{default.strip('()')}]"
    try:
        float(default)
    except ValueError:
        return f'"{default}"'
    return default
