"""A small input costs little: what would run for minutes or take gigabytes is an error that names its limit."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import resource
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from kptoolkit import limits
from kptoolkit.cli.app import app
from kptoolkit.config import load_config
from kptoolkit.data import read_interactions
from kptoolkit.errors import DataError, InputError, KptoolError, TemplateError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.load import dry_run
from kptoolkit.graph.queries import QuerySet
from kptoolkit.limits import LimitsConfig
from kptoolkit.prompts import TemplatePack, check_pack
from kptoolkit.prompts.reading.yaml_files import read_yaml
from kptoolkit.runs.run_folder import RunFolder

SECONDS, MEGABYTES = 60, 700
"""Without limits it takes minutes or does not end; most takes less than a second."""


@pytest.fixture(autouse=True)
def _usual_limits() -> Iterator[None]:
    before = limits.current()
    yield
    limits.use(before)


@contextmanager
def bounded() -> Iterator[None]:
    """Fail what takes long or much memory."""
    begun, used = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - begun < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) / 1024 < MEGABYTES


def kptool(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(done: Result, *says: str) -> None:
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    for text in says:
        assert text in " ".join(done.output.split())


# -- templates ----------------------------------------------------------------------------------------------------

LOOPS = (
    "{% macro m(a) %}{{ a }}{{ a }}{% endmacro %}{{ head }}{{ tail }}{{ m(m(m(m('a')))) }}",
    "{% for a in head %}{% for b in head %}{% endfor %}{% endfor %}{{ head }} {{ tail }}",
    "{% set a = head ~ head %}{% set a = a ~ a %}{{ head }} {{ tail }}",
    "{% set a %}{{ head }}{{ head }}{% endset %}{{ head }} {{ tail }}",
    "{% filter upper %}{{ head }}{% endfilter %} {{ tail }}",
    "{% with a = head ~ head %}{{ a }}{% endwith %} {{ tail }}",
    "{% block b %}{{ head }}{% endblock %} {{ tail }}",
)
GROWING = (
    "{{ 'a'.center(9999).join('b'.center(9999)) }}",
    "{{ head.center(9999).replace(' ', head.center(9999)) }}",
    "{{ head | center(9999) | replace(' ', 'x' | center(9999)) }}",
    "{{ ('a' | center(9999) | list) | join('b' | center(9999)) }}",
    "{{ head | center(9999) | list | map('center', 9999) | list | length }}",
    "{{ head | center(9999) | list | map('center', 9999) | join }}",
    "{{ head.center(9999).split(' ') | join(head.center(9999)) }}",
    "{{ (head.center(9999) + head.center(9999)).replace(' ', tail.center(9999)) }}",
    "{{ head | center(9999) | wordwrap(1, wrapstring=tail | center(9999)) }}",
    "{{ head | center(9999) | replace(' ', '\n') | indent(9999, true) }}",
    "{{ head | center(9999) | batch(1, 'x') | map('join') | map('center', 9999) | join }}",
    "{{ head.expandtabs(9999).center(9999).splitlines() | map('ljust', 9999) | sum(start='') }}",
    "{{ (head.center(9999) ~ tail.center(9999)).join(head.center(9999)) }}",
    "{{ [head.center(9999)] | map('replace', ' ', tail.center(9999)) | first | length }}",
    "{{ head.center(9999).translate({32: tail.center(9999)}) }}",
)


@pytest.mark.parametrize("text", LOOPS)
def test_what_repeats_is_refused_before_it_runs(text: str) -> None:
    with bounded(), pytest.raises(TemplateError, match="loops, macros and assignments are not available"):
        TemplatePack("x").with_relation("r", text)


@pytest.mark.parametrize("text", GROWING)
def test_what_grows_is_refused_before_it_is_made(text: str) -> None:
    with (
        bounded(),
        pytest.raises(TemplateError, match=r"rendering failed: .*(limits\.render_characters|not available|No )"),
    ):
        TemplatePack("x").with_relation("r", "{{ head }} {{ tail }} " + text)


PIECES = st.sampled_from(
    [
        *("head", "tail", "'a'", "' '", "9999", "100", "'x' | center(9999)", "head.center(9999)", "[head, tail]"),
        *("head | list", "head.split(' ')", "{'a': head}", "head | length"),
    ]
)
STEPS = st.sampled_from(
    [
        *(".center({})", ".join({})", ".replace(' ', {})", ".ljust({})", " | join({})", " | replace(' ', {})"),
        *(" | center({})", " | list", " | map('center', {})", " | map('replace', ' ', {})", " ~ {}", " + {}"),
        *(" | batch({})", " | indent({})", " | wordwrap({})", " | sum(start={})", " | default({})", " | reverse"),
        *(" | map('upper')", " | string", ".zfill({})", ".split({})", " | slice({})", " * {}", ".expandtabs({})"),
    ]
)


@given(PIECES, st.lists(st.tuples(STEPS, PIECES), max_size=7))
def test_any_expression_is_rendered_in_its_budget(start: str, steps: list[tuple[str, str]]) -> None:
    expression = start
    for step, piece in steps:
        expression = f"({expression}){step.format(f'({piece})')}"
    with bounded():
        try:
            pack = TemplatePack("x").with_relation("r", f"{{{{ head }}}} {{{{ tail }}}} {{{{ {expression} }}}}")
            said = pack.sentence("Emma", "r", "Jane")
        except TemplateError as error:
            said = str(error)
        assert len(said) <= LimitsConfig().render_characters


def test_time_is_limited() -> None:
    limits.use(LimitsConfig(render_seconds=1e-9))
    with pytest.raises(TemplateError, match=r"takes more than 1e-09 CPU s \(limits.render_seconds\)"):
        TemplatePack("x").with_relation("r", "{{ head | upper }} {{ tail }}")


def late(seconds: float, value: str) -> str:
    time.sleep(seconds)
    return value


def test_time_that_a_process_waits_does_not_count() -> None:
    """A filter that sleeps stands for a busy machine, and for a process that is stopped for a while."""
    limits.use(LimitsConfig(render_seconds=0.2))
    pack = TemplatePack("x", filters={"late": partial(late, 0.5)})
    pack = pack.with_relation("r", "{{ head | late }} knows {{ tail | upper }}.")
    assert pack.sentence("Emma", "r", "Jane") == "Emma knows JANE."


def test_threads_that_render_at_once_have_their_own_limits() -> None:
    """Each counts its own characters and its own time, however long it has worked before."""
    limits.use(LimitsConfig(render_characters=800, render_seconds=0.2))
    pack = TemplatePack("x", filters={"late": partial(late, 0.01)})
    pack = pack.with_relation("r", "{{ head | late | upper }} {{ tail | upper }}")

    def work(number: int) -> set[str]:
        end = time.thread_time() + 0.3 * number
        while time.thread_time() < end:
            pass
        return {pack.sentence("a" * 80, "r", "b" * 80) for _ in range(10)}

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [{f"{'A' * 80} {'B' * 80}"}] * 4


def test_the_length_of_a_template_is_limited() -> None:
    text = "{{ head }} {{ tail }}" + "x" * 10_000
    with pytest.raises(TemplateError, match=r"10,021 characters, limits.template_characters allows 10,000"):
        TemplatePack("x").with_relation("r", text)
    limits.use(LimitsConfig(template_characters=20_000))
    assert TemplatePack("x").with_relation("r", text).sentence("a", "r", "b").startswith("a b")


@pytest.mark.parametrize("text", ["(" * 3000 + "head" + ")" * 3000, "not " * 2000 + "head", "[" * 3000 + "]" * 3000])
def test_nesting_is_limited(text: str) -> None:
    with bounded(), pytest.raises(TemplateError, match=r"nested too deeply|rendering failed"):
        TemplatePack("x").with_relation("r", f"{{{{ head }}}} {{{{ tail }}}} {{{{ {text} }}}}")


def test_ordinary_templates_stay_within_the_limits() -> None:
    pack = TemplatePack("x").with_relation(
        "r",
        [
            "{{ head | upper | replace('A', 'b') }} {{ tail.title() }}",
            "{% if head.startswith('A') %}{{ head }}{% else %}an {{ head }}{% endif %} of {{ tail | truncate(20) }}",
            "{{ [head, tail] | join(' and ') }} {{ head | length + 1 }} {{ tail.split(' ') | first | default('x') }}",
            "{{ head | list | unique | map('upper') | join('-') }} {{ head }} {{ tail }}",
        ],
    )
    assert [pack.sentence("Ann", "r", "tea house", variant=n) for n in range(4)] == [
        "bNN Tea House",
        "Ann of tea house",
        "Ann and tea house 4 tea",
        "A-N Ann tea house",
    ]


# -- YAML ---------------------------------------------------------------------------------------------------------


def nested_merges(levels: int, width: int) -> str:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    for level in range(1, levels):
        merged = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {{<<: [{merged}], z{level}: 1}}")
    return "\n".join(lines) + "\n"


def nested_aliases(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("text", [nested_merges(20, 9), nested_aliases(30, 9), "a: &a [*a]\n", "a: &a {<<: *a}\n"])
@pytest.mark.parametrize("file", ["pack", "relations", "mpp"])
def test_anchors_do_not_multiply(tmp_path: Path, text: str, file: str) -> None:
    folder = TemplatePack.load("generic").save(tmp_path / "pack")
    (folder / f"{file}.yaml").write_text(text)
    with bounded():
        found = [str(finding) for finding in check_pack(folder)]
    assert any(
        "limits.yaml_values" in said or "an anchor contains itself" in said or "recursive" in said for said in found
    )


@given(st.integers(1, 12), st.integers(1, 9), st.sampled_from([nested_merges, nested_aliases]))
def test_any_nesting_of_anchors_is_bounded(levels: int, width: int, make: Callable[[int, int], str]) -> None:
    with TemporaryDirectory() as folder, bounded():
        path = Path(folder, "relations.yaml")
        path.write_text(make(levels, width))
        values, found = read_yaml(path, "x")
        assert (values is None) == bool(found)


def test_many_values_are_refused_before_all_are_read(tmp_path: Path) -> None:
    folder = TemplatePack.load("generic").save(tmp_path / "pack")
    (folder / "relations.yaml").write_text("\n".join(f"r{n}: {{forward: x}}" for n in range(50_000)))
    limits.use(LimitsConfig(yaml_values=1000))
    with bounded():
        assert "more than 1,000 values (limits.yaml_values)" in " ".join(map(str, check_pack(folder)))


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "[{a: " * 60 + "]"])
def test_deep_nesting_is_refused_before_it_is_composed(tmp_path: Path, text: str) -> None:
    """Libyaml composes nodes by recursion in C, where too deep a nesting would end the process."""
    path = tmp_path / "relations.yaml"
    path.write_text(text)
    with bounded():
        values, found = read_yaml(path, "x")
    assert values is None
    assert len(found) == 1
    path.write_text("[" * 100 + "]" * 100)
    assert "not a mapping" in str(read_yaml(path, "x")[1][0]), "a hundred levels are read"


def test_a_limit_is_a_setting_of_commands(tmp_path: Path) -> None:
    folder = TemplatePack.load("generic").save(tmp_path / "pack")
    refused(_limited(folder, "10"), "limits.yaml_values")
    assert _limited(folder, "100000").exit_code == 0
    refused(_limited(folder, "many"), "setting limits.yaml_values")
    Path("kptool.toml").write_text("[limits]\nyaml_values = 10\n")
    refused(kptool("templates", "check", folder), "limits.yaml_values")
    assert limits.current() == LimitsConfig(), "a command leaves the limits as they were"


def _limited(folder: Path, value: str) -> Result:
    return kptool("templates", "check", folder, "--set", f"limits.yaml_values={value}")


# -- files --------------------------------------------------------------------------------------------------------


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
RDF = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">'
QUAD = b"<http://a> <http://r> <http://b> <http://g> .\n"
ITEM = b'{"asin": "a", "category": ["b"]}\n'
CONTENT = {
    "x.kg": (b"head\trelation\ttail\n", b"a\tr\tb\n"),
    "x.csv": (b"head,relation,tail\n", b"a,r,b\n"),
    "x.dat": (b"a::r::b\nc::r::b\nd::r::a\n", b"a::r::b\n"),
    "x.nt": (b"", b"<http://a> <http://r> <http://b> .\n"),
    "x.ttl": (b"", b"# a comment of Turtle, again and again\n"),
    "x.n3": (b"", b"# a comment of N3, again and again\n"),
    "x.trig": (b"", b"# a comment of TriG, again and again\n"),
    "x.nq": (b"", QUAD),
    "x.rdf": (RDF, b"<!-- a comment of XML, again and again -->\n"),
    "x.graphml": (b"<graphml><graph>", b'<edge source="a" target="b" label="r"/>\n'),
    "x.jsonl": (b"", ITEM),
    "x.json": (b"[" + ITEM, b"," + ITEM),
}
"""Start and repeated line of a file of triples, by name."""


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *((name, ".gz") for name in CONTENT),
        *((name, suffix) for name in ("x.kg", "x.csv", "x.nt", "x.jsonl") for suffix in (".bz2", ".xz")),
    ],
)
def test_a_packed_bomb_is_refused(tmp_path: Path, name: str, suffix: str) -> None:
    path, (start, line) = tmp_path / (name + suffix), CONTENT[name]
    count = 1_000_000 // len(line)
    path.write_bytes(PACKERS[suffix](start + line * count))
    limits.use(LimitsConfig(expansion=1))
    with mock.patch("kptoolkit.storage.open_files.FREE", 200_000), bounded():
        with pytest.raises(DataError, match=r"decompresses to more than 1 times its size; raise limits.expansion"):
            dry_run(open_source([path]))
        limits.use(LimitsConfig(expansion=1_000_000))
        if name in ("x.kg", "x.csv", "x.nt"):
            assert dry_run(open_source([path])).triples_read == count


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_a_bomb_in_an_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (places := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places))
    (inside := tmp_path / "x.kg").write_bytes(b"head\trelation\ttail\n" + b"a\tr\tb\n" * 500_000)
    path, kind = tmp_path / name, name.split(".")[-1]
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(inside, "x.kg")
    else:
        with tarfile.open(plain := tmp_path / "plain", "w") as tar:
            tar.add(inside, "x.kg")
        path.write_bytes(PACKERS["" if kind == "tar" else f".{kind}"](plain.read_bytes()))
    limits.use(LimitsConfig(expansion=1))
    with mock.patch("kptoolkit.storage.open_files.FREE", 0 if kind == "tar" else 1_000_000), bounded():
        if kind == "tar":  # as large as its content
            assert dry_run(open_source([path])).triples_read == 500_000
            return
        for read in (lambda: open_source([path]), lambda: read_interactions(path)):
            with pytest.raises(DataError, match=r"(decompresses|unpacks) to more than 1 times its size"):
                read()
        assert list(places.iterdir()) == []
        limits.use(LimitsConfig(expansion=1_000_000))
        assert dry_run(open_source([path])).triples_read == 500_000


def test_a_parquet_file_of_triples_is_no_bomb(tmp_path: Path) -> None:
    zeros = pa.DictionaryArray.from_arrays(np.zeros(1_000_000, np.int8), ["x"])
    pq.write_table(pa.table({"head": zeros, "relation": zeros, "tail": zeros}), path := tmp_path / "x.parquet")
    limits.use(LimitsConfig(expansion=1))
    with (
        mock.patch("kptoolkit.storage.open_files.FREE", 1_000_000),
        bounded(),
        pytest.raises(DataError, match=r"expands to more than 1 times its size; raise limits.expansion"),
    ):
        dry_run(open_source([path]))


def test_a_parquet_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    rows = 40_000_000
    zeros = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int8), ["x"])
    pq.write_table(pa.table({"user_id": zeros, "item_id": zeros}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 250_000
    with bounded(), pytest.raises(DataError, match=r"expands to more than 300 times its size"):
        read_interactions(tmp_path)


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.kg", b"head\trelation\ttail\n"),
        ("x.kg", b""),
        ("x.csv", b"head,relation,tail\n"),
        ("x.csv", b'head,relation,tail\na,r,"b'),
        ("x.dat", CONTENT["x.dat"][0]),
        ("x.nt", b""),
        ("x.nt", b"<http://a> <http://r> <http://b> .\n<http://a"),
        ("x.ttl", b"<http://a> <http://r> "),
        ("x.ttl", b'<http://a> <http://r> "'),
        ("x.n3", b'<http://a> <http://r> "'),
        ("x.trig", b'<http://g> { <http://a> <http://r> "'),
        ("x.nq", QUAD + b"<http://a"),
        ("x.rdf", RDF + b'<rdf:Description rdf:about="'),
        ("x.jsonld", b'{"@id": "http://a", "http://r": "'),
        ("x.jsonl", ITEM + b'{"asin": "'),
        ("x.json", b'{"asin": "'),
        ("x.json", b'[{"asin": "'),
        ("x.json", b"[" + ITEM + b', {"asin": "'),
    ],
)
def test_an_endless_line_is_refused(tmp_path: Path, name: str, start: bytes, suffix: str) -> None:
    path = tmp_path / (name + suffix)
    path.write_bytes(PACKERS[suffix](start + b"x" * 3_000_000))
    limits.use(LimitsConfig(line_bytes=100_000))
    says = r"a (line|cell|object) of more than 100,000 bytes; .* raise limits.line_bytes"
    with bounded(), pytest.raises(DataError, match=says if start else f"{says}|its first lines are 1: xxx"):
        dry_run(open_source([path]))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.inter", "user_id\titem_id\nu\ti\n"),
        ("x.csv", "user_id,item_id\nu,i\n"),
        ("x.dat", "1::2::3::978300760\n"),
        ("x.txt", "1 2 3\n2 3\n"),
        ("x.jsonl", '{"user_id": "u", "item_id": "i"}\n{"user_id": "'),
        ("x.json", '[{"user_id": "u", "item_id": "i"}, {"user_id": "'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_endless_line_of_events_is_refused(tmp_path: Path, name: str, start: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes((start + "1" * 3_000_000).encode("utf-8" if "json" in name else encoding))
    limits.use(LimitsConfig(line_bytes=100_000))
    with bounded(), pytest.raises(DataError, match=r"a (line|cell|object) of more than 100,000 bytes"):
        read_interactions(path)


WIDE = {
    "x.csv": ("user_id,item_id,timestamp", ","),
    "x.inter": ("user_id\titem_id", "\t"),
    "y.csv": ("head,relation,tail", ","),
    "x.kg": ("head\trelation\ttail", "\t"),
    "z.csv": ("movieId,title,genres", ","),
    "film.csv": ("film,filmLabel", ",x"),
    "w.csv": ("a", ",b"),
}
"""Start of a header line and what repeats in it, by name."""


@pytest.mark.parametrize("name", WIDE)
def test_a_header_of_a_million_columns_is_refused(tmp_path: Path, name: str) -> None:
    """Packed it has a thousand bytes; each accepted spelling was looked for in all of its columns."""
    start, more = WIDE[name]
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress((start + more * 1_000_000 + "\n").encode()))
    events = "user" in start
    begun = time.process_time()
    with pytest.raises(DataError, match=r"more than 20,000 columns.* limits.columns|no column for|no header line"):
        read_interactions(path) if events else dry_run(open_source([path]))
    refused(kptool("data", "check", tmp_path), "columns" if events else "")
    assert time.process_time() - begun < 20


def test_a_parquet_file_has_a_limit_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"user_id": ["a"], "item_id": ["b"], **{f"c{n}": [1] for n in range(30)}}), path)
    limits.use(LimitsConfig(columns=31))
    with pytest.raises(DataError, match=r"more than 31 columns"):
        read_interactions(path)
    limits.use(LimitsConfig(columns=32))
    assert len(read_interactions(path)[0]) == 1


LITERALS = {
    **dict.fromkeys(("x.nt", "x.ttl", "x.n3", "x.trig", "x.nq"), '<http://a> <http://r> "{}" .\n'),
    "x.rdf": RDF.decode() + '<rdf:Description rdf:about="http://a"><e:r>{}</e:r></rdf:Description></rdf:RDF>',
    "x.jsonld": '{{"@id": "http://a", "http://r": "{}"}}',
}
"""A literal in each format of RDF."""


@pytest.mark.parametrize("name", LITERALS)
def test_a_long_literal_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(LITERALS[name].format("x" * 2000))
    limits.use(LimitsConfig(literal_characters=1000))
    with pytest.raises(DataError, match=r"a literal of 2,000 characters; limits.literal_characters allows 1,000"):
        dry_run(open_source([path], literals="entities"))
    path.write_text(LITERALS[name].format("x" * 900))
    assert dry_run(open_source([path], literals="entities")).triples_read == 1


def entities(*values: str) -> str:
    """RDF/XML with these entities, which uses the last one."""
    declared = "".join(f'<!ENTITY e{number} "{value}">\n' for number, value in enumerate(values))
    used = LITERALS["x.rdf"].format(f"&e{len(values) - 1};")
    return f'<?xml version="1.0"?><!DOCTYPE rdf:RDF [{declared}]>{used}'


@pytest.mark.parametrize("space", ["", " " * 70_000])
@pytest.mark.parametrize(
    "text",
    [
        entities("xxxxxxxxxx", *(f"&e{number};" * 10 for number in range(12))),
        entities("x" * 100_000),
        entities("short").replace('"short">', '"short"><!-- <!ENTITY e0 "' + "x" * 2000 + '"> -->'),
    ],
)
def test_entities_of_xml_do_not_multiply(tmp_path: Path, text: str, space: str) -> None:
    (path := tmp_path / "x.rdf").write_text(text.replace("<!DOCTYPE", f"{space}<!DOCTYPE"))
    with bounded(), pytest.raises(DataError, match=r"declares an entity that contains others, or has more than 1,000"):
        dry_run(open_source([path], literals="entities"))


def test_short_entities_of_xml_are_read(tmp_path: Path) -> None:
    (path := tmp_path / "x.rdf").write_text(entities("a", "bc"))
    assert dry_run(open_source([path], literals="entities")).triples_read == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.rdf", RDF.decode() + "<e:C><e:p>" * 50_000),
        ("x.jsonld", '{"@id": "http://a", "http://r": ' * 100_000),
        ("x.json", '{"a": ' * 100_000 + "1" + "}" * 100_000),
        ("x.json", '[{"a": ' + "[" * 100_000),
        ("x.jsonl", ITEM.decode() + "[" * 100_000 + "'"),
        ("x.jsonl", ITEM.decode() + "{'a': " * 10_000 + "1" + "}" * 10_000),
    ],
)
def test_deep_nesting_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    (path := tmp_path / name).write_text(text)
    with bounded(), pytest.raises(DataError):
        dry_run(open_source([path]))


@pytest.mark.parametrize("name", ["x.nt", "x.ttl"])
def test_huge_numbers_of_rdf_stay_texts(tmp_path: Path, name: str) -> None:
    path, kind = tmp_path / name, "http://www.w3.org/2001/XMLSchema#"
    values = ("1E999999999", "-1e-999999999", "9" * 900, "1e400")
    kinds = ("decimal", "double", "integer", "float", "dateTime", "duration")
    rows = [f'<http://a> <http://r> "{value}"^^<{kind}{each}> .' for value in values for each in kinds]
    path.write_text("\n".join(rows) + "\n")
    with bounded():
        assert dry_run(open_source([path], literals="entities")).triples_read == len(rows)


def test_limits_are_settings_of_python_too() -> None:
    config = load_config(overrides={"limits.line_bytes": "100"}, environ={})
    limits.use(config.limits)
    Path("x.kg").write_text("head\trelation\ttail\n" + "a" * 200 + "\tr\tb\n")
    with pytest.raises(KptoolError, match=r"x.kg.*more than 100 bytes"):
        dry_run(open_source(["x.kg"]))


# -- files that are read as a whole ---------------------------------------------------------------------------------


def _settings(folder: Path) -> tuple[Path, Callable[[], object]]:
    path = folder / "kptool.toml"
    return path, lambda: load_config(path, environ={})


def _mapping(folder: Path) -> tuple[Path, Callable[[], object]]:
    (items := folder / "x.jsonl").write_bytes(ITEM)
    return folder / "m.toml", lambda: open_source([items], mapping=folder / "m.toml")


def _pack(folder: Path) -> tuple[Path, Callable[[], object]]:
    pack = TemplatePack.load("generic").save(folder / "pack")
    return pack / "relations.yaml", lambda: TemplatePack.load(pack)


def _cypher(folder: Path) -> tuple[Path, Callable[[], object]]:
    return folder / "neighbours.cypher", lambda: QuerySet(folder)


def _manifest(folder: Path) -> tuple[Path, Callable[[], object]]:
    return folder / "manifest.json", lambda: RunFolder(folder).read_manifest()


def _results(folder: Path) -> tuple[Path, Callable[[], object]]:
    return folder / "metrics-test.json", lambda: RunFolder(folder).evaluation("test")


WHOLE = (_settings, _mapping, _pack, _cypher, _manifest, _results)
LIMITED = WHOLE[:4]
"""Those whose size is limited too; the results of a run grow with it."""


@pytest.mark.parametrize("make", LIMITED)
def test_the_size_of_a_file_that_is_read_as_a_whole_is_limited(
    tmp_path: Path, make: Callable[[Path], tuple[Path, Callable[[], object]]]
) -> None:
    path, read = make(tmp_path)
    path.write_text("# a comment\n" * 1000)
    limits.use(LimitsConfig(text_bytes=10_000))
    with pytest.raises(InputError, match=r"more than 10,000 bytes; raise limits.text_bytes"):
        read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
@pytest.mark.parametrize("make", [make for make in WHOLE if make not in (_settings, _mapping)])
@pytest.mark.timeout(20)
def test_a_pipe_in_a_folder_is_no_file(
    tmp_path: Path, make: Callable[[Path], tuple[Path, Callable[[], object]]]
) -> None:
    """Opening one waits for who writes into it."""
    path, read = make(tmp_path)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"a pipe or a device|is not a run"):
        read()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="has no devices")
@pytest.mark.parametrize("make", WHOLE)
def test_a_link_to_an_endless_device_is_refused(
    tmp_path: Path, make: Callable[[Path], tuple[Path, Callable[[], object]]]
) -> None:
    path, read = make(tmp_path)
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")
    limits.use(LimitsConfig(text_bytes=10_000))
    with bounded(), pytest.raises(InputError, match=r"a pipe or a device|more than 10,000 bytes|is not a run"):
        read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
@pytest.mark.parametrize("name", ["x.kg", "x.csv", "x.nt", "x.jsonl"])
@pytest.mark.timeout(20)
def test_a_pipe_is_no_file_of_data(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=r"a pipe or a device|no such file"):
        dry_run(open_source([tmp_path / name]))


def test_a_broken_link_in_a_folder_of_cypher_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "neighbours.cypher").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"neighbours.cypher: cannot be read"):
        QuerySet(tmp_path)
