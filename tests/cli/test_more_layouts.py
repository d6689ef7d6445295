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
    "YAGO 3": (
        {"facts.tsv": "<id_1>\t<Elvis>\t<wasBornIn>\t<Tupelo,_Miss>\t\n\t<X_Y>\trdf:type\t<singer_1>\t\n"},
        "facts.tsv",
        "recognized YAGO facts",
        {"triples_read": 2, "entities": 4},
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
