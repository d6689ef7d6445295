"""Two thousand hostile inputs: nothing in them is executed, no traceback is shown, and data stay data.

Files, template packs, and names and relation ids in a real graph. Seeded, so that a failure can be found again. Filters
that a pack names are other people's code by design and are not among them.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from servers.neo4j_server import Neo4jServer
from typer.testing import CliRunner, Result
from worlds.marks import STORES

from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig
from kptoolkit.errors import KptoolError
from kptoolkit.graph import Graph, MemorySource
from kptoolkit.prompts import TemplatePack, clean_name
from kptoolkit.storage.values.cells import clean_id, is_missing

TRIPLES = 600
FILES = PACKS = 700 if os.environ.get("KPTOOL_TEST_LONG") else 150
CANARY = "canary-was-here"
ATOMS = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY} #",
    f"| touch {CANARY}",
    f"__import__('os').system('touch {CANARY}')",
    f"{{{{ cycler.__init__.__globals__.os.system('touch {CANARY}') }}}}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ self._TemplateReference__context }}",
    f"{{% include '/etc/hostname' %}}{{% import 'os' as os %}}{{{{ os.system('touch {CANARY}') }}}}",
    "{% for a in range(10 ** 9) %}x{% endfor %}",
    "{{ 'x' * 10 ** 9 }}",
    "{{ head | attr('__class__') }}",
    "{{ head.__class__ }}{{ tail }}",
    "{{ x }}",
    "{{",
    "}}",
    "{% raw %}",
    "{# ",
    "`]->(m) DETACH DELETE m //",
    "'}) CREATE (:Pwned {by: 'name'}) //",
    '"}) CREATE (:Pwned) WITH 1 AS x MATCH (n) DETACH DELETE n //',
    "\\u0060) CREATE (:Pwned) //",
    "$item",
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    "&a [*a, *a]",
    "<<: *a",
    "../../../etc/passwd",
    f"=cmd|'/C touch {CANARY}'!A0",
    "<script>alert(1)</script>",
    "%s%n%x",
    "\x00",
    "\x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe",
    "\ufeff",
    "\ud7ff\U0010ffff",
    "\ufdd0",
    "a" * 3000,
    "'",
    '"',
    "\\",
    "\t",
    "\r\n",
    "\u2028",
    "<extra_id_0>",
    "[bold red]x[/]",
    "-1e999",
    "nan",
    "null",
    "1",
    "",
    " ",
)


@pytest.fixture
def draw() -> random.Random:
    return random.Random(20230816)


def text(draw: random.Random) -> str:
    """Two or three atoms, now and then with a word that looks harmless between them."""
    return draw.choice(["", " ", "Emma ", "{{ head }} ", "{{ tail }} ", "x"]).join(
        draw.choices(ATOMS, k=draw.choice([1, 2, 3]))
    )


def kptool(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def answered(result: Result, what: str) -> None:
    """The command ended as commands end: in order, or with one error and the exit code for bad input."""
    assert result.exit_code in (0, 2), f"{what}: exit {result.exit_code}, {result.exception!r}\n{result.output}"
    assert result.exception is None or isinstance(result.exception, SystemExit), f"{what}: {result.exception!r}"
    assert "Traceback" not in result.output, f"{what}\n{result.output}"


@pytest.fixture(autouse=True)
def _nothing_is_executed(tmp_path: Path) -> Iterator[None]:
    yield
    found = [path for path in tmp_path.rglob("*") if path.name == CANARY]
    assert not found
    assert not Path(CANARY).exists()


def hostile_file(draw: random.Random) -> tuple[str, bytes]:
    """The name and the bytes of a file that claims to hold triples."""
    header = draw.choice(
        [
            "head_id:token\trelation_id:token\ttail_id:token",
            "head_id\trelation_id\ttail_id",
            "head,relation,tail",
            text(draw),
        ]
    )
    separator = draw.choice("\t\t\t, ;")
    lines = [header] + [separator.join(text(draw) for _ in range(draw.choice([1, 3, 3, 3, 4]))) for _ in range(3)]
    body = draw.choice(["\n", "\n", "\r\n", "\r"]).join(lines).encode("utf-8", "surrogatepass")
    change = draw.randrange(6)
    if change == 0:
        body = body[: draw.randrange(len(body))] + draw.randbytes(8) + body[draw.randrange(len(body)) :]
    if change == 1:
        body = gzip.compress(body)[: draw.randrange(10, 60)]
    name = draw.choice(["x.kg", "x.kg", "x.tsv", "x.csv", "x.csv.gz" if change == 1 else "x.tsv"])
    return name, body


@pytest.mark.slow
def test_files(tmp_path: Path, draw: random.Random) -> None:
    codes = Counter[int]()
    for number in range(FILES):
        name, body = hostile_file(draw)
        path = tmp_path / name
        path.write_bytes(body)
        more = ["--skip-bad-rows"] if number % 2 else []
        result = kptool("load-kg", path, "--dry-run", *more)
        answered(result, f"file {number}: {body[:300]!r}")
        codes[result.exit_code] += 1
        path.unlink()
    assert min(codes[0], codes[2]) > FILES // 40, "both good and bad files are among them"


def hostile_pack(draw: random.Random) -> dict[str, str]:
    """The three files of a pack with one to three hostile places; some are not even YAML."""
    plain = {"forward": "{{ head }} knows {{ tail }}.", "inverse": "{{ tail }} is known by {{ head }}."}
    relations = {"knows": dict(plain), "likes": dict(plain)}
    templates = [
        {"id": "one", "split": "train", "text": "User {{ user }} has seen {{ history }}, next {{ mask }}."},
        {"id": "two", "split": "train", "text": "{{ history }} then {{ mask }}"},
        {"id": "three", "split": "train", "text": "After {{ history }}: {{ mask }}."},
        {"id": "four", "split": "held_out", "text": "Behind {{ history }} comes {{ mask }}."},
    ]
    mpp = {"separator": ", ", "last_separator": " and ", "templates": templates}
    pack = {"name": "pack", "domain": "things", "language": "en"}
    aliases = {"know": "knows"}
    for place in draw.choices(range(8), k=draw.choice([1, 1, 2, 3])):
        hostile = text(draw)
        if place == 0:
            relations[hostile] = dict(plain)
        elif place in (1, 2):
            side = draw.choice(["forward", "inverse"])
            relations["knows"][side] = draw.choice([hostile, f"{plain[side]} {hostile}"])
        elif place == 3:
            mpp[draw.choice(["separator", "last_separator"])] = hostile
        elif place == 4:
            draw.choice(templates)["text"] += hostile
        elif place == 5:
            draw.choice(templates)[draw.choice(["id", "split"])] = hostile
        elif place == 6:
            pack[draw.choice(["name", "domain", "language", "description"])] = hostile
        else:
            aliases[hostile] = draw.choice(["knows", hostile])
    files = {"pack.yaml": pack | {"aliases": aliases}, "relations.yaml": relations, "mpp.yaml": mpp}
    written = {name: yaml.safe_dump(value, allow_unicode=draw.random() < 0.5) for name, value in files.items()}
    if draw.random() < 0.2:
        broken = draw.choice(sorted(written))
        place = draw.randrange(len(written[broken]))
        written[broken] = written[broken][:place] + text(draw) + written[broken][place:]
    return written


def rendered(pack: TemplatePack) -> Iterator[str]:
    """A real triple in every sentence of a pack and in its fallback, and a history in every MPP template.

    What a template does with these values may be an error of the kind that kptool prints in one line, and no other.
    """
    head, tail = "Emma", "Jane Austen"
    for relation in (*pack.relations, *pack.aliases, "written_by", "P57"):
        for inverse in (False, True):
            for variant in range(pack.variants(relation, inverse)):
                with suppress(KptoolError):
                    yield pack.sentence(head, relation, tail, inverse=inverse, variant=variant)
    for template in pack.mpp:
        with suppress(KptoolError):
            yield template.render([head, tail], user="7")


@pytest.mark.slow
def test_packs(tmp_path: Path, draw: random.Random) -> None:
    codes = Counter[int]()
    folder = tmp_path / "pack"
    folder.mkdir()
    for number in range(PACKS):
        files = hostile_pack(draw)
        for name, body in files.items():
            (folder / name).write_bytes(body.encode("utf-8", "surrogatepass"))
        result = kptool("templates", "check", folder)
        answered(result, f"pack {number}: {files}")
        codes[result.exit_code] += 1
        if result.exit_code == 0:
            texts = list(rendered(TemplatePack.load(folder)))
            assert len(texts) > 8, f"pack {number}: {files}"
            assert all("Emma" in text and len(text) < 50_000 for text in texts), f"pack {number}: {texts}"
    assert min(codes[0], codes[2]) > PACKS // 20, "both good and bad packs are among them"


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.embedded
@pytest.mark.slow
def test_names_and_relation_ids_in_a_graph(
    draw: random.Random, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clean(value: str) -> str:  # what a reader's cell can hold, and no id that is empty or changed by the reader
        cell = clean_id(value.replace("\x00", "").strip())
        return "x" if is_missing(cell) or clean_id(cell) != cell else cell

    triples = sorted({(clean(text(draw)), clean(text(draw)), f"{n} {clean(text(draw))}") for n in range(TRIPLES)})
    entities = {end for head, _, tail in triples for end in (head, tail)}
    names = {entity: f"{entity} {clean(text(draw))}" for entity in sorted(entities)}
    items = {f"i{n}": entity for n, entity in enumerate(draw.sample(sorted(entities), 60))}
    uri, config = "embedded:kg", GraphConfig()
    if kind == "neo4j":
        server: Neo4jServer = request.getfixturevalue("empty_neo4j")
        uri = server.uri
        login = {"username": server.username, "password": server.password, "database": server.database}
        for name, value in login.items():
            monkeypatch.setenv(f"NEO4J_{name.upper()}", value)
        config = GraphConfig.model_validate(login)
    with Graph.open(uri, config=config) as graph:
        report = graph.load(MemorySource(triples, names, list(items.items())))
        assert report.relationships == len(triples)
        assert graph.counts() == {"entities": len(entities), "relationships": len(triples), "items": len(items)}
        assert graph.relation_counts() == Counter(relation for _, relation, _ in triples)
        assert not len(graph.store.read("MATCH (n:Pwned) RETURN n.id AS id", {}))
        found = graph.neighbourhoods(sorted(entities), 1)
    assert {found.triple(row) for row in range(len(found.far))} == set(triples)
    Path("x.inter").write_text("user_id\titem_id\n" + "".join(f"u{n % 10}\ti{n}\n" for n in range(len(items))))
    compiled = kptool("compile", "--data", "x.inter", "--graph", uri, "--json", "-q")
    answered(compiled, "compile")
    assert json.loads(compiled.stdout)["items_with_triples"] == len(items)
    asked = [f"--item={entity}" for entity in draw.sample(sorted(items.values()), 20)]
    result = kptool("render-prompts", *asked, "--graph", uri, "--set", "tree.max_tokens=4096", "--json")
    answered(result, "render-prompts")
    shown = json.loads(result.stdout)
    assert len(shown["items"]) == len(asked)
    for option, item in zip(asked, shown["items"], strict=True):
        name = clean_name(names[option.removeprefix("--item=")])
        start_of_name = item["name"].removesuffix("…")
        assert name.startswith(start_of_name), "a prompt contains a name as it is"
        start = start_of_name[:500]  # a triplet prompt may keep less of a long name than the item's own words
        assert any(start in sentence for sentences in item["hops"].values() for sentence in sentences)
