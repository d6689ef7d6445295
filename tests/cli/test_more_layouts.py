"""More public layouts, written by hand: the command that comes to mind first works, or names the option that does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.data.interactions import read_interactions
from kptoolkit.errors import DataError
from kptoolkit.storage.dialects import Reading
from kptoolkit.storage.values.times import seconds_of

CHECKIN = "470\tv{0}\tc{0}\tArts & Crafts\t40.719\t-74.002\t-240\tTue Apr 03 18:0{0}:09 +0000 2012"
BOOK = {"book_id": "1", "title": "W.C. Fields", "authors": [{"author_id": "6"}], "similar_books": ["2"], "work_id": "9"}
PAPER = {
    "id": 1,
    "title": "Networks",
    "venue": {"raw": "HCI"},
    "fos": [{"name": "Telecom"}],
    "references": [2],
    "year": 2013,
}
BEAUTY = {"parent_asin": "B01", "title": "Oil", "details": {"Brand": "Howard", "UPC": "6"}, "bought_together": None}
NELL = "Entity\tRelation\tValue\tBest Entity literalString\tBest Value literalString\n"
WORK = {
    "id": "https://openalex.org/W1",
    "title": "Networks",
    "authorships": [{"author": {"display_name": "Ann"}, "institutions": [{"display_name": "MIT"}]}],
    "referenced_works": ["https://openalex.org/W2"],
}
TRACK = {"pos": 0, "track_uri": "s:track:1", "track_name": "Lose", "artist_uri": "s:artist:9", "artist_name": "Missy"}
TRACKS = [{**TRACK, "track_uri": f"s:track:{n}", "pos": n} for n in (1, 3, 2)]
SLICE = {"info": {}, "playlists": [{"pid": 7, "name": "run", "tracks": TRACKS}]}
NODE_LINK = {
    "directed": True,
    "nodes": [{"id": 1, "name": "Heat"}, {"id": 2, "name": "Mann"}, {"id": 3}],
    "links": [{"source": 1, "target": 2, "relation": "director"}, {"source": 1, "target": 3}],
}
CYTOSCAPE = {
    "elements": {
        "nodes": [{"data": {"id": "a", "name": "Heat"}}, {"data": {"id": "b", "label": "Mann"}}],
        "edges": [{"data": {"id": "e", "source": "a", "target": "b", "label": "by"}}],
    }
}
BINDINGS = {
    "head": {"vars": ["s", "p", "o"]},
    "results": {
        "bindings": [{key: {"type": "uri", "value": f"http://e.org/{'by' if key == 'p' else key}"} for key in "spo"}]
    },
}
#: Files; arguments; part of what is said; figures of the report of ``load-kg``, ``None`` for an error.
GRAPHS: dict[str, tuple[dict[str, str], str, str, dict[str, Any] | None]] = {
    "FB15k-237": (
        {
            "train.txt": "/m/1\t/f/genre\t/m/2\n/m/3\t/f/genre\t/m/2\n/m/4\t/f/by\t/m/5\n/m/6\t/f/by\t/m/7\n",
            "valid.txt": "/m/1\t/f/by\t/m/5\n",
            "test.txt": "/m/3\t/f/by\t/m/7\n",
            "entity2text.txt": "".join(f"/m/{n}\tName {n}\n" for n in range(1, 8)),
            "relation2text.txt": "/f/genre\tfilm genre\n",
            "entity2textlong.txt": "/m/1\tA long text.\n",
        },
        ".",
        "recognized link prediction: .*names of entity2text.txt, relation2text.txt",
        {"triples_read": 6, "entities": 7, "nameless_entities": 0},
    ),
    "Wikidata5M": (
        {
            "wikidata5m_transductive_train.txt": "Q1\tP31\tQ2\nQ3\tP31\tQ2\nQ4\tP57\tQ5\nQ6\tP57\tQ7\n",
            "wikidata5m_transductive_valid.txt": "Q1\tP57\tQ5\n",
            "wikidata5m_entity.txt": "Q1\tHeat\tHeat (1995 film)\nQ2\tfilm\nQ5\tMann\tMichael Mann\tM. Mann\n",
            "wikidata5m_relation.txt": "P31\tinstance of\tis a\nP57\tdirector\tdirected by\tfilm director\n",
        },
        ".",
        "names of wikidata5m_entity.txt, wikidata5m_relation.txt",
        {"triples_read": 5, "entities": 7, "nameless_entities": 4},
    ),
    "Wikidata query": (
        {
            "q.csv": "item,itemLabel,director,directorLabel\n"
            "http://w.org/Q1,Heat,http://w.org/Q9,Michael Mann\nhttp://w.org/Q2,Ronin,http://w.org/Q8,John F.\n"
        },
        "q.csv",
        "itemLabel as name, triples: director as director; names in directorLabel",
        {"triples_read": 2, "entities": 4, "items": 2, "nameless_entities": 0},
    ),
    "Wikidata query with names alone": (
        {"q.csv": "film,filmLabel,genreLabel\nhttp://w.org/Q1,Heat,crime\nhttp://w.org/Q2,Ronin,crime\n"},
        "q.csv",
        "film as item, filmLabel as name, triples: genreLabel as genre",
        {"triples_read": 2, "entities": 3, "items": 2, "nameless_entities": 0},
    ),
    "Wikidata query of triples": (
        {"q.csv": "subject,subjectLabel,predicate,object,objectLabel\nhttp://w.org/Q1,Heat,P57,http://w.org/Q9,Mann\n"},
        "q.csv",
        "object as tail; names in subjectLabel, objectLabel",
        {"triples_read": 1, "entities": 2, "nameless_entities": 0},
    ),
    "SPARQL as TSV": (
        {"q.tsv": "?s\t?p\t?o\n<http://e.org/1>\t<http://e.org/by>\t<http://e.org/2>\n"},
        "q.tsv",
        r"\?s as head, \?p as relation, \?o as tail",
        {"triples_read": 1, "entities": 2},
    ),
    "Gephi": (
        {
            "edges.csv": "Source,Target,Type,Id,Label,Weight\n1,2,Directed,0,directed by,1.0\n1,3,Directed,1,,1.0\n",
            "nodes.csv": "Id,Label\n1,Heat\n2,Mann\n3,Crime\n",
        },
        ".",
        "recognized edges without relations: .*; not read: Type, Id, Weight",
        {"triples_read": 2, "relations": {"directed by": 1, "related_to": 1}, "nameless_entities": 0},
    ),
    "edges": (
        {"e.csv": "source,target,weight\nHeat,Mann,1\n"},
        "e.csv",
        "related_to",
        {"triples_read": 1, "entities": 2},
    ),
    "an edge list, asked": ({"e.txt": "Heat Mann\nHeat Crime\n"}, "e.txt", "--columns head=1,tail=2, if", None),
    "an edge list": (
        {"e.txt": "Heat Mann\nHeat Crime\n"},
        "e.txt --columns head=1,tail=2",
        "edges without relations: 1 as head, 2 as tail",
        {"triples_read": 2, "entities": 3, "items": 0},
    ),
    "triples of a language model": (
        {"t.csv": "entity1,relationship,entity2\nHeat,directed by,Mann\n"},
        "t.csv",
        "entity1 as head, relationship as relation, entity2 as tail",
        {"triples_read": 1, "entities": 2},
    ),
    "Goodreads with names of authors": (
        {
            "goodreads_books.json": json.dumps(BOOK) + "\n",
            "goodreads_book_authors.json": json.dumps({"author_id": "6", "name": "Ronald Fields"}) + "\n",
        },
        "goodreads_books.json",
        "names in goodreads_book_authors.json",
        {"triples_read": 2, "nameless_entities": 1},
    ),
    "Goodreads without names of authors": (
        {"goodreads_books.json": json.dumps(BOOK) + "\n"},
        "goodreads_books.json",
        "",
        {"triples_read": 2, "nameless_entities": 2},
    ),
    "OpenAlex": (
        {"w.jsonl": json.dumps(WORK) + "\n"},
        "w.jsonl",
        "referenced_works as cites",
        {"triples_read": 3, "entities": 4, "nameless_entities": 1},
    ),
    "Million Playlist": (
        {"mpd.slice.0-999.json": json.dumps(SLICE, indent=2)},
        ".",
        "recognized Million Playlist",
        {"triples_read": 3, "entities": 4, "items": 3, "nameless_entities": 0},
    ),
    "nodes and links of networkx": (
        {"g.json": json.dumps(NODE_LINK, indent=1)},
        "g.json",
        "recognized a graph in JSON: edges of nodes",
        {"triples_read": 2, "relations": {"director": 1, "related_to": 1}, "entities": 3, "nameless_entities": 1},
    ),
    "Cytoscape": (
        {"g.json": json.dumps(CYTOSCAPE)},
        ".",
        "recognized a graph in JSON",
        {"triples_read": 1, "relations": {"by": 1}, "nameless_entities": 0},
    ),
    "SPARQL as JSON": (
        {"q.json": json.dumps(BINDINGS)},
        "q.json",
        "a graph in JSON: results of SPARQL",
        {"triples_read": 1, "relations": {"http://e.org/by": 1}, "entities": 2},
    ),
    "SPARQL as JSON, other variables": (
        {"q.json": json.dumps({"results": {"bindings": [{"film": {"value": "http://e.org/1"}}]}})},
        "q.json",
        "results of SPARQL for film, and not for a head.* write them as CSV",
        None,
    ),
    "lists of triples": (
        {"t.json": json.dumps([["Heat", "by", "Mann"], ["Ronin", "by", "John F."]], indent=1)},
        "t.json",
        "a graph in JSON: lists of head, relation and tail",
        {"triples_read": 2, "entities": 4},
    ),
    "triples in an object": (
        {"t.json": json.dumps({"triples": [["Heat", "by", "Mann"], {"subject": "A", "relation": "r", "object": "B"}]})},
        "t.json",
        "a graph in JSON: lists of head, relation and tail",
        {"triples_read": 2, "entities": 4},
    ),
    "a wrong list of triples": (
        {"t.json": '[["Heat", "by"]]'},
        "t.json",
        "1: no list of head, relation and tail",
        None,
    ),
    "an edge without an end": (
        {"g.json": '{"nodes": [], "links": [{"source": 1}]}'},
        "g.json",
        "1: an edge without",
        None,
    ),
    "a mapping to DBpedia, asked": (
        {
            "kg.nt": "<http://d.org/A> <http://d.org/by> <http://d.org/B> .\n",
            "map.tsv": "1\tToy Story\thttp://d.org/A\n",
        },
        "kg.nt --link map.tsv",
        "e.g. --columns item=1,entity=3",
        None,
    ),
    "lists of tags": (
        {"item-tag.dat": "2 1 5\n1 5\n0\n"},
        "item-tag.dat",
        "its lines have 1 to 3 columns.*each pair",
        None,
    ),
    "an id with colons": ({"kg.csv": "ex:a:heart:b,x:y,z\nm1,genre,Action\n"}, "kg.csv", "ex:a:heart:b, x:y, z", None),
    "FB15k-237 with labels of Wikidata": (
        {
            "train.txt": "/m/1\t/f/genre\t/m/2\n/m/3\t/f/genre\t/m/2\n/m/4\t/f/by\t/m/5\n",
            "entity2wikidata.json": json.dumps({"/m/1": {"label": "Heat"}, "/m/2": {"label": "Crime"}, "/m/3": {}}),
        },
        ".",
        "recognized link prediction: .*names of entity2wikidata.json",
        {"triples_read": 3, "entities": 5, "nameless_entities": 3},
    ),
    "tracks with their titles": (
        {"tracks.tsv": "track_id\tartist\ttrack\n10\tQueen\tBohemian\n", "albums.tsv": "album\tyear\nOpera\t1975\n"},
        ".",
        "track as name, triples: artist as artist .*no triples in albums.tsv; not read",
        {"triples_read": 1, "entities": 2, "items": 1, "nameless_entities": 0},
    ),
    "genome scores, asked": (
        {"genome-scores.csv": "movieId,tagId,relevance\n1,1,0.025\n", "genome-tags.csv": "tagId,tag\n1,007\n"},
        "genome-scores.csv",
        "says in relevance how much .*--columns item=movieId,tail=tagId",
        None,
    ),
    "genome scores": (
        {"genome-scores.csv": "movieId,tagId,relevance\n1,1,0.025\n", "genome-tags.csv": "tagId,tag\n1,007\n"},
        "genome-scores.csv --columns item=movieId,tail=tagId",
        "names in genome-tags.csv",
        {"triples_read": 1, "entities": 2},
    ),
    "YAGO 3": (
        {"facts.tsv": "<id_1>\t<Elvis>\t<wasBornIn>\t<Tupelo,_Miss>\t\n\t<X_Y>\trdf:type\t<singer_1>\t\n"},
        "facts.tsv",
        "recognized YAGO facts",
        {"triples_read": 2, "entities": 4, "relations": {"rdf:type": 1, "wasBornIn": 1}},
    ),
    "NELL": (
        {"n.tsv": NELL + "concept:company:apple\tconcept:ceo\tconcept:ceo:cook\tApple\tTim Cook\n"},
        "n.tsv",
        "recognized NELL beliefs: Entity as head",
        {"triples_read": 1, "nameless_entities": 0},
    ),
    "Goodreads": (
        {"books.json": json.dumps(BOOK) + "\n"},
        "books.json",
        "book_id as item, title as name, .*not read: work_id",
        {"triples_read": 2, "items": 1},
    ),
    "DBLP": (
        {"dblp.json": json.dumps([PAPER])},
        "dblp.json",
        "venue.raw as venue, fos.name as field_of_study, references as cites; not read: year",
        {"triples_read": 3, "items": 1},
    ),
    "Amazon 2023": (
        {"meta.jsonl": json.dumps(BEAUTY) + "\n"},
        "meta.jsonl",
        "details.Brand as brand; not read: details.UPC, bought_together",
        {"triples_read": 1, "items": 1},
    ),
    "events": ({"c.csv": "userId,venueId,utcTimestamp\n1,2,3\n"}, "c.csv", "has events .*kptool fit --data", None),
}
#: Files; arguments; part of what is said; users, items and events of ``data stats``, ``None`` for an error.
EVENTS: dict[str, tuple[str, str, str, tuple[int, int, int] | None]] = {
    "Gowalla": (
        "".join(f"0\t2010-10-1{n}T23:55:27Z\t30.23{n}\t-97.79{n}\t2284{n}\n" for n in range(4)),
        "",
        "--columns user=1,item=5,time=2",
        None,
    ),
    "Foursquare": (
        "".join(CHECKIN.format(n) + "\n" for n in range(4)),
        "--columns user=1,item=2,time=8",
        "",
        (1, 4, 4),
    ),
    "Foursquare, asked": ("".join(CHECKIN.format(n) + "\n" for n in range(4)), "", "user=1,item=2,time=8", None),
    "LFM-1b": (
        "".join(f"3109\t{n}\t{7 * n}\t{9 * n}\t138521295{n}\n" for n in range(4)),
        "",
        "--columns user=1,item=2,time=5",
        None,
    ),
    "Epinions": ("1 100 4\n1 101 5\n2 100 1\n", "", "--columns user=1,item=2", None),
    "Last.fm": ("userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n", "", "artistID as item", (1, 2, 2)),
    "dates in three columns": (
        "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t51\t1\t1\t4\t2009\n2\t52\t1\t1\t4\t2009\n",
        "",
        "artistID as item, year as year, month as month, day as day",
        (1, 2, 2),
    ),
    "check-ins with headers": (
        "userId\tvenueId\tutcTimestamp\n" + "".join(f"1\t{n}\tTue Apr 0{n} 18:00:09 +0200 2012\n" for n in range(1, 4)),
        "",
        "utcTimestamp as time",
        (1, 3, 3),
    ),
}


def run(command: str, arguments: str, folder: Path, *more: str) -> tuple[int, str, Any]:
    words = [str(folder / word) if (folder / word).exists() else word for word in arguments.split()]
    done = CliRunner().invoke(app, [*command.split(), *words, *more, "--json"])
    return done.exit_code, " ".join(done.stderr.split()), json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(tmp_path: Path, name: str) -> None:
    files, arguments, said, figures = GRAPHS[name]
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    code, output, report = run("load-kg", arguments, tmp_path, "--dry-run")
    assert re.search(said, output), output
    assert code == (2 if figures is None else 0)
    if figures is None:
        return
    assert {key: report[key] for key in figures} == figures
    code, _, stats = run("data stats", arguments, tmp_path)
    assert (code, stats["triples"], stats["entities"]) == (0, report["triples_read"], report["entities"])
    assert run("data check", arguments, tmp_path)[0] == 0


@pytest.mark.parametrize("name", EVENTS)
def test_events(tmp_path: Path, name: str) -> None:
    text, options, said, figures = EVENTS[name]
    (tmp_path / "x.txt").write_text(text)
    code, output, stats = run("data stats", f"x.txt {options}", tmp_path)
    assert re.search(said, output), output
    assert code == (2 if figures is None else 0)
    if figures is not None:
        assert (stats["users"], stats["items with events"], stats["events"]) == figures


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("entity2text.txt", "/m/1\tHeat\n/m/2\tCrime\tanother name\n"),
        ("wikidata5m_entity.txt", "/m/1\tHeat\tHeat (film)\n/m/2\tCrime\n"),
        ("entity2wikidata.json", json.dumps({"/m/1": {"label": "Heat"}, "/m/2": {"label": "Crime"}})),
        ("entities.json", json.dumps({"/m/1": "Heat", "/m/2": "Crime"})),
        ("entity2text.tsv", "entity_id\tname\n/m/1\tHeat\n/m/2\tCrime\n"),
    ],
)
def test_names_of_link_prediction(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "kg.txt").write_text("/m/1\t/f/genre\t/m/2\n/m/3\t/f/genre\t/m/2\n/m/4\t/f/by\t/m/5\n")
    (tmp_path / name).write_text(text)
    code, output, report = run("load-kg", f"kg.txt --names {name}", tmp_path, "--dry-run")
    assert (code, report["nameless_entities"]) == (0, 3), output


#: Files; path; part of what is said; items of each user in their order.
FOLDERS: dict[str, tuple[dict[str, str], str, str, dict[str, list[str]]]] = {
    "Instacart": (
        {
            "orders.csv": "order_id,user_id,order_number\n3,7,1\n2,7,2\n1,8,1\n9,8,2\n",
            "order_products__prior.csv": "order_id,product_id,add_to_cart_order\n1,31,1\n2,32,1\n3,31,1\n3,30,2\n",
            "order_products__train.csv": "order_id,product_id,add_to_cart_order\n9,30,1\n",
            "products.csv": "product_id,product_name,aisle_id\n30,Milk,1\n31,Bread,1\n32,Jam,2\n",
        },
        ".",
        "items of order_products__prior.csv, order_products__train.csv, users of orders.csv, joined by order_id",
        {"7": ["31", "30", "32"], "8": ["31", "30"]},
    ),
    "Netflix Prize": (
        {
            "combined_data_1.txt": "1:\n7,3,2005-09-06\n8,5,2005-05-13\n2:\n8,4,2005-05-01\n",
            "combined_data_2.txt": "3:\n7,1,2004-01-01\n",
        },
        ".",
        "blocks of one item each, .*combined_data_1.txt to combined_data_2.txt",
        {"7": ["3", "1"], "8": ["2", "1"]},
    ),
    "Amazon-M2": (
        {"sessions_train.csv": "prev_items,next_item,locale\n\"['B1' 'B2']\",B3,DE\n\"['B2', 'B4']\",B1,DE\n"},
        ".",
        "a sequence of items per row",
        {"2": ["B1", "B2", "B3"], "3": ["B2", "B4", "B1"]},
    ),
    "Million Playlist": (
        {"mpd.slice.0-999.json": json.dumps(SLICE, indent=2), "mpd.slice.1000-1999.json": json.dumps(SLICE)},
        "mpd.slice.0-999.json",
        "recognized Million Playlist",
        {"7": ["s:track:1", "s:track:2", "s:track:3"]},
    ),
    "OTTO": (
        {
            "train.jsonl": json.dumps(
                {"session": 7, "events": [{"aid": n, "ts": 9 - n, "type": "clicks"} for n in (1, 2)]}
            )
            + "\n"
        },
        ".",
        "JSON lines: session as user; events: aid as item, ts as time",
        {"7": ["2", "1"]},
    ),
    "KuaiRand": (
        {
            "log.csv": "user_id,video_id,date,hourmin,time_ms\n"
            "0,6,20220408,1800,1649412000123\n0,7,20220408,1700,1649411000123\n"
        },
        ".",
        "time_ms as time; not read: date, hourmin",
        {"0": ["7", "6"]},
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_of_events(tmp_path: Path, name: str) -> None:
    files, path, said, wanted = FOLDERS[name]
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    code, output, stats = run("data stats", path, tmp_path)
    assert re.search(said, output), output
    assert (code, stats["events"]) == (0, sum(map(len, wanted.values())))
    found = read_interactions(tmp_path / path)[0]
    ids = found.item_ids[found.item].tolist()
    assert {user: ids[found.indptr[at] : found.indptr[at + 1]] for at, user in enumerate(found.user_ids)} == wanted


def test_lists_of_items_and_keys_in_objects(tmp_path: Path) -> None:
    times = ["2019-10-12 10:28:02", "2018-11-20 17:00:26"]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"id": "U", "course_order": ["C1", "C2"], "enroll_time": times}) + "\n")
    found = read_interactions(path, Reading.of("user=id,item=course_order,time=enroll_time"))[0]
    assert found.item_ids[found.item].tolist() == ["C2", "C1"]
    path.write_text("".join(json.dumps({"user": {"id": "U"}, "item": {"key": n}, "ts": 9 - n}) + "\n" for n in (1, 2)))
    with pytest.raises(DataError, match=r"user is an object; .*--columns user=user\.id"):
        read_interactions(path)
    with pytest.raises(DataError, match=r"item is an object; .*--columns item=item\.key"):
        read_interactions(path, Reading.of("user=user.id"))
    found = read_interactions(path, Reading.of("user=user.id,item=item.key"))[0]
    assert found.item_ids[found.item].tolist() == ["2", "1"]


@pytest.mark.parametrize("command", ["data stats .", "data stats x.csv"])
def test_a_table_with_users_names_the_option_for_items(tmp_path: Path, command: str) -> None:
    (tmp_path / "x.csv").write_text("user_id,joke_id,rating\n1,5,0.2\n")
    *words, path = command.split()
    code, output, _ = run(" ".join(words), path, tmp_path)
    assert code == 2
    assert "--columns item=joke_id" in output


@pytest.mark.parametrize("file", ["orders.csv", "order_products__prior.csv"])
def test_a_table_of_orders_names_its_folder(tmp_path: Path, file: str) -> None:
    for name, text in FOLDERS["Instacart"][0].items():
        (tmp_path / name).write_text(text)
    code, output, _ = run("data stats", file, tmp_path)
    assert code == 2
    assert f"joined by order_id: give {tmp_path}" in output


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ("order_id,user_id\n1,7\n", "line 3: 2 rows with a order_id that orders.csv lacks, e.g. 2"),
        ("order_id,user_id\n1,7\n1,8\n2,8\n3,8\n", "several rows with the same order_id"),
    ],
)
def test_orders_that_do_not_tell_the_user_are_an_error(tmp_path: Path, orders: str, said: str) -> None:
    (tmp_path / "orders.csv").write_text(orders)
    (tmp_path / "lines.csv").write_text("order_id,product_id\n1,30\n2,31\n3,31\n")
    with pytest.raises(DataError, match=said):
        read_interactions(tmp_path)


def test_a_line_of_a_block_that_is_no_event_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("1:\n7,3,2005-09-06\n" + "8,5,2005-05-13\n" * 30 + "8,4\n")
    with pytest.raises(DataError, match="line 33: neither ITEM: nor USER,RATING"):
        read_interactions(tmp_path / "x.txt")


@pytest.mark.parametrize("text", ['{"playlists": [{"pid": 1}]}', '{"playlists": 7}', '{"playlists": [{"tracks": []}]}'])
def test_a_wrong_slice_of_playlists_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match="correct it"):
        read_interactions(tmp_path / "x.json")


@pytest.mark.parametrize("command", ["load-kg", "data stats", "data check"])
@pytest.mark.parametrize("file", ["news.tsv", "behaviors.tsv"])
def test_a_file_of_a_layout_names_its_folder(tmp_path: Path, command: str, file: str) -> None:
    (tmp_path / "news.tsv").write_text("N1\thealth\tmedical\tTitle\tText\thttps://y\t[]\t[]\n")
    (tmp_path / "behaviors.tsv").write_text("1\tU1\t11/11/2019 9:05:58 AM\tN1\tN1-1\n")
    code, output, _ = run(command, file, tmp_path)
    assert code == 2
    assert f"its folder has the layout MIND: give {tmp_path}" in output


def test_dates_as_twitter_writes_them_with_their_zones() -> None:
    texts = ["Tue Apr 03 18:00:09 +0000 2012", "Tue Apr 03 20:00:10 +0200 2012", "Tue Apr 03 11:00:11 -0700 2012"]
    assert np.diff(seconds_of(np.array(texts, dtype=object))).tolist() == [1, 1]
    assert seconds_of(np.array(["Tue Apr  3 18:00:09 2012"], dtype=object)).tolist() == [1333476009.0]
    zoned = seconds_of(np.array(["2012-04-03 20:00:09 +0200"], dtype=object), "%Y-%m-%d %H:%M:%S %z")
    assert zoned.tolist() == [1333476009.0]
