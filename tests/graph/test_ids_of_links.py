"""Ids of links that are not those of the triples: rules that compare, and a file that lists them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.graph import open_source
from kptoolkit.storage.values.id_rules import IdRules, propose

FREEBASE = ("/m/{}", "m.{}", "http://rdf.freebase.com/ns/m.{}", "https://www.freebase.com/m/{}", "fb:m.{}")
WIKIDATA = (
    "{}",
    "wd:{}",
    "http://www.wikidata.org/entity/{}",
    "https://www.wikidata.org/wiki/{}",
    "http://wikidata.org/entity/{}",
    "https://www.wikidata.org/wiki/Special:EntityData/{}",
)
PROPERTIES = ("{}", "wdt:{}", "http://www.wikidata.org/prop/direct/{}", "https://www.wikidata.org/wiki/Property:{}")
KEYS = st.lists(st.from_regex(r"0[a-z0-9]{4,6}", fullmatch=True), min_size=1, max_size=8, unique=True)
NUMBERS = st.lists(st.integers(1, 10**7), min_size=1, max_size=8, unique=True)


def changed(rule: str, ids: list[str], known: list[str]) -> list[str]:
    found = IdRules.of(rule).rewritten(ids, lambda: known).require("test")
    return [found[one] for one in ids]


def graph(folder: Path, ends: list[str], links: list[tuple[str, str]]) -> list[str]:
    """Arguments of ``load-kg`` for triples with these heads, and these links."""
    (folder / "kg.csv").write_text("head,relation,tail\n" + "".join(f"{one},genre,Comedy\n" for one in ends))
    (folder / "links.csv").write_text("item_id,entity_id\n" + "".join(f"{one},{other}\n" for one, other in links))
    (folder / "names.csv").write_text("id,name\nComedy,Comedy\n")
    return [str(folder / "kg.csv"), "--link", str(folder / "links.csv"), "--names", str(folder / "names.csv")]


def load(*words: str) -> tuple[int, str, Any]:
    done = CliRunner().invoke(app, ["load-kg", *words, "--dry-run", "--json"])
    return done.exit_code, " ".join(done.stderr.split()), json.loads(done.stdout) if done.exit_code == 0 else None


@given(keys=KEYS, here=st.sampled_from(FREEBASE), there=st.sampled_from(FREEBASE), upper=st.booleans())
def test_freebase_in_any_form_is_found_in_any_other(keys: list[str], here: str, there: str, upper: bool) -> None:
    ids = [here.format(key.upper() if upper else key) for key in keys]
    known = [there.format(key) for key in keys]
    assert changed("freebase", ids, [*known, "Comedy", "film.film.genre"]) == known


@given(numbers=NUMBERS, forms=st.sampled_from([("Q", WIKIDATA), ("P", PROPERTIES)]), data=st.data())
def test_wikidata_in_any_form_is_found_in_any_other(
    numbers: list[int], forms: tuple[str, tuple[str, ...]], data: st.DataObject
) -> None:
    letter, written = forms
    here, there = data.draw(st.sampled_from(written)), data.draw(st.sampled_from(written))
    known = [there.format(f"{letter}{number}") for number in numbers]
    ids = [here.format(f"{letter}{number}") for number in numbers]
    assert changed("wikidata", ids, ["Comedy", *known]) == known
    found = propose(ids, set(known))
    assert ids == known or (found is not None and found.matched == len(ids))


@given(ids=st.lists(st.from_regex(r"[a-zA-Z]{1,4}\.[0-9a-zA-Z]{1,6}", fullmatch=True), min_size=1, max_size=8))
def test_fold_finds_ids_in_any_case_on_both_sides(ids: list[str]) -> None:
    known = list({one.casefold(): one for one in ids}.values())
    assert changed("fold", [one.swapcase() for one in ids], known) == [
        next(other for other in known if other.casefold() == one.casefold()) for one in ids
    ]


def test_an_id_that_is_known_itself_stays_and_one_that_may_be_two_is_an_error() -> None:
    assert changed("fold", ["Ab"], ["ab", "Ab"]) == ["Ab"]
    assert changed("fold", ["x"], ["ab", "Ab"]) == ["x"]
    with pytest.raises(DataError, match=r"the id AB may be ab or Ab.*--id-map"):
        changed("fold", ["AB"], ["ab", "Ab"])
    assert propose(["AB"], {"ab", "Ab"}) is None
    found = propose(["AB", "XY"], {"ab", "Ab", "xy"})
    assert found is not None
    assert found.matched == 1


@pytest.mark.parametrize(
    ("ends", "linked", "rule"),
    [
        (["Tt01x", "tT02Y", "TT03z"], ["tT01X", "Tt02y", "tt03Z"], "fold"),
        (["http://rdf.freebase.com/ns/m.0a1", "m.0b2"], ["/m/0a1", "/m/0b2"], "freebase"),
        (["http://www.wikidata.org/entity/Q1", "https://www.wikidata.org/wiki/Q2"], ["Q1", "Q2"], "wikidata"),
        (["tt0114709", "tt0113228"], ["TT0114709", "TT0113228"], "lower"),
        (["http://rdf.freebase.com/ns/m.0a1"], ["m.0a1"], "prefix=http://rdf.freebase.com/ns/"),
    ],
)
def test_the_error_names_the_rule_and_the_rule_makes_every_link_match(
    tmp_path: Path, ends: list[str], linked: list[str], rule: str
) -> None:
    words = graph(tmp_path, ends, [(str(number), one) for number, one in enumerate(linked)])
    code, said, _ = load(*words)
    assert code == 2
    assert f"with --link-ids '{rule}' {len(ends)} more would match" in said
    code, said, report = load(*words, "--link-ids", rule)
    assert (code, report["items_without_triples"], report["warnings"]) == (0, 0, [])


def test_item_ids_compare_with_those_of_the_interactions(tmp_path: Path) -> None:
    (tmp_path / "x.kg").write_text("head_id\trelation_id\ttail_id\ne1\tr\te2\n")
    (tmp_path / "x.link").write_text("item_id\tentity_id\nABc\te1\n")
    (tmp_path / "x.inter").write_text("user_id\titem_id\nu\taBC\n")
    with pytest.raises(ConfigError, match=r"--item-ids fold compares.*--interactions"):
        open_source([tmp_path], item_ids="fold")
    source = open_source([tmp_path], item_ids="fold", interactions=True)
    assert [one for table in source.links() for one in table["item_id"]] == ["aBC"]
    done = CliRunner().invoke(app, ["data", "check", str(tmp_path), "--item-ids", "fold", "--json"])
    assert "catalogue" not in done.stdout


@pytest.mark.parametrize("header", ["id,graph_id\n", "imdb,freebase\n", "item_id,entity_id,note\n", ""])
@pytest.mark.parametrize("by_item", [False, True])
def test_a_file_of_ids_replaces_those_of_links(tmp_path: Path, header: str, by_item: bool) -> None:
    words = graph(tmp_path, ["m.1", "m.2", "m.3"], [("i1", "tt1"), ("i2", "tt2"), ("i3", "m.3")])
    ids = ("i1", "i2") if by_item else ("tt1", "tt2")
    note = ",x" * header.count("note")
    rows = [f"{ids[0]},m.1", f"{ids[1]},m.2", f"{ids[1]},m.9", "tt9,m.9"]
    (tmp_path / "map.csv").write_text(header + "".join(f"{row}{note}\n" for row in rows))
    code, _, report = load(*words, "--id-map", str(tmp_path / "map.csv"))
    assert (code, report["items"], report["items_without_triples"]) == (0, 3, 0)
    unmatched, repeated = report["warnings"]
    assert unmatched.startswith("1 row of")
    assert "in no link" in unmatched
    assert repeated.startswith("1 row of")
    assert "the first stays" in repeated


def test_a_file_of_ids_and_rules_go_together(tmp_path: Path) -> None:
    words = graph(tmp_path, ["m.1", "tt2"], [("i1", "TT1"), ("i2", "TT2")])
    (tmp_path / "map.csv").write_text("from,to\nTT1,m.1\n")
    code, _, report = load(*words, "--id-map", str(tmp_path / "map.csv"), "--link-ids", "lower")
    assert (code, report["items_without_triples"], report["warnings"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "from,to\nTT1,m.1\n",
            "lists no id of a link: links have e.g. tt1, the file e.g. TT1: TT1 would have to be tt1",
        ),
        ("a,b,c\n1,2,3\n", "no columns with ids and ids of the graph .*--columns item=HEADER,entity=HEADER"),
        ("from,from,to\ntt1,tt1,m.1\n", "columns 1 and 2 are both called from"),
        ("from,to\ntt1,\n", "line 2: the entity_id is empty"),
        ("", "the file is empty"),
    ],
)
def test_a_file_of_ids_that_cannot_be_used_is_an_error(tmp_path: Path, rows: str, said: str) -> None:
    words = graph(tmp_path, ["m.1"], [("i1", "tt1")])
    (tmp_path / "map.csv").write_text(rows)
    code, output, _ = load(*words, "--id-map", str(tmp_path / "map.csv"))
    assert code == 2
    assert re.search(said, output), output


def test_without_links_a_file_of_ids_is_an_error(tmp_path: Path) -> None:
    words = graph(tmp_path, ["m.1"], [])
    (tmp_path / "map.csv").write_text("from,to\ntt1,m.1\n")
    code, said, _ = load(words[0], "--id-map", str(tmp_path / "map.csv"))
    assert code == 2
    assert "has no links" in said
    assert "give it with --link" in said


def test_data_check_takes_the_same_options(tmp_path: Path) -> None:
    graph(tmp_path, ["m.1", "m.2"], [("i1", "/m/1"), ("i2", "/m/2")])
    for file, suffix in (("kg.csv", "kg"), ("links.csv", "link")):
        (tmp_path / f"x.{suffix}").write_text((tmp_path / file).read_text().replace(",", "\t"))
        (tmp_path / file).unlink()
    (tmp_path / "names.csv").unlink()
    (tmp_path / "x.inter").write_text("user_id\titem_id\nu\ti1\nu\ti2\n")
    (tmp_path.parent / f"{tmp_path.name}.map").write_text("/m/1\tm.1\n/m/2\tm.2\n")
    for more, count in (
        ((), 2),
        (("--link-ids", "freebase"), 0),
        (("--id-map", str(tmp_path.parent / f"{tmp_path.name}.map")), 0),
    ):
        done = CliRunner().invoke(app, ["data", "check", str(tmp_path), *more, "--json"])
        found = {one["what"]: one for one in json.loads(done.stdout)}
        unknown = found.get("links to entities that are in no .ent and no .kg file")
        assert (0 if unknown is None else unknown["count"]) == count
        assert unknown is None or "--link-ids 'freebase'" in unknown["advice"]


@pytest.mark.parametrize("option", ["--link-ids", "--item-ids"])
def test_a_rule_that_has_nothing_to_rewrite_is_an_error(tmp_path: Path, option: str) -> None:
    words = graph(tmp_path, ["a"], [("1", "a")])
    triples = [words[0], *words[3:]]
    code, said, _ = load(*triples, option, "prefix=x")
    assert (code, f"has no links, whose ids {option} would rewrite; give them with --link" in said) == (2, True)
