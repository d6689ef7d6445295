"""Every layout of ``tests/layouts`` with the command that comes to mind first: it is read, or the error has the option.

A line of :data:`WALK` is a command, what its output must have, and either figures of its result or its exit code.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kptoolkit.cli.app import app

LAYOUTS = Path(__file__).resolve().parents[1] / "layouts"
Figures = dict[str, int]

#: Arguments of ``load-kg``; part of what it says; figures of its report, or ``None`` for an error.
GRAPHS: list[tuple[str, str, Figures | None]] = [
    ("amazon2023/meta_All_Beauty.jsonl", "recognized JSON items: parent_asin as item", {"triples_read": 5, "items": 1}),
    ("amazon2023/All_Beauty.jsonl", "has events .*kptool fit --data", None),
    ("amazon2023/All_Beauty.csv", "has events .*kptool fit --data", None),
    ("amazon2023", "recognized JSON items", {"triples_read": 5, "items": 1}),
    ("recbole_split", "its folders are d, seq; name a RecBole folder", None),
    ("conceptnet", "several files of triples: a2.csv, a3.csv, a4.tsv, assertions.csv; name", None),
    ("bx", "several files of items: BX-Books.csv, items.csv", None),
    ("conceptnet/assertions.csv", "recognized ConceptNet", {"triples_read": 3, "entities": 5, "nameless_entities": 0}),
    ("conceptnet/assertions.csv --link conceptnet/links.csv", "recognized ConceptNet", {"items": 1, "entities": 5}),
    ("conceptnet/a2.csv", "recognized ConceptNet .*start as head", {"triples_read": 3, "entities": 5}),
    ("conceptnet/a3.csv", "", {"triples_read": 3, "entities": 5}),
    ("conceptnet/a4.tsv", "", {"triples_read": 3, "entities": 5}),
    ("cyclic", "", {"triples_read": 6, "entities": 5, "items": 2, "nameless_entities": 0, "self_loops": 1}),
    ("dbpedia_ttl", "", {"items": 2, "nameless_entities": 5}),
    ("isbn_zeros", "", {"triples_read": 7, "items": 7}),
    ("kb4rec/graph_movie_1step.nt --link kb4rec/links2.tsv", "", {"triples_read": 2, "items": 3}),
    ("kb4rec/graph_movie_1step.txt --link kb4rec/links2.tsv", "recognized N-Triples", {"triples_read": 2, "items": 3}),
    (
        "kb4rec/graph_movie_1step.nt --link kb4rec/ml2fb.txt",
        "recognized KB4Rec links: .*none of the entities of 3 linked items .*--link-ids 'prefix=http://rdf.freebase.com/ns/'",
        None,
    ),
    (
        "kb4rec/graph_movie_1step.nt --link kb4rec/ml2fb.txt --link-ids prefix=http://rdf.freebase.com/ns/",
        "1 of 3 linked items have an entity without triples, e.g. http://rdf.freebase.com/ns/m.0676dr",
        {"items": 3, "items_without_triples": 1},
    ),
    ("kb4rec", "several files of links: links.tsv, links2.tsv, ml2fb.txt; .*--link", None),
    ("kg_faults/case_rel.csv --leave-out GENRE --leave-out Genre", "", {"triples_read": 1, "entities": 2}),
    ("kg_faults/case_rel.csv --leave-out Genres", "no relation 'Genres'; nearest: GENRE", None),
    ("kg_faults/edges.csv", "recognized edges: start as head", {"triples_read": 1, "entities": 2}),
    ("kg_faults/openke.txt", "recognized OpenKE: head, tail, relation", {"entities": 5}),
    ("kg_faults/kgtk.tsv", "recognized KGTK", {"triples_read": 1, "entities": 2}),
    ("kg_faults/hetionet.sif.tsv", "recognized Hetionet", {"triples_read": 1, "entities": 2}),
    ("kg_faults/primekg.csv", "recognized PrimeKG", {"entities": 2, "nameless_entities": 0}),
    ("kg_faults/hrt_numbers.kg", "", {"triples_read": 2}),
    ("kg_faults/list_tail.csv --split |", "", {"triples_read": 4, "entities": 4}),
    ("kg_faults/bom.csv", "", {"entities": 2}),
    ("kg_faults/t4.csv", "", {"entities": 2}),
    ("kg_faults/crlf.nt", "", {"entities": 2}),
    ("kg_faults/multi_ns.nt", "", {"entities": 3}),
    ("kg_faults/bad_iri.nt", "line 1: no statement of N-Triples .*--skip-bad-rows", None),
    ("kg_faults/bad_iri.nt --skip-bad-rows", "skipped .*line 1", {"triples_read": 1}),
    ("kg_faults/nquads.nt", "recognized N-Quads: the names of graphs are left out", {"triples_read": 1}),
    ("kg_faults/nquads.nq", "", {"triples_read": 1}),
    ("kg_faults/data.n3", "", {"triples_read": 1}),
    ("kg_faults/data.trig", "", {"triples_read": 1}),
    ("kg_faults/data.jsonld", "", {"triples_read": 1}),
    ("kg_faults/data.rdf", "holds no triples", None),
    ("kg_faults/dump.owl", "holds no triples", None),
    ("kgat", "recognized KGAT", {"triples_read": 5, "entities": 8, "nameless_entities": 0, "items": 5}),
    ("kgat/kg_final.txt", "recognized triples without a header line", {"triples_read": 5, "entities": 8}),
    ("kgat/conv", "", {"triples_read": 5, "entities": 8, "nameless_entities": 0, "items": 5}),
    ("kp4sr_authors/books", "recognized KP4SR", {"triples_read": 2, "entities": 4, "nameless_entities": 0, "items": 3}),
    ("links_to_many", "", {"items": 4, "repeated_links": 1}),
    ("ml1m_dat/movies.dat", "line 4: not UTF-8 text; .*--encoding latin-1", None),
    ("ml1m_dat/movies.dat --encoding latin-1", "genres as genre; if '|' divides", {"triples_read": 4, "items": 4}),
    ("ml1m_dat/movies.dat --encoding latin-1 --split |", "", {"triples_read": 7, "items": 4}),
    (
        "hetrec_movies",
        "location1 and location2 .*tagID as tag; not read: tagWeight; names in tags.dat",
        {"triples_read": 14, "entities": 16, "items": 3, "nameless_entities": 0},
    ),
    ("hetrec_movies/movie_actors.dat", "names in actorName", {"triples_read": 3, "nameless_entities": 3}),
    ("hetrec_music", "user_taggedartists.dat has triples with --columns item=artistID,tail=tagID", None),
    ("hetrec_music/user_taggedartists.dat", "has events .*--data.*--columns item=artistID,tail=HEADER", None),
    (
        "hetrec_music/user_taggedartists.dat --columns item=artistID,tail=tagID --names hetrec_music/artists.dat",
        "names in tags.dat",
        {"triples_read": 3, "entities": 4, "items": 2, "nameless_entities": 0},
    ),
    ("herec", "HERec: triples of movie_actor.dat, movie_type.dat, .*user_movie", {"triples_read": 7, "entities": 8}),
    ("herec/movie_actor.dat", "not read alone; .*HERec: give", None),
    ("pairs", "holds no .kg file", None),
    ("pairs/business_category.dat", "--columns item=1,tail=2, if these are items and their values", None),
    ("pairs/business_category.dat --columns item=1,tail=2", "2 as category", {"triples_read": 3, "entities": 4}),
    ("pairs/movie_genre.txt", "--columns item=1,tail=2, if these are items, their values and a weight", None),
    ("pairs/movie_genre.txt --columns item=1,tail=2", "2 as genre; not read: 3", {"triples_read": 3, "entities": 4}),
    ("item_tables/movies.csv", "--split '|' divides them", {"triples_read": 2, "items": 2}),
    ("item_tables/movies.csv --split |", "", {"triples_read": 4, "items": 2, "nameless_entities": 0}),
    ("item_tables/products.csv", "names in aisles.csv, departments.csv", {"entities": 6, "nameless_entities": 0}),
    ("item_tables/articles.csv", "names in product_type_name", {"triples_read": 4, "nameless_entities": 0}),
    ("item_tables/item_properties.csv", "itemid as item", {"triples_read": 2, "items": 2}),
    ("item_tables/anime.csv", "if ', ' divides several values, give --split ', '", {"triples_read": 3, "items": 2}),
    ("item_tables/credits.csv", "genres.name as genre", {"triples_read": 3, "entities": 4, "nameless_entities": 0}),
    ("item_tables/ml.item", "genre:token_seq as genre; .*give --split ' '", {"triples_read": 2, "items": 2}),
    ("item_tables/tracks.csv", "track_id and artist_id may each be .*--columns item=track_id", None),
    ("item_tables/tracks.csv --columns item=track_id", "artist_id as artist", {"triples_read": 2, "items": 2}),
    ("item_tables/books.csv", "book_id and isbn may each be the item; .*--columns item=book_id", None),
    ("item_tables/item_categories.csv", "--columns item=video_id,tail=HEADER, or of several with --mapping", None),
    ("item_tables/item_categories.csv --columns item=video_id,tail=feat", "", {"triples_read": 3, "entities": 5}),
    ("item_tables/book_tags.csv", "--columns item=HEADER,tail=HEADER if these are items", None),
    ("item_tables/book_tags.csv --columns item=goodreads_book_id,tail=tag_id", "", {"triples_read": 2, "items": 1}),
    ("ml_latest", "several files of triples: kg.csv, kg2.csv; name one of them", None),
    ("ml_latest/kg.csv --link ml_latest/links.csv", "no column for 'entity_id' .*--columns entity=HEADER", None),
    (
        "ml_latest/kg.csv --link ml_latest/links.csv --columns entity=imdbId",
        "links have e.g. 0114709, triples e.g. tt0114709; with --link-ids 'prefix=tt' 3 more would match",
        None,
    ),
    (
        "ml_latest/kg.csv --link ml_latest/links.csv --columns entity=imdbId --link-ids prefix=tt",
        "2 of 5 linked items have an entity without triples",
        {"items": 5, "items_without_triples": 2},
    ),
    ("ml_latest/kg2.csv --link ml_latest/link2.csv", "with --link-ids 'zeros' 3 more would match", None),
    (
        "ml_latest/kg2.csv --link ml_latest/link2.csv --items ml_latest/movies.csv --link-ids zeros",
        "",
        {"items": 5, "items_without_triples": 2},
    ),
    ("names_as_ids", "", {"triples_read": 8, "items": 4, "nameless_entities": 0, "named_by_id": True}),
    ("names_as_ids/opendialkg_triples.txt", "recognized triples without a header line", {"triples_read": 8}),
    ("neo4j_admin_csv", "recognized Neo4j CSV", {"triples_read": 3, "entities": 4, "nameless_entities": 0}),
    ("neo4j_admin_csv/roles.csv", "recognized Neo4j CSV", {"triples_read": 3, "entities": 4, "named_by_id": True}),
    ("neo4j_admin_csv/exp", "recognized Neo4j CSV", {"triples_read": 2, "nameless_entities": 1, "items": 1}),
    ("neo4j_admin_csv/src", "", {"triples_read": 2, "entities": 3, "items": 1, "nameless_entities": 1}),
    ("graphml/films.graphml", "recognized GraphML", {"triples_read": 1, "entities": 2, "nameless_entities": 0}),
    ("neo4j_admin_csv/apoc.json", "recognized APOC JSON", {"triples_read": 1, "entities": 2, "nameless_entities": 0}),
    (
        "apoc_csv/all.csv",
        "recognized APOC CSV",
        {"triples_read": 2, "entities": 3, "nameless_entities": 0, "items": 1, "bad_rows": 0},
    ),
    ("apoc_csv", "recognized APOC CSV", {"triples_read": 2, "entities": 3}),
    ("goodreads", "other ids of items; .*--columns item=book_id_csv,entity=book_id", {"triples_read": 5, "items": 2}),
    (
        "goodreads --link goodreads/book_id_map.csv --columns item=book_id_csv,entity=book_id",
        "recognized JSON items: book_id as item",
        {"triples_read": 5, "items": 2, "unlinked_items": 0},
    ),
    ("neo4j_admin_csv/r2.csv", "", {"triples_read": 3, "entities": 4}),
    ("recbole_lfm1b/lfm1b-tracks", "", {"triples_read": 3, "items": 3}),
    ("recbole_lfm1b/lfm1b-tracks --columns item=tracks_id", "", {"triples_read": 3, "items": 3}),
    ("recbole_split/d", "", {"triples_read": 2, "items": 2}),
    ("shop_events/kg.csv --link shop_events/links.csv", "", {"triples_read": 4, "items": 4}),
    ("wikidata_nt/truthy.nt --link wikidata_nt/links_iri.csv", "", {"items": 2, "items_without_triples": 0}),
    (
        "wikidata_nt/truthy.nt --link wikidata_nt/links.csv",
        "--link-ids 'prefix=http://www.wikidata.org/entity/' 2 more would match",
        None,
    ),
    (
        "wikidata_nt/truthy.nt --link wikidata_nt/links.csv --link-ids prefix=http://www.wikidata.org/entity/",
        "",
        {"items": 2, "items_without_triples": 0},
    ),
    ("wikidata_nt", "several files of links: links.csv, links_iri.csv; .*--link", None),
]
#: Arguments of ``data stats``; part of what it says; figures, or ``None`` for an error.
EVENTS: list[tuple[str, str, Figures | None]] = [
    ("goodreads", "book_id as item", {"users": 2, "items with events": 2, "events": 3}),
    ("amazon2023/All_Beauty.csv", "", {"users": 2, "items with events": 2, "events": 3}),
    ("amazon2023/All_Beauty.jsonl", "parent_asin as item, timestamp as time", {"users": 1, "events": 1}),
    ("amazon2023/reviews_Beauty_5.json.gz", "reviewerID as user, asin as item, unixReviewTime as time", {"events": 1}),
    ("amazon2023/flat.csv", "parent_asin as item; --columns item=asin", {"users": 2, "items with events": 1}),
    ("amazon2023/flat.csv --columns item=asin", "", {"users": 2, "items with events": 2}),
    ("amazon2023/ratings_2018.csv", "recognized Amazon ratings .*: item, user", {"users": 1, "items with events": 2}),
    ("bx/BX-Book-Ratings.csv", "items.csv, line 3: not UTF-8 text; .*--encoding latin-1", None),
    ("bx/BX-Book-Ratings.csv --encoding latin-1", "", {"users": 2, "items with events": 2, "events": 2}),
    ("hetrec_music/user_artists.dat", "artistID as item", {"users": 1, "items with events": 2}),
    ("hetrec_music", "several interactions files: user_artists.dat, user_taggedartists.dat; give", None),
    ("herec", "events of user_movie.dat", {"users": 2, "items with events": 3, "events": 5}),
    ("kgat", "recognized KGAT", {"users": 3, "items with events": 5, "events": 14}),
    ("kgat/train.txt", "recognized one user per line, then the items, with the ids", {"users": 3, "events": 12}),
    ("kgat/conv", "", {"users": 3, "items with events": 5, "events": 12}),
    ("kp4sr_authors/books", "recognized KP4SR", {"users": 2, "items with events": 3, "events": 6}),
    ("ml1m_dat/ratings.dat", "not UTF-8 text; .*--encoding latin-1", None),
    ("ml1m_dat/ratings.dat --encoding latin-1", "recognized MovieLens ratings", {"users": 2, "items with events": 3}),
    ("ml1m_dat/r3.csv --encoding latin-1", "", {"users": 2, "items with events": 3}),
    ("ml_latest/ratings.csv", "", {"users": 2, "items with events": 5}),
    ("ml_latest", "several interactions files: ratings.csv, tags.csv; give the path", None),
    ("names_as_ids", "", {"users": 2, "items with events": 4}),
    ("isbn_zeros", "", {"users": 4, "items with events": 7, "events": 26}),
    ("recbole_lfm1b/lfm1b-tracks", "", {"users": 2, "items with events": 3, "events": 6}),
    ("recbole_split/d", "recognized a split by RecBole", {"users": 2, "items with events": 4, "events": 8}),
    ("recbole_split/seq", "recognized a sequence of items", {"users": 2, "items with events": 4, "events": 7}),
    ("shop_events/events.csv", "", {"users": 2, "items with events": 4, "events": 7}),
    (
        "track_and_artist/listening.csv",
        "track_id and artist_id may each be the item; say which it is with --columns item=track_id",
        None,
    ),
    (
        "track_and_artist/listening.csv --columns item=track_id",
        "track_id as item, timestamp as time; not read: artist_id, album_id",
        {"users": 2, "items with events": 5, "events": 7},
    ),
    ("wikidata_nt", "", {"users": 2, "items with events": 2, "events": 4}),
    ("csv_faults/plain.csv.gz", "", {"users": 2, "events": 6}),
    ("csv_faults/latin1.csv", "line 8: not UTF-8 text; .*--encoding latin-1", None),
    ("csv_faults/latin1.csv --encoding latin-1", "", {"users": 3, "events": 7}),
    ("csv_faults/utf16le_nobom.csv", "NUL bytes.*--encoding utf-16-le", None),
    ("csv_faults/utf16le_nobom.csv --encoding utf-16-le", "", {"users": 2, "events": 6}),
    (
        "csv_faults/pipe.csv --columns user=reader",
        "no column for 'user_id' .*--columns user=HEADER; .*1: user_id",
        None,
    ),
    ("csv_faults/short_row.csv", "line 3: 2 columns instead of 3", None),
    ("csv_faults/long_row.csv", "line 3: 4 columns instead of 3", None),
]
#: Files with six events of two users, whatever their separator, quoting, line ends or encoding.
SAME_EVENTS = [
    "bom",
    "cr_only",
    "crlf",
    "excel_sep",
    "comment_first",
    "no_final_newline",
    "pipe",
    "quoted",
    "semicolon",
    "utf16",
    "space_ids",
]


def run(command: str, arguments: str) -> tuple[int, str, Any]:
    """Run a command: exit code, what it says in one line, and its result."""
    given = [str(LAYOUTS / word) if (LAYOUTS / word).exists() else word for word in arguments.split()]
    dry = ["--dry-run"] if command == "load-kg" else []
    done = CliRunner().invoke(app, [*command.split(), *given, *dry, "--json"])
    result = json.loads(done.stdout) if done.exit_code == 0 else None
    return done.exit_code, " ".join(done.stderr.split()), result


def check(command: str, arguments: str, said: str, figures: Figures | None) -> None:
    code, output, result = run(command, arguments)
    assert re.search(said, output), output
    assert code == (2 if figures is None else 0), output
    assert figures is None or {name: result[name] for name in figures} == figures


@pytest.mark.parametrize(("arguments", "said", "figures"), GRAPHS, ids=[one[0] for one in GRAPHS])
def test_load_kg(arguments: str, said: str, figures: Figures | None) -> None:
    check("load-kg", arguments, said, figures)


@pytest.mark.parametrize(("arguments", "said", "figures"), EVENTS, ids=[one[0] for one in EVENTS])
def test_data_stats(arguments: str, said: str, figures: Figures | None) -> None:
    check("data stats", arguments, said, figures)


@pytest.mark.parametrize("name", SAME_EVENTS)
def test_the_way_of_writing_changes_nothing(name: str) -> None:
    check("data stats", f"csv_faults/{name}.csv", "", {"users": 2, "items with events": 3, "events": 6})


def test_every_layout_is_walked() -> None:
    walked = {word.split("/")[0] for arguments, _, _ in GRAPHS + EVENTS for word in arguments.split()}
    folders = {path.name for path in LAYOUTS.iterdir() if path.is_dir()}
    assert folders - walked <= {"time_columns"}  # tests/data/test_event_files.py


def test_an_own_export_is_read_back(tmp_path: Path) -> None:
    """An export, also with items that share an entity, has the same counts when it is read back."""
    for source in ("links_to_many", "neo4j_admin_csv/src", "kgat"):
        folder = LAYOUTS / source
        done = CliRunner().invoke(app, ["export-csv", str(folder), "-o", str(tmp_path / source)])
        assert done.exit_code == 0, done.output
        reports = [run("load-kg", str(path))[2] for path in (folder, tmp_path / source)]
        names = ("triples_read", "entities", "relationships", "items", "nameless_entities", "shared_entity_items")
        assert [reports[0][name] for name in names] == [reports[1][name] for name in names], source
        assert reports[0]["relations"] == reports[1]["relations"]


def test_fit_takes_the_option_that_its_error_names(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("17,4,2\n18,5,9\n")
    for given, said in (((), "--columns user=1,item=2"), (("--columns", "user=1,item=2"), "no user has 3 events")):
        done = CliRunner().invoke(app, ["fit", "--data", str(tmp_path / "x.csv"), *given])
        assert done.exit_code == 2
        assert said in " ".join(done.stderr.split())
