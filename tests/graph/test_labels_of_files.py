"""Names and labels in files: those of relations become their words; of several names one is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.graph import Graph, MemorySource, open_source
from kptoolkit.graph.loading.survey import Survey, survey
from kptoolkit.prompts import TemplatePack, draft_pack

RDFS, WD, WDT = (
    "http://www.w3.org/2000/01/rdf-schema#",
    "http://www.wikidata.org/entity/",
    "http://www.wikidata.org/prop/direct/",
)
NT = f'<{WD}Q1> <{WDT}P99031> <{WD}Q2> .\n<{WD}Q1> <{RDFS}label> "Earth"@en .\n'
TTL = f"@prefix wd: <{WD}> .\n@prefix rdfs: <{RDFS}> .\n@prefix x: <http://x.org/> .\nwd:Q1 x:p17 wd:Q2 .\n"
LABELLED: dict[str, tuple[dict[str, str], str]] = {
    "property": (
        {
            "a.nt": f'{NT}<{WDT}P99031> <{RDFS}label> "est"@fr, .\n'.replace(", .", " .")
            + f'<{WDT}P99031> <{RDFS}label> "instance of"@en .\n'
        },
        f"{WDT}P99031",
    ),
    "entity of the property": ({"a.nt": f'{NT}<{WD}P99031> <{RDFS}label> "instance of"@en .\n'}, f"{WDT}P99031"),
    "turtle": ({"a.ttl": TTL + 'x:p17 rdfs:label "instance of" .\n'}, "http://x.org/p17"),
    "two files": ({"a.nt": NT, "b.nt": f'<{WD}P99031> <{RDFS}label> "instance of" .\n'}, f"{WDT}P99031"),
    "kgtk edges": (
        {"a.tsv": "node1\tlabel\tnode2\nQ1\tP99031\tQ2\nP99031\tlabel\t'instance of'@en\nP99031\tlabel\t'est'@fr\n"},
        "P99031",
    ),
    "kgtk columns": (
        {"a.tsv": "node1\tlabel\tnode2\tlabel;label\nQ1\tP99031\tQ2\t'est'@fr|'instance of'@en\n"},
        "P99031",
    ),
    "openke": (
        {
            "entity2id.txt": "2\nQ1\t0\nQ2\t1\n",
            "relation2id.txt": "1\nP99031\tinstance of\t0\n",
            "train2id.txt": "1\n0 1 0\n",
        },
        "P99031",
    ),
    "names": (
        {"kg.csv": "head,relation,tail\nQ1,P99031,Q2\n", "names.csv": "id,name\nQ1,Earth\nP99031,instance of\n"},
        "P99031",
    ),
    "recbole": (
        {
            "x.kg": "head_id\trelation_id\ttail_id\nQ1\tP99031\tQ2\n",
            "x.ent": "entity_id\tname\nP99031\tinstance of\nQ1\tEarth\n",
        },
        "P99031",
    ),
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def read(folder: Path, **options: Any) -> Survey:
    return survey(open_source([folder], **options))


def report(command: str, *words: object) -> Any:
    done = CliRunner().invoke(app, [*command.split(), *map(str, words), "--json"])
    assert done.stdout, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", LABELLED)
def test_the_label_of_a_relation_is_found(tmp_path: Path, name: str) -> None:
    files, relation = LABELLED[name]
    found = read(written(tmp_path, files))
    assert found.relations == [relation]
    assert len(found) == 1
    assert found.relation_labels == {relation: "instance of"}


def test_labels_of_relations_in_memory_and_in_the_wanted_language(tmp_path: Path) -> None:
    assert survey(MemorySource([("a", "P99031", "b")], names_={"P99031": "instance of"})).relation_labels == {
        "P99031": "instance of"
    }
    files, relation = LABELLED["property"]
    assert read(written(tmp_path, files), language="fr").relation_labels == {relation: "est"}


@pytest.mark.parametrize("relation", ["1", "Q1"])
def test_the_name_of_an_entity_is_no_label_of_a_relation_with_its_id(relation: str) -> None:
    found = survey(MemorySource([("Q1", relation, "2")], names_={"1": "One", "Q1": "Earth"}))
    assert found.relation_labels == {}


def test_literals_of_kgtk_are_no_entities(tmp_path: Path) -> None:
    rows = ["Q1\tP99031\tQ2", "Q1\tP569\t^1952-03-11T00:00:00Z/11", "Q1\tP1476\t'A title'@en", 'Q1\tP2\t"plain"']
    rows += ["Q1\tP3\t+5[4,6]Q11573", "Q1\tP625\t@52.1/0.4", "Q1\tlabel\t'It\\'s Earth'@en"]
    written(tmp_path, {"a.tsv": "node1\tlabel\tnode2\n" + "\n".join(rows) + "\n"})
    source = open_source([tmp_path / "a.tsv"])
    found = survey(source)
    assert sorted(found.entities) == ["Q1", "Q2"]
    assert found.names[found.entities.index("Q1")] == "It's Earth"
    assert source.literals_left_out == 5


def test_a_label_is_used_where_a_pack_has_no_sentence_and_before_the_words_of_the_id(tmp_path: Path) -> None:
    pack = TemplatePack.load("generic").with_relation("P57", forward="{{ head }} was directed by {{ tail }}.")
    labelled = pack.with_labels({"P99031": "instance of", "P57": "director", "film.madeBy": "studio {{ of }}"})
    assert labelled.sentence("Earth", "P99031", "planet") == 'The entry for Earth lists planet under "instance of".'
    assert labelled.sentence("Heat", "P57", "Mann") == "Heat was directed by Mann."
    assert labelled.sentence("Heat", "film.madeBy", "X") == 'The entry for Heat lists X under "studio {{ of }}".'
    assert pack.sentence("Earth", "P99031", "planet") == "Earth is related to planet."
    again = TemplatePack.load(labelled.save(tmp_path / "pack"))
    assert again.graph_labels == labelled.graph_labels
    assert again.sentence("Earth", "P99031", "planet") == labelled.sentence("Earth", "P99031", "planet")
    assert labelled.with_labels({"P99031": "is a"}).graph_labels == {"P99031": "is a"}
    own = replace(pack, labels={"P99031": "is one"}).with_labels({"P99031": "is a"})
    assert own.words("P99031") == "is one"
    drafted = draft_pack("mine", {"P99031": 3, "film.madeBy": 2}, labelled)
    assert "instance of" in drafted.files["relations.yaml"]
    assert "{{ of }}" not in drafted.files["relations.yaml"]


@pytest.mark.embedded
def test_labels_are_stored_in_the_graph_and_are_in_prompts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    files, relation = LABELLED["entity of the property"]
    written(tmp_path / "data", files | {"b.nt": f'<{WD}Q2> <{RDFS}label> "planet"@en .\n'})
    (tmp_path / "links.csv").write_text(f"item_id,entity_id\n1,{WD}Q1\n")
    with Graph.open(f"embedded:{tmp_path / 'kg'}") as graph:
        assert graph.relation_labels() == {}
        source = open_source([tmp_path / "data"], link=tmp_path / "links.csv")
        graph.load(source)
        before = graph.fingerprint()
        assert graph.relation_labels() == {relation: "instance of"}
        graph.load(MemorySource([("a", "P9", "b")], names_={"P9": "sister"}))
        assert graph.relation_labels() == {relation: "instance of", "P9": "sister"}
        again = graph.fingerprint()
        graph.load(MemorySource([("a", "P9", "b")], names_={"P9": "sister of"}))
        assert len({before, again, graph.fingerprint()}) == 3
    done = CliRunner().invoke(
        app,
        ["tree", "--item", "1", "--json", "--graph", f"embedded:{tmp_path / 'kg'}", "--set", "prompts.pack=generic"],
    )
    assert "The entry for Earth lists planet under 'instance of'." in done.stdout.replace('\\"', "'")
    with Graph.open(f"embedded:{tmp_path / 'kg'}") as graph:
        graph.load(MemorySource([("a", "P9", "b")]), mode="replace")
        assert graph.relation_labels() == {}


SEVERAL: dict[str, dict[str, str]] = {
    "names": {"kg.csv": "head,relation,tail\ne1,r,e2\n", "names.csv": "id,name\ne1,One\ne2,Two\ne1,Uno\ne2,Two\ne1,\n"},
    "recbole": {
        "x.kg": "head_id\trelation_id\ttail_id\ne1\tr\te2\n",
        "x.ent": "entity_id\tname\ne1\tOne\ne1\tUno\ne2\tTwo\n",
    },
    "rdf": {
        "a.nt": f'<e:1> <r:1> <e:2> .\n<e:1> <{RDFS}label> "Eins"@de .\n<e:1> <{RDFS}label> "One"@en .\n'
        f'<e:1> <{RDFS}label> "Uno"@en .\n<e:2> <{RDFS}label> "Two" .\n'
    },
    "rdf in two files": {
        "a.nt": f'<e:1> <r:1> <e:2> .\n<e:1> <{RDFS}label> "Eins"@de .\n<e:1> <{RDFS}label> "One"@en .\n',
        "b.nt": f'<e:1> <{RDFS}label> "Uno"@en .\n<e:1> <{RDFS}label> "Un"@fr .\n<e:2> <{RDFS}label> "Two" .\n',
    },
    "kgtk": {
        "a.tsv": "node1\tlabel\tnode2\ne1\tr\te2\ne1\tlabel\t'One'@en\ne1\tlabel\t'Uno'@en\ne2\tlabel\t'Two'@en\n"
    },
    "json": {
        "a.jsonl": "".join(
            json.dumps({"asin": one, "title": title, "brand": "B"}) + "\n"
            for one, title in (("e1", "One"), ("e1", "Uno"))
        )
    },
}


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_names_the_first_is_kept_and_all_are_counted(tmp_path: Path, name: str) -> None:
    written(tmp_path, SEVERAL[name])
    loaded = report("load-kg", tmp_path, "--dry-run")
    said = [warning for warning in loaded["warnings"] if "with several names" in warning]
    assert len(said) == 1
    assert said[0].startswith("1 entity with several names, of which the first is kept: ")
    assert "is One, not Uno" in said[0]
    found = read(tmp_path)
    assert "One" in found.names
    assert "Uno" not in found.names
    checked = {one["what"]: one for one in report("data check", tmp_path)}
    finding = checked["entities with several names, of which the first is kept"]
    assert finding["count"] == 1
    assert "is One, not Uno" in finding["examples"][0]


def test_of_several_titles_the_first_is_kept(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "x.kg": "head_id\trelation_id\ttail_id\ne1\tr\te2\n",
            "x.link": "item_id\tentity_id\ni1\te1\n",
            "x.item": "item_id\ttitle\ni1\t\ni1\tOne\ni2\tTwo\ni1\tUno\ni2\tTwo\n",
        },
    )
    loaded = report("load-kg", tmp_path, "--dry-run")
    assert "1 item with several titles, of which the first is kept: i1 is One, not Uno" in loaded["warnings"]
    assert read(tmp_path).names[0] == "One"
    checked = {one["what"]: one for one in report("data check", tmp_path)}
    assert checked["items with several titles, of which the first is kept"]["count"] == 1


@pytest.mark.parametrize("given", [False, True])
def test_a_file_of_names_comes_before_names_in_triples(tmp_path: Path, given: bool) -> None:
    written(tmp_path, SEVERAL["rdf"] | {"names.csv": "id,name\ne:1,First\n"})
    found = survey(open_source([tmp_path / "a.nt"], names=tmp_path / "names.csv" if given else None))
    assert found.names[found.entities.index("e:1")] == ("First" if given else "One")
    assert found.several_names.keys() == (set() if given else {"e:1"})


def test_labels_survive_an_export(tmp_path: Path) -> None:
    files, relation = LABELLED["entity of the property"]
    (tmp_path / "data").mkdir()
    written(tmp_path / "data", files)
    done = CliRunner().invoke(app, ["export-csv", str(tmp_path / "data"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert read(tmp_path / "out").relation_labels == {relation: "instance of"}
