"""Tables of items, and of pairs of ids: which columns become triples, with which ids and names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.surveyed import names, read, triples

from kptoolkit.data.catalogue import read_items
from kptoolkit.data.interactions import read_interactions
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.graph.loading.load import dry_run
from kptoolkit.graph.sources.open_source import open_source
from kptoolkit.graph.sources.tables.column_words import RELATION_WORDS, known_relations, relation_of

LAYOUTS = Path(__file__).resolve().parents[1] / "layouts"
IDS = st.integers(1, 9).map(str)


def test_hetrec_joins_its_tables_and_their_names() -> None:
    found = read(LAYOUTS / "hetrec_movies")
    assert ("2", "actor", "actor:robin_williams") in triples(found)
    assert ("3", "location", "location:California") in triples(found)
    called = names(found)
    assert (called["1"], called["actor:tom_hanks"], called["tag:2"]) == ("Toy story", "Tom Hanks", "heist")
    assert {item.item_id: found.entities[item.entity] for item in found.items} == {"1": "1", "2": "2", "3": "3"}


def test_herec_has_ids_of_their_own_for_each_kind() -> None:
    found = read(LAYOUTS / "herec")
    assert {("1", "actor", "actor:1"), ("1", "type", "type:1")} <= triples(found)
    assert len(found.items) == 3
    events, report = read_interactions(LAYOUTS / "herec")
    assert (len(events), events.item_ids.tolist(), report.layout.split(":")[0]) == (5, ["1", "2", "3"], "HERec")


@given(rows=st.lists(st.tuples(IDS, IDS, st.integers(1, 5)), min_size=1, max_size=9), weight=st.booleans())
def test_a_weight_is_never_an_id(
    rows: list[tuple[str, str, int]], weight: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "movie_actor.dat"
    path.write_text("".join("\t".join([one, two, *([str(three)] * weight)]) + "\n" for one, two, three in rows))
    found = read(path, columns="item=1,tail=2")
    assert triples(found) == {(one, "actor", f"actor:{two}") for one, two, _ in rows}
    assert {item.item_id for item in found.items} == {one for one, _, _ in rows}


@pytest.mark.parametrize("word", sorted(RELATION_WORDS))
def test_a_header_names_its_relation_however_it_is_written(word: str) -> None:
    headers = [word, f"{word}_id", f"{word}ID", f"{word}Name", f"{word.capitalize()}_code", f"{word} names"]
    assert {relation_of(header) for header in headers} == {word}
    assert known_relations([f"main_{word}", "price"]) == {f"main_{word}": [f"main_{word}"]}


def test_a_mapping_is_for_tables_as_well(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('id = "video_id"\n[relations]\nfeature = "feat"\n')
    path = LAYOUTS / "item_tables" / "item_categories.csv"
    assert triples(read(path, mapping=mapping)) == {
        ("0", "feature", "feature:8"),
        ("1", "feature", "feature:27"),
        ("1", "feature", "feature:9"),
    }
    mapping.write_text('id = "movie"\n[relations]\nfeature = "feat"\n')
    with pytest.raises(DataError, match=r"no column 'movie' \(header: video_id, feat\)"):
        read(path, mapping=mapping)
    with pytest.raises(ConfigError):
        read(path, mapping=tmp_path / "none.toml")


def test_a_cell_without_a_value_makes_no_triple(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("item_id,brand,genres\n1,NULL,\n2,95471,\"['Action', 'Comedy']\"\n3,,[unclear\n")
    assert triples(read(path)) == {
        ("2", "brand", "brand:95471"),
        ("2", "genre", "genre:Action"),
        ("2", "genre", "genre:Comedy"),
        ("3", "genre", "genre:[unclear"),
    }


@pytest.mark.parametrize(
    "text",
    ["user_id,item_id,genre\n1,2,Drama\n", "movieId,tagId,relevance\n1,1,0.5\n", "item_id,price\n1,2\n", "a,b\n1,2\n"],
)
def test_other_tables_are_no_tables_of_items(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="--columns item="):
        read(path)


def test_other_numbers_of_the_same_items_are_linked() -> None:
    folder = LAYOUTS / "goodreads"
    events = set(read_interactions(folder)[0].item_ids)
    found = read(folder, link=folder / "book_id_map.csv", columns="item=book_id_csv,entity=book_id")
    assert {item.item_id: found.names[item.entity] for item in found.items} == {"2": "W.C. Fields", "7": "Good Harbor"}
    assert events == {item.item_id for item in found.items}


@pytest.mark.parametrize(("other", "said"), [("item_id_new", True), ("item_idx", False), ("item_id_old", False)])
def test_a_table_with_other_numbers_is_said(tmp_path: Path, other: str, said: bool) -> None:
    (tmp_path / "items.csv").write_text("item_id,brand\na,x\nb,y\n")
    (tmp_path / "ids.csv").write_text(f"item_id,{other}\na,1\nb,2\n")
    warnings = dry_run(open_source([tmp_path / "items.csv"])).warnings
    assert [f"--columns item={other},entity=item_id" in line for line in warnings] == [True] * said


@pytest.mark.parametrize("word", sorted(RELATION_WORDS))
def test_a_header_in_the_plural_is_its_singular(word: str) -> None:
    plural = word if word == "series" else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    assert relation_of(plural) == word
    assert relation_of(f"{word}_ids") == word


def test_names_of_several_ids_in_a_cell_are_paired_by_place(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "movie_id,title,genre_ids,genres\n"
        "1,Heat,\"[28, 80]\",\"['Action', 'Crime']\"\n"
        '2,Ronin,"[28]","[\'Action\']"\n'
        '3,Alien,"[27, 878]","[\'Horror\']"\n'
    )
    found = names(read(tmp_path / "x.csv"))
    known = {entity: name for entity, name in found.items() if entity.startswith("genre:")}
    assert known == {"genre:28": "Action", "genre:80": "Crime", "genre:27": "", "genre:878": ""}


def test_names_next_to_ids_whose_relation_is_in_a_column(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("movie,prop,actor_id,actor_name\nm1,lead,77,Ann Ames\nm2,lead,88,Bo Best\n")
    found = read(tmp_path / "x.csv", columns="item=movie,relation=prop,tail=actor_id")
    assert {"Ann Ames", "Bo Best"} <= set(names(found).values())


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ("track_id,track_name,artist_name,genre", "track_name"),
        ("artist_name,trackId,trackTitle,genre", "trackTitle"),
        ("artist_name,song_id,track_name,genre", "track_name"),
        ("track_id,artist_name,genre", ""),
        ("artist_id,artist_name,genre", "artist_name"),
        ("track_id,artist_name,title,genre", "title"),
        ("isbn,book_title,genre", "book_title"),
        ("item_id,track_name,label,genre", "track_name"),
        ("movie_id,movie_name,movie_title,genre", "movie_title"),
    ],
)
def test_the_title_is_that_of_the_item(tmp_path: Path, header: str, title: str) -> None:
    names = header.split(",")
    path = tmp_path / "items.csv"
    path.write_text(f"{header}\n{','.join(f'my {name}' for name in names)}\n")
    expected = f"my {title}" if title else ""
    assert [item.title for item in read(path).items] == [expected]
    assert list(read_items(path).columns.get("title", [""])) == [expected]


@pytest.mark.parametrize("header", ["item_id,artist_name,track_name,genre", "isbn,book_title,artist_name,genre"])
def test_two_titles_need_a_choice(tmp_path: Path, header: str) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f"{header}\na,b,c,d\n")
    for attempt in (read, read_items):
        with pytest.raises(DataError, match=r"may each be the title; say which it is with --columns title="):
            attempt(path)
    named = header.split(",")[2]
    assert [item.title for item in read(path, columns=f"title={named}").items] == ["c"]


@pytest.mark.parametrize("header", ["item_id,title,genre,genre", "item_id,item_id,title,genre"])
def test_a_doubled_header_is_an_error(tmp_path: Path, header: str) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f"{header}\na,b,c,d\n")
    with pytest.raises(DataError, match=r"columns \d and \d are both called (genre|item_id); rename"):
        read(path)
    path.write_text("item_id,title,note,note,genre\na,b,c,d,e\n")  # one that is not read is no fault
    assert triples(read(path)) == {("a", "genre", "genre:e")}


ROWS = [{"key": f"k{at}", "label": f"L{at}", "facts": {"maker": f"m{at}", "new": at > 0}} for at in range(3)]


def mapped(folder: Path, suffix: str, mapping: str) -> Path:
    """A file of :data:`ROWS`, and a mapping next to it; a table has the inner keys alone."""
    (folder / "mapping.toml").write_text(mapping if suffix == "json" else mapping.replace("facts.", ""))
    path = folder / f"x.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps(ROWS))
    else:
        rows = ["key,label,maker,new", *(f"k{at},L{at},m{at},{str(at > 0).lower()}" for at in range(3))]
        path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_a_key_of_a_mapping_without_a_value_is_said(tmp_path: Path, suffix: str) -> None:
    mapping = 'id = "key"\nname = "labl"\n[relations]\nmaker = "facts.maker"\nnovel = "facts.news"\n'
    source = open_source([mapped(tmp_path, suffix, mapping)], mapping=tmp_path / "mapping.toml")
    name, novel = dry_run(source).warnings
    inner = "facts." if suffix == "json" else ""
    assert "no value at labl (name); nearest keys: label" in name
    assert f"no value at {inner}news (novel); nearest keys: {inner}new" in novel


@pytest.mark.parametrize("suffix", ["json", "csv"])
@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ('id = "kay"\n[relations]\nmaker = "facts.maker"\n', r"no (value at|column) '?kay'?.*key"),
        (
            'id = "key"\n[relations]\nmaker = "facts.makr"\n',
            r"no value at (facts\.)?makr .*nearest keys: .*maker",
        ),
    ],
)
def test_a_mapping_that_gives_nothing_is_an_error(tmp_path: Path, suffix: str, mapping: str, said: str) -> None:
    path = mapped(tmp_path, suffix, mapping)
    with pytest.raises(DataError, match=said):
        open_source([path], mapping=tmp_path / "mapping.toml")


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_truth_values_are_values(tmp_path: Path, suffix: str) -> None:
    path = mapped(tmp_path, suffix, 'id = "key"\n[relations]\nnew = "facts.new"\n')
    expected = {("k0", "new", "new:false"), ("k1", "new", "new:true"), ("k2", "new", "new:true")}
    assert triples(read(path, mapping=tmp_path / "mapping.toml")) == expected
