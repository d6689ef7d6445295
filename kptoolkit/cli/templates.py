"""``kptool templates``: list, show, check and draft template packs, and compare them with a graph."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.command_group import CommandGroup
from kptoolkit.cli.session import Session, command
from kptoolkit.errors import InputError, TemplateError
from kptoolkit.names import quantity
from kptoolkit.prompts import (
    Coverage,
    Draft,
    Finding,
    RelationTemplates,
    TemplatePack,
    check_pack,
    load_auto,
    pack_names,
)
from kptoolkit.prompts.drafting.draft_pack import DraftedRelation
from kptoolkit.prompts.reading.pack_sources import project_packs
from kptoolkit.resources import shipped_packs

MISTAKES_FOUND = 2
HEAD, TAIL = "Alpha", "Beta"

templates_app = typer.Typer(cls=CommandGroup, help="Template packs: the sentences of prompts.", no_args_is_help=True)
app.add_typer(templates_app, name="templates")


@command(templates_app, "list", example="kptool templates list", results=True)
def list_packs(session: Session) -> None:
    """List the shipped and the installed packs, and those in the folder templates."""
    packs: list[TemplatePack] = []
    for name in [*pack_names(), *_own_packs()]:
        try:
            packs.append(TemplatePack.load(name, trust_code=False))
        except TemplateError as error:
            session.warn(str(error))
    keys = ("name", "domain", "language", "relations", "mpp", "description")
    rows = [[p.name, p.domain, p.language, len(p.relations), len(p.mpp), p.description] for p in packs]
    if session.json:
        session.emit([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        session.table("Template packs", list(keys), rows)


@command(templates_app, "show", example="kptool templates show movies", packs=True, results=True)
def show(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(help="Name of a pack, or its folder; by default the one of the settings.")
    ] = None,
) -> None:
    """Show all sentences of a pack."""
    pack = TemplatePack.load(_chosen(session, name), trust_code=session.trust_code)
    if session.json:
        session.emit(_pack_values(pack))
    else:
        session.lines(_pack_lines(pack))


def _own_packs() -> list[str]:
    """Folders of the project's packs; a checkout's own ``templates`` are the shipped ones."""
    shipped = {folder.resolve() for folder in shipped_packs()}
    return [str(folder) for folder in project_packs().values() if folder.resolve() not in shipped]


def _chosen(session: Session, name: str | None) -> str:
    """The pack that is meant: the one of the settings without a name, and where its folder has the name."""
    configured = session.config().prompts.pack
    return configured if name is None or Path(configured).name == name else name


@command(templates_app, "check", example="kptool templates check templates/movies", packs=True, results=True)
def check(
    session: Session,
    packs: Annotated[list[str] | None, typer.Argument(help="Names or folders; by default all packs.")] = None,
) -> None:
    """Check packs: syntax, variables, slots, ids, hostile names, unsafe expressions. The exit code is 2 on any mistake.

    Filters that no installed package names are mistakes, and are run only with --trust-code.
    """
    names = packs or [*pack_names(), *_own_packs()]
    found = {name: check_pack(name, trust_code=session.trust_code) for name in names}
    if session.json:
        session.emit([{"pack": name, "findings": [asdict(f) for f in findings]} for name, findings in found.items()])
    else:
        _print_findings(session, found)
    if any(found.values()):
        raise typer.Exit(MISTAKES_FOUND)


@command(
    templates_app,
    "coverage",
    example="kptool templates coverage --graph embedded:./kg --pack movies",
    graph=True,
    packs=True,
    results=True,
)
def coverage(
    session: Session,
    pack: Annotated[
        str | None, typer.Option("--pack", help="Name or folder; by default the pack that covers most.")
    ] = None,
) -> None:
    """Show which relations of the graph have sentences in a pack, with examples, and which use the fallback."""
    from kptoolkit.graph import Graph
    from kptoolkit.graph.foreign.inspection import inspect

    config = session.config(prompts__pack=pack)
    given, trusted = config.prompts.pack, session.trust_code
    chosen = None if given == "auto" else TemplatePack.load(given, trust_code=trusted)
    with Graph.open(config=session.graph(), create=False) as graph:
        counts = graph.relation_counts()
        if not counts:
            for look in inspect(graph):
                session.warn(f"{look.what}: {look.seen}; {look.advice}")
    chosen = chosen or load_auto(counts)
    _print_coverage(session, chosen, chosen.coverage(counts))


@command(
    templates_app,
    "new",
    example="kptool templates new templates/mine --graph embedded:./kg",
    graph=True,
    packs=True,
    results=True,
)
def new(
    session: Session,
    folder: Annotated[Path, typer.Argument(help="Folder to write; its name becomes the name of the pack.")],
    like: Annotated[
        str | None,
        typer.Option("--like", help="Pack whose sentences are used; default: the one that covers most."),
    ] = None,
    language: Annotated[str | None, typer.Option("--language", help="Language code of the new pack.")] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Triples shown above each relation.")] = 3,
    sentences: Annotated[
        Path | None,
        typer.Option("--sentences", help="JSON file of sentences by relation, [X] for the head and [Y] for the tail."),
    ] = None,
) -> None:
    """Draft a pack for the relations of the graph, with real triples as examples.

    A sentence comes from --sentences, else from the pack of --like, or is a guess from the words in the relation's id,
    for you to correct.
    """
    from kptoolkit.graph import Graph
    from kptoolkit.prompts import Examples, draft_pack, find_examples
    from kptoolkit.prompts.drafting.sentence_files import read_sentences

    if folder.exists():
        raise InputError(f"{folder} is there already; nothing was written. Give another folder")
    model = None if like is None else TemplatePack.load(like, trust_code=session.trust_code)
    given = None if sentences is None else read_sentences(sentences)
    with Graph.open(config=session.graph(), create=False) as graph:
        counts = graph.relation_counts()
        model = (model or load_auto(counts, language)).with_labels(graph.relation_labels())
        with session.progress() as progress:
            seen = find_examples(graph, counts, each=examples, progress=progress) if examples else Examples()
        draft = draft_pack(
            folder.resolve().name,
            counts,
            model,
            examples=seen,
            language=language or model.language,
            sentences=given,
        )
    draft.write(folder)
    if session.json:
        session.emit({"folder": folder, "like": model.name, "relations": [_drafted_values(r) for r in draft.relations]})
    else:
        _print_draft(session, folder, model, draft)


def _drafted_values(drafted: DraftedRelation) -> dict[str, Any]:
    return {
        "relation": drafted.relation,
        "triples": drafted.count,
        "source": drafted.source,
        "forward": drafted.templates.sentences(False),
        "inverse": drafted.templates.sentences(True),
        "examples": drafted.examples,
        "notes": drafted.notes,
    }


def _print_draft(session: Session, folder: Path, like: TemplatePack, draft: Draft) -> None:
    by_source = {"file": "--sentences", "pack": like.name, "words": "words of the id", "neutral": "nothing"}
    rows = []
    for drafted in draft.relations:
        head, tail = drafted.examples[0] if drafted.examples else (HEAD, TAIL)
        sentence = drafted.templates.sentences(False)[0].replace("{{ head }}", head).replace("{{ tail }}", tail)
        rows.append([drafted.relation, drafted.count, by_source[drafted.source], sentence])
    guessed = sum(drafted.source not in ("file", "pack") for drafted in draft.relations)
    guesses = "is a guess, correct it" if len(rows) == 1 else "are guesses, correct them"
    caption = f"{guessed} of {quantity(len(rows), 'relations')} {guesses} in {folder / 'relations.yaml'}"
    session.table(f"Drafted {folder}", ["relation", "triples", "sentence from", "example"], rows, caption=caption)
    session.say(
        f"next: kptool templates check {folder}; then --set prompts.pack={folder}, or prompts.pack in kptool.toml"
    )


def _pack_values(pack: TemplatePack) -> dict[str, Any]:
    def sides(templates: RelationTemplates) -> dict[str, Any]:
        return {"forward": templates.sentences(inverse=False), "inverse": templates.sentences(inverse=True)}

    return {
        **{key: getattr(pack, key) for key in ("name", "domain", "language", "description", "mirrored")},
        "aliases": dict(pack.aliases),
        "filters": sorted(pack.filters),
        "relations": {relation: sides(templates) for relation, templates in pack.relations.items()},
        "fallback": sides(pack.fallback),
        "neutral": sides(pack.neutral),
        "mpp": [template.to_dict() for template in pack.mpp],
    }


def _pack_lines(pack: TemplatePack) -> list[str]:
    lines = [f"{pack.name} ({pack.domain or 'any domain'}, {pack.language}): {pack.description}", "", "Relations"]
    others = {"(other relations)": pack.fallback, "(other relations whose id has no words)": pack.neutral}
    for relation, templates in {**pack.relations, **others}.items():
        also = [alias for alias, target in pack.aliases.items() if target == relation]
        lines.append(f"  {relation}" + (f"   also: {', '.join(also)}" if also else ""))
        lines += [f"    forward  {text}" for text in templates.sentences(inverse=False)]
        lines += [f"    inverse  {text}" for text in templates.sentences(inverse=True)]
    lines += ["", "Masked personalised prompts"]
    lines += [f"  {template.id} ({template.split})  {template.text}" for template in pack.mpp]
    return lines


def _print_findings(session: Session, found: dict[str, list[Finding]]) -> None:
    for name, findings in found.items():
        verdict = f"{len(findings)} to fix" if findings else "no mistakes"
        session.lines([f"{name}: {verdict}"])
        for finding in findings:
            weight = "" if finding.fatal else " (the pack loads all the same)"
            session.lines([f"  {finding}{weight}", *(f"      {line}" for line in finding.excerpt())])


def _print_coverage(session: Session, pack: TemplatePack, covered: Coverage) -> None:
    rows = [
        {
            "relation": row.relation,
            "triples": row.count,
            "template": row.template,
            "fallback": row.fallback,
            "example": pack.sentence(HEAD, row.relation, TAIL),
            "inverse": pack.sentence(HEAD, row.relation, TAIL, inverse=True),
        }
        for row in covered.rows
    ]
    if session.json:
        session.emit({"pack": pack.name, "share_of_triples": covered.share_of_triples, "relations": rows})
        return
    columns = ["relation", "triples", "template", "example"] if session.wide else ["relation", "triples", "example"]
    cells = [[r["relation"], r["triples"], *_example(r, wide=session.wide)] for r in rows]
    caption = f"{covered.share_of_triples:.1%} of {quantity(covered.triples, 'triples')} have sentences of their own"
    if covered.fallbacks:
        count = len(covered.fallbacks)
        use = f"{quantity(count, 'relations')} {'uses' if count == 1 else 'use'}"
        caption += f"; {use} the fallback sentence; add them to relations.yaml"
    session.table(f"Pack {pack.name}", columns, cells, caption=caption)


def _example(row: dict[str, Any], *, wide: bool) -> list[str]:
    """The template of a relation and its example; in a narrow table only what is not clear from the relation."""
    if wide:
        return [row["template"] or "fallback", row["example"]]
    return [row["example"] if row["template"] else f"fallback: {row['example']}"]
