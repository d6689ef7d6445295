"""Every mistake in a pack has a message that names pack, file, key, column and a fix."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.errors import TemplateError
from kptoolkit.prompts import TemplatePack, check_pack
from kptoolkit.prompts.templating.findings import Place
from kptoolkit.resources import templates_dir

PACK = "name: mine\n"
GOOD = "{{ head }} likes {{ tail }}."
MPP = """
templates:
  - {id: m1, text: "User {{ user }} saw {{ history }}, then {{ mask }}."}
  - {id: m2, text: "{{ history }}, then {{ mask }}."}
  - {id: m3, text: "{{ mask }} follows {{ history }}.", split: held_out}
"""


def relations(text: str) -> str:
    return f"likes:\n  forward: {text}\n  inverse: '{GOOD}'\n"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, default in {"pack": PACK, "relations": relations(f"'{GOOD}'"), "mpp": MPP}.items():
        (folder / f"{name}.yaml").write_text(files.get(name, default), encoding="utf-8")
    return folder


def test_the_pack_these_tests_change_is_sound(tmp_path: Path) -> None:
    assert check_pack(write(tmp_path / "pack")) == []


SENTENCES = [
    ("{{ head }} likes {{ tial }}.", "undeclared variable 'tial'", 21),
    ("{{ head }} likes {{ tail }}. {{ relation }}", "undeclared variable 'relation'", 33),
    ("{{ head }} likes {{ tail }.", "syntax error: unexpected '}'", 26),
    ("{{ head }} likes {{ tail", "syntax error: unexpected end of template", 25),
    ("{{ head }} likes {{ }} {{ tail }}", "syntax error: ", 21),
    ("{{ head }} {% if tail %}likes {{ tail }}", "syntax error: Unexpected end of template", 41),
    ("{{ head }} {% foo %} {{ tail }}", "syntax error: Encountered unknown tag 'foo'", 15),
    ("{{ head | uper }} likes {{ tail }}", "unknown filter 'uper'; did you mean upper?", 11),
    ("{{ head | random }} likes {{ tail }}", "unknown filter 'random'", 11),
    ("{{ head is odder }} likes {{ tail }}", "unknown test 'odder'", 9),
    ("{{ head }} {{ tail }} {{ ''.__class__ }}", "unsafe expression '__class__'", 28),
    ("{{ head }} {{ tail }} {{ ''['__class__'] }}", "unsafe expression '__class__'", 28),
    ("{{ head }} {{ tail }} {{ '' | attr('__class__') }}", "unsafe expression '__class__'", 31),
    ("{{ head }} {{ tail }} {{ [head] | map(attribute='__class__') | list }}", "unsafe expression '__class__'", 35),
    ("{{ head }} {{ tail }} {{ cycler(1) }}", "undeclared variable 'cycler'", 26),
    ("{% include 'x' %}{{ head }} {{ tail }}", "unsafe expression: a template cannot include", 4),
    ("{{ head }} {{ tail }} {{ 2 ** 9 }}", "unsafe expression '**'", None),
    ("{{ head }} {{ tail }} {{ 'a' * 9 }}", "rendering failed: SecurityError", None),
    ("{{ head }} {{ tail }} {{ head.nothing }}", "rendering failed: UndefinedError", None),
    ("{{ head }} likes", "{{ tail }} is missing; name both ends of the triple", None),
    ("{% if head == tail %}{{ head }}{% endif %}", "is lost", None),
    ("{{ head }} {{ tail }}\ufdd0", "a Unicode noncharacter", None),
]


@pytest.mark.parametrize(("text", "message", "column"), SENTENCES)
def test_a_mistake_in_a_sentence(tmp_path: Path, text: str, message: str, column: int | None) -> None:
    quoted = text.replace("'", "''")
    folder = write(tmp_path / "pack", relations=relations(f"['{GOOD}', '{quoted}']"))
    with pytest.raises(TemplateError) as caught:
        TemplatePack.load(folder)
    error = caught.value
    assert (error.pack, error.file, error.key) == ("mine", "relations.yaml", "likes")
    assert "forward sentence 2: " in str(error)
    assert message in str(error)
    if column is not None:
        assert error.column == column
    assert len(str(error).splitlines()) == 1


MPPS = [
    ("{{ history }}", "0 of the slot {{ mask }}, must be exactly one"),
    ("{{ mask }}", "0 of the slot {{ history }}, must be exactly one"),
    ("{{ history }} {{ history }} {{ mask }}", "2 of the slot {{ history }}, must be exactly one; remove all but one"),
    ("{{ history }} {{ mask }} {{ mask }}", "2 of the slot {{ mask }}, must be exactly one"),
    ("{{ user }} {{ user }} {{ history }} {{ mask }}", "2 of the slot {{ user }}, must be at most one"),
    ("{{ history | upper }} {{ mask }}", "more than slots in an MPP template"),
    ("{% if user %}{{ user }}{% endif %}{{ history }} {{ mask }}", "more than slots in an MPP template"),
    ("{{ history }} {{ mask }} {{ item }}", "column 29: undeclared variable 'item'"),
    ("{{ history } {{ mask }}", "column 12: syntax error"),
]


@pytest.mark.parametrize(("text", "message"), MPPS)
def test_a_mistake_in_an_mpp_template(tmp_path: Path, text: str, message: str) -> None:
    folder = write(tmp_path / "pack", mpp=MPP + f"  - {{id: bad, text: '{text}'}}\n")
    with pytest.raises(TemplateError) as caught:
        TemplatePack.load(folder)
    assert str(caught.value).startswith("pack mine, mpp.yaml, 'bad'")
    assert message in str(caught.value)


FILES = [
    ("relations", relations(f"'{GOOD}'") * 2, "relations.yaml, 'likes': duplicate id in line 4"),
    ("mpp", MPP + "  - {id: m1, text: '{{ history }} {{ mask }}'}\n", "mpp.yaml, 'm1': duplicate id"),
    ("mpp", MPP + "  - {id: m4, id: m5, text: '{{ history }} {{ mask }}'}\n", "'id': duplicate id in line 6"),
    (
        "mpp",
        MPP + "  - {id: m4, text: '{{ history }} {{ mask }}', split: test}\n",
        "unknown split 'test'; write train or",
    ),
    ("mpp", MPP + "  - {id: m4, txt: '{{ history }} {{ mask }}'}\n", "unknown key 'txt'; did you mean text?"),
    ("mpp", MPP + "  - {id: m4}\n", "'m4': no text"),
    ("mpp", MPP + "  - {text: '{{ history }} {{ mask }}'}\n", "'template 4': no id"),
    ("mpp", MPP + "  - m4\n", "'template 4': not a mapping"),
    ("mpp", "separator: [1]\n" + MPP, "separator is not a text"),
    ("mpp", "", "'templates': no list of templates"),
    ("mpp", "templates: [{id: m, text: '{{ history }} {{ mask }}', split: held_out}]", "no template with split: train"),
    ("relations", "likes: 3\n", "'likes': not a mapping; write forward: and inverse:"),
    ("relations", "likes: {forward: {a: b}}\n", "forward is not a list of sentences"),
    ("relations", "likes: {forward: ['']}\n", "forward is not a list of sentences"),
    ("relations", "likes: {forwards: x}\n", "unknown key 'forwards'; did you mean forward?"),
    ("relations", "likes: {}\n", "no sentence"),
    ("relations", "- likes\n", "relations.yaml: not a mapping"),
    ("relations", "likes: {forward: {{ head }}\n", "relations.yaml: not valid YAML in line"),
    ("relations", "likes: !!python/object/apply:os.getcwd []\n", "relations.yaml: not valid YAML in line 1"),
    ("relations", "a: &a [*a]\n", "not"),
    ("pack", PACK + "alises: {}\n", "pack.yaml: unknown key 'alises'; did you mean aliases?"),
    ("pack", PACK + "domain: [x]\n", "'domain': not a text"),
    ("pack", PACK + "aliases: {P1: like}\n", "'P1': alias of 'like', which has no sentences; did you mean likes?"),
    ("pack", PACK + "aliases: [P1]\n", "'aliases': not a mapping"),
    ("pack", PACK + "mirrored: [[likes, likes, likes]]\n", "'mirrored': not a list of pairs"),
    ("pack", PACK + "fallback: {forward: '{{ head }} {{ rel }} {{ tail }}'}\n", "undeclared variable 'rel'"),
    ("pack", PACK + "neutral: {forward: '{{ head }} {{ relation }} {{ tail }}'}\n", "undeclared variable 'relation'"),
    ("pack", PACK + "filters: {'f g': 'os.path:basename'}\n", "'f g': not a name for a filter"),
    ("pack", PACK + "filters: {f: 'os:system'}\n", "'f': the filter os:system is Python code"),
]
TAGS = [
    "map",
    "seq",
    "set",
    "omap",
    "pairs",
    "binary",
    "int",
    "float",
    "timestamp",
    "bool",
    "null",
    "str",
    "merge",
    "value",
    "python/name:os.system",
    "x",
]
NODES = (
    "[1]",
    "{a: 1}",
    "x",
    "''",
    "{}",
    "[]",
    "[[1], {a: b}]",
    "{? [a] : 1}",
    "{<<: 5}",
    "{<<: [1, 2]}",
    "99999-99-99",
)


@pytest.mark.parametrize(
    ("sentence", "end"),
    [
        ("{% if head|length > 4 %}{{ head }}{% endif %} is by {{ tail }}.", "head"),
        ("{{ head }} has {{ tail | length }}.", "tail"),
        ("{{ head }} has a sequel{% if tail %}.{% endif %}", "tail"),
        ("{{ head | upper }}, {% if tail %}{{ tail }}{% endif %}", ""),
    ],
)
def test_a_name_that_makes_no_difference_is_a_finding(tmp_path: Path, sentence: str, end: str) -> None:
    found = check_pack(write(tmp_path / "pack", relations=relations(f"['{GOOD}', '{sentence}']")))
    said = [one for one in found if "the same sentence" in one.message]
    assert [f"whether the {end} is called" in one.message for one in said] == [True] * bool(end)
    assert not any(one.fatal for one in found)


def test_a_mirrored_end_that_is_misspelled_is_a_finding(tmp_path: Path) -> None:
    for end, fixes in (("lieks", ["did you mean likes?"]), ("likes", []), ("of another graph", [])):
        text = PACK + f"mirrored: [[likes, {end}]]\n"
        found = [one for one in check_pack(write(tmp_path / end, pack=text)) if one.key == "mirrored"]
        assert [one.fix for one in found] == fixes
        assert not any(one.fatal for one in found)


@given(
    st.sampled_from(TAGS),
    st.sampled_from(NODES),
    st.sampled_from(["{}", "likes: {}", "likes: {{forward: {}}}", "- {}"]),
)
def test_no_tag_on_any_value_is_an_exception(tag: str, node: str, place: str) -> None:
    text = place.format(f"!!{tag} {node}") + "\n"
    with TemporaryDirectory() as folder:
        found = check_pack(write(Path(folder, "pack"), relations=text))
        assert {finding.file for finding in found} <= {"relations.yaml", "mpp.yaml", "pack.yaml"}


TRUSTED = [
    ("no_such_module:f", "'f': cannot import the filter no_such_module:f"),
    ("os:no_such", "'f': cannot import the filter os:no_such"),
    ("os:sep", "'f': the filter os:sep is not a function"),
    ("os", "'f': 'os' is not an import path; write module:function"),
]


@pytest.mark.parametrize(("path", "message"), TRUSTED)
def test_a_mistake_in_a_trusted_filter(tmp_path: Path, path: str, message: str) -> None:
    folder = write(tmp_path / "pack", pack=f"{PACK}filters: {{f: '{path}'}}\n")
    with pytest.raises(TemplateError) as caught:
        TemplatePack.load(folder, trust_code=True)
    assert message in str(caught.value)


@pytest.mark.parametrize(("file", "text", "message"), FILES)
def test_a_mistake_in_a_file(tmp_path: Path, file: str, text: str, message: str) -> None:
    folder = write(tmp_path / "pack", **{file: text})
    with pytest.raises(TemplateError) as caught:
        TemplatePack.load(folder)
    assert str(caught.value).startswith(f"pack mine, {file}.yaml")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "pack")
    (folder / "mpp.yaml").unlink()
    (folder / "relations.yaml").write_bytes(b"likes: \xff\xfe")
    found = [str(finding) for finding in check_pack(folder)]
    assert found[0].startswith("pack mine, relations.yaml: not UTF-8; save the file as UTF-8")
    assert found[1].startswith(
        "pack mine, mpp.yaml: the file is missing; a pack has pack.yaml, relations.yaml, mpp.yaml"
    )
    assert len(found) == 2, "each is reported once"


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "pack",
        relations="a: {forward: '{{ hed }} {{ tial }}'}\nb: {forward: '{{ head }}'}\n",
        mpp="templates: [{id: m, text: '{{ mask }} {{ user }}'}]",
        pack=PACK + "aliases: {P1: c}\nmirrored: x\n",
    )
    found = check_pack(folder)
    assert [(finding.file, finding.key) for finding in found] == [
        ("relations.yaml", "a"),
        ("relations.yaml", "a"),
        ("relations.yaml", "b"),
        ("mpp.yaml", "m"),
        ("pack.yaml", "P1"),
        ("pack.yaml", "mirrored"),
    ]
    assert all(finding.fix for finding in found)


def test_an_id_given_twice_hides_nothing(tmp_path: Path) -> None:
    text = "a: {forward: '{{ hed }} {{ tail }}'}\nb: {}\nb: {forward: '{{ head }}'}\nc: {forward: x, forward: y}\n"
    found = check_pack(write(tmp_path / "pack", relations=text))
    assert [(finding.key, finding.message.partition(";")[0]) for finding in found][:2] == [
        ("b", "duplicate id in line 3"),
        ("forward", "duplicate id in line 4"),
    ]
    assert [finding.key for finding in found][2:4] == ["a", "b"]
    assert {finding.key for finding in found} == {"a", "b", "c", "forward"}


def test_a_file_that_cannot_be_read_is_no_reason_for_other_findings(tmp_path: Path) -> None:
    folder = write(tmp_path / "pack", pack=PACK + "aliases: {P1: likes}\n", relations="- likes\n")
    assert [finding.file for finding in check_pack(folder)] == ["relations.yaml"]


@pytest.mark.parametrize(("language", "sound"), [("pt-BR", True), ("zh-Hant", True), ("5", False), ("English", False)])
def test_a_language_is_a_code(tmp_path: Path, language: str, sound: bool) -> None:
    folder = write(tmp_path / "pack", pack=PACK + f"language: {language}\n")
    found = check_pack(folder)
    assert [(finding.key, finding.fatal) for finding in found] == ([] if sound else [("language", False)])
    assert TemplatePack.load(folder).language == language


def test_what_a_pack_should_have_does_not_keep_it_from_loading(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "pack",
        mpp="templates: [{id: m, text: '{{ user }} {{ history }} {{ mask }}'}]",
        pack=PACK + "aliases: {likes: likes}\n",
    )
    found = check_pack(folder)
    assert [finding.fatal for finding in found] == [False] * 3
    assert [str(finding).partition(": ")[2].partition(";")[0] for finding in found] == [
        "an alias that has sentences of its own, which are used",
        "no template with split: held_out",
        "0 templates without {{ user }}, should be at least 2",
    ]
    assert TemplatePack.load(folder).has("likes")


@given(st.text(max_size=300), st.integers(1, 301))
def test_a_mistake_is_marked_at_its_column(text: str, column: int) -> None:
    column = min(column, len(text) + 1)
    shown, mark = Place().finding("wrong", "fix", column=column, text=text).excerpt()
    assert len(shown) <= 92
    assert mark.endswith("^")
    assert shown.isprintable()
    marked = shown[len(mark) - 1 :]
    expected = text[column - 1 : column]
    assert marked[:1] == expected or not expected.isprintable() or not expected


def test_a_mistake_without_a_text_shows_none() -> None:
    assert Place().finding("wrong", "fix").excerpt() == []


def test_texts_that_yaml_would_change_stay_texts(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "pack", pack="name: mine\nlanguage: no\n", relations=f"2001-01-01: {{forward: '{GOOD}'}}\n"
    )
    pack = TemplatePack.load(folder)
    assert pack.language == "no"
    assert list(pack.relations) == ["2001-01-01"]
    assert TemplatePack.load(pack.save(tmp_path / "again")) == pack


def test_a_name_may_be_a_folder(tmp_path: Path) -> None:
    shutil.copytree(templates_dir() / "books", tmp_path / "copy")
    assert TemplatePack.load("copy") == TemplatePack.load(tmp_path / "copy") == TemplatePack.load("books")
