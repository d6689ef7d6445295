"""Readers of layouts of public data sets: ids, names, links and items that come out of each."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.surveyed import names, read, triples

from kptoolkit.data.interactions import read_interactions
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.survey import Survey
from kptoolkit.graph.sources.readers.path_reader import NO_LABEL
from kptoolkit.storage.values.cells import clean_id, is_missing

LAYOUTS = Path(__file__).resolve().parents[1] / "layouts"


def links(found: Survey) -> dict[str, str]:
    return {item.item_id: found.entities[item.entity] for item in found.items if item.entity >= 0}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_kgat() -> None:
    found = read(LAYOUTS / "kgat")
    author = "http://rdf.freebase.com/ns/book.written_work.author"
    assert ("m.02", author, "m.0austen") in triples(found)
    assert names(found)["m.0austen"] == "m.0austen"
    assert links(found)["0451526538"] == "m.01"
    assert links(found).keys() == set(read_interactions(LAYOUTS / "kgat")[0].item_ids)


def test_kgat_with_a_number_that_is_not_listed(tmp_path: Path) -> None:
    texts = {path.name: path.read_text() for path in (LAYOUTS / "kgat").glob("*.txt")}
    folder = write(tmp_path, texts | {"kg_final.txt": "1 0 5\n2 0 99\n"})
    with pytest.raises(DataError, match=r"kg_final.txt, line 2: the tail '99' is not in the list"):
        read(folder)


def test_openke(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "entity2id.txt": "3\n/m/a b\t0\n/m/b\t1\n/m/c\t2\n",
            "relation2id.txt": "2\n/r/one\t0\n/r/two\t1\n",
            "train2id.txt": "2\n0 1 1\n1 2 0\n",
            "test2id.txt": "1\n0\t2\t0\n",
        },
    )
    expected = {("/m/a b", "/r/two", "/m/b"), ("/m/b", "/r/one", "/m/c"), ("/m/a b", "/r/one", "/m/c")}
    assert triples(read(folder)) == expected


def test_kgcn_before_and_after_its_last_step(tmp_path: Path) -> None:
    (raw := tmp_path / "raw").mkdir()
    write(raw, {"kg.txt": "1\tfilm.genre\t9\n2\tfilm.genre\t9\n", "item_index2entity_id.txt": "i1\t1\ni2\t2\n"})
    found = read(raw)
    assert links(found) == {"i1": "1", "i2": "2"}
    assert triples(found) == {("1", "film.genre", "9"), ("2", "film.genre", "9")}
    (final := tmp_path / "final").mkdir()
    write(final, {"kg_final.txt": "1\t0\t9\n", "ratings_final.txt": "0\t1\t1\n0\t5\t0\n3\t2\t1\n"})
    assert links(read(final)) == {"1": "1", "2": "2"}


def test_the_files_of_the_authors() -> None:
    found = read(LAYOUTS / "kp4sr_authors" / "books")
    assert ("m.01", "book.written_work.author", "m.0a") in triples(found)
    assert links(found) == {"B1": "m.01", "B2": "m.02", "B3": "m.03"}
    assert names(found)["m.0a"] == "Jane Austen"


def test_conceptnet_has_terms_as_names() -> None:
    found = read(LAYOUTS / "conceptnet" / "assertions.csv", link=LAYOUTS / "conceptnet" / "links.csv")
    assert names(found)["/c/en/boil_water"] == "boil water"
    assert names(found)["/c/en/kettle/n"] == "kettle"
    assert links(found) == {"A1": "/c/en/kettle"}


def test_primekg_has_names() -> None:
    assert names(read(LAYOUTS / "kg_faults" / "primekg.csv")) == {"1": "A", "2": "B"}


def test_primekg_takes_the_index_since_ids_repeat_between_sources(tmp_path: Path) -> None:
    header = "relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source\n"
    row = "protein_protein,ppi,0,9796,gene/protein,PHYHIP,NCBI,8889,9796,disease,A disease,MONDO\n"
    found = read(write(tmp_path, {"kg.csv": header + row}) / "kg.csv")
    assert names(found) == {"0": "PHYHIP", "8889": "A disease"}


def test_amazon_metadata(tmp_path: Path) -> None:
    found = read(LAYOUTS / "amazon2023" / "meta_All_Beauty.jsonl")
    assert ("B00A", "category", "category:Bath") in triples(found)
    assert names(found)["category:Bath"] == "Bath"
    assert links(found) == {"B00A": "B00A"}
    old = {"asin": "1", "title": "Soap", "categories": [["A", "B"]], "related": {"also_bought": ["2"]}, "brand": ""}
    found = read(write(tmp_path, {"meta.json": f"{old}\n"}) / "meta.json")  # Python's notation, as in 2014
    assert triples(found) == {
        ("1", "category", "category:A"),
        ("1", "category", "category:B"),
        ("1", "also_bought", "2"),
    }


def test_a_mapping_file_says_what_becomes_triples(tmp_path: Path) -> None:
    rows = [{"key": "k", "label": "Kay", "facts": {"made by": "Acme, Best"}, "near": ["m"]}]
    mapping = 'id = "key"\nname = "label"\nsplit = ", "\n[relations]\nmaker = "facts.made by"\n[items]\nnear = "near"\n'
    folder = write(tmp_path, {"x.json": json.dumps(rows), "mapping.toml": mapping})
    with pytest.raises(DataError, match=r"no keys for an item are known .*--mapping"):
        read(folder / "x.json")
    found = read(folder / "x.json", mapping=folder / "mapping.toml")
    assert triples(found) == {("k", "maker", "maker:Acme"), ("k", "maker", "maker:Best"), ("k", "near", "m")}
    assert names(found) == {"k": "Kay", "maker:Acme": "Acme", "maker:Best": "Best", "m": ""}


@pytest.mark.parametrize("text", ["", 'id = "a"\nmore = "b"\n', "id = 3\n", 'id = "a"\nrelations = "b"\n', "id = "])
def test_a_wrong_mapping_is_an_error(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path, {"x.json": '{"a": 1}', "mapping.toml": text})
    with pytest.raises(ConfigError, match="mapping"):
        read(folder / "x.json", mapping=folder / "mapping.toml")


def test_neo4j_csv() -> None:
    found = read(LAYOUTS / "neo4j_admin_csv")
    assert ("keanu", "ACTED_IN", "tt0133093") in triples(found)
    assert names(found)["tt0234215"] == "The Matrix Reloaded"


def test_neo4j_csv_whose_id_spaces_share_ids(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "a.csv": "id:ID(Film),title,:LABEL\n1,Heat,Film\n",
            "b.csv": "id:ID(Person),name,:LABEL\n1,Mann,Person\n",
            "c.csv": ":START_ID(Film),:END_ID(Person),:TYPE\n1,1,DIRECTED_BY\n",
        },
    )
    found = read(folder)
    assert triples(found) == {("Film:1", "DIRECTED_BY", "Person:1")}
    assert names(found) == {"Film:1": "Heat", "Person:1": "Mann"}


def test_items_of_neo4j_csv_are_linked_to_ids_as_the_triples_have_them(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "a.csv": "id:ID(Film),title,item_id\n1,Heat,i1\n",
            "b.csv": "id:ID(Person),name\n1,Mann\n",
            "c.csv": ":START_ID(Film),:END_ID(Person),:TYPE\n1,1,DIRECTED_BY\n",
        },
    )
    assert links(read(folder)) == {"i1": "Film:1"}


def test_files_of_neo4j_csv_without_a_header_are_said(tmp_path: Path) -> None:
    """The import tool takes files in groups, of which the first only has a header."""
    folder = write(
        tmp_path,
        {
            "nodes.csv": "id:ID,name\n1,Heat\n2,Mann\n",
            "nodes2.csv": "3,Ronin\n",
            "roles.csv": ":START_ID,:END_ID,:TYPE\n1,2,DIRECTED_BY\n",
        },
    )
    (reader,) = open_source([folder]).readers
    assert reader.said.endswith("; not read, without a header line of ids in it: nodes2.csv")
    (folder / "nodes2.csv").unlink()
    (reader,) = open_source([folder]).readers
    assert "not read" not in reader.said


def test_apoc_json() -> None:
    found = read(LAYOUTS / "neo4j_admin_csv" / "apoc.json")
    assert triples(found) == {("1", "ACTED_IN", "0")}
    assert names(found) == {"0": "The Matrix", "1": "Keanu Reeves"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.rdf", '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:p="http://p/">'
                  '<r:Description r:about="http://a"><p:q r:resource="http://b"/></r:Description></r:RDF>'),
        ("x.n3", "<http://a> <http://p/q> <http://b> ."),
        ("x.trig", "<http://g> { <http://a> <http://p/q> <http://b> . }"),
        ("x.nq", "<http://a> <http://p/q> <http://b> <http://g> ."),
        ("x.nt", "# all of one graph\n<http://a> <http://p/q> <http://b> <http://g> .\n"),
        ("x.txt", "<http://a>\t<http://p/q>\t<http://b>\t.\n"),
        ("x.jsonld", '{"@id": "http://a", "http://p/q": {"@id": "http://b"}}'),
        ("x.json", '{"@id": "http://a", "http://p/q": {"@id": "http://b"}}'),
    ],
)  # fmt: skip
def test_formats_of_rdf(tmp_path: Path, name: str, text: str) -> None:
    assert triples(read(write(tmp_path, {name: text}) / name)) == {("http://a", "http://p/q", "http://b")}


def test_a_remote_context_is_not_fetched(tmp_path: Path) -> None:
    path = (
        write(tmp_path, {"x.jsonld": '{"@context": "https://schema.org/", "@id": "http://a", "name": "x"}'})
        / "x.jsonld"
    )
    with pytest.raises(DataError, match="remote @context"):
        read(path)


cells = st.text("abcdé'\" ", min_size=1, max_size=4).filter(lambda one: not is_missing(one))


@given(
    rows=st.lists(st.tuples(cells, st.sampled_from("rst"), cells), min_size=2, max_size=9, unique=True),
    mark=st.sampled_from(["\t", "::", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "latin-1"]),
)
def test_triples_without_a_header_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], mark: str, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("rows") / "x.txt"
    path.write_bytes("".join(mark.join(row) + "\n" for row in rows).encode(encoding))
    found = read(path, columns="head=1,relation=2,tail=3", encoding=None if encoding == "utf-8" else encoding)
    assert triples(found) == {(clean_id(head), relation, clean_id(tail)) for head, relation, tail in rows}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tb\tc\nd\te\tf\n", "no column for 'head' .*--columns head=HEADER,relation=HEADER,tail=HEADER"),
        ("1\t7\tc\n2\t8\tc\n3\t9\tc\n", r"no header line .* 1: 1 7 c / 2: 2 8 c .*--columns head=1,relation=2,tail=3"),
        ("user_id\titem_id\nu\ti\n", "has events .*--data"),
    ],
)
def test_what_is_not_recognized_shows_its_lines_and_the_option(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(write(tmp_path, {"x.txt": text}) / "x.txt")


def test_several_values_in_a_tail(tmp_path: Path) -> None:
    path = write(tmp_path, {"x.csv": "head,relation,tail\na,genre,Action | Comedy|\n"}) / "x.csv"
    assert triples(read(path, split="|")) == {("a", "genre", "Action"), ("a", "genre", "Comedy")}


@pytest.mark.parametrize("name", ["kgat.tar.gz", "kgat.tar"])
def test_an_archive_is_read_like_its_folder(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    with tarfile.open(archive, "w:gz" if name.endswith("gz") else "w") as packed:
        for file in (LAYOUTS / "kgat").glob("*.txt"):
            packed.add(file, f"set/{file.name}")
    assert triples(read(archive)) == triples(read(LAYOUTS / "kgat"))


def test_an_archive_stays_in_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as packed:
        entry = tarfile.TarInfo("../outside.csv")
        entry.size = 3
        packed.addfile(entry, io.BytesIO(b"a,b"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(archive)
    (tmp_path / "y.zip").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(tmp_path / "y.zip")


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
@pytest.mark.parametrize("name", ["x.kg", "x.csv", "x.nt", "x.ttl", "x.json"])
def test_packed_files(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], name: str) -> None:
    texts = {
        "x.kg": "head\trelation\ttail\nhttp://a\thttp://p\thttp://b\n",
        "x.csv": "head,relation,tail\nhttp://a,http://p,http://b\n",
        "x.nt": "<http://a> <http://p> <http://b> .\n",
        "x.ttl": "<http://a> <http://p> <http://b> .\n",
        "x.json": '{"@id": "http://a", "http://p": {"@id": "http://b"}}\n',
    }
    path = tmp_path / f"{name}.{suffix}"
    path.write_bytes(pack(texts[name].encode()))
    assert triples(read(path)) == {("http://a", "http://p", "http://b")}
    path.write_bytes(pack((texts[name] + "\n" * 999).encode())[:-9])
    with pytest.raises(DataError, match="ends early"):
        read(path)


def test_kgat_without_lists_has_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path, {"kg_final.txt": "1 0 5\n2 0 5\n", "train.txt": "0 1 2\n1 2\n", "test.txt": "0\n1 1\n"})
    found = read(folder)
    assert triples(found) == {("1", "0", "5"), ("2", "0", "5")}
    assert links(found) == {"1": "1", "2": "2"}


def test_original_ids_of_kgat_may_contain_spaces(tmp_path: Path) -> None:
    texts = {path.name: path.read_text() for path in (LAYOUTS / "kgat").glob("*.txt")}
    entities = texts["entity_list.txt"].replace("m.0austen", "Jane Austen")
    folder = write(tmp_path, texts | {"entity_list.txt": entities})
    assert names(read(folder))["Jane Austen"] == "Jane Austen"
    folder = write(tmp_path, {"entity_list.txt": "org_id remap_id\nx\n"})
    with pytest.raises(DataError, match=r"entity_list.txt, line 2: 1 column instead of 2"):
        read(folder)


def test_yelp_and_goodreads(tmp_path: Path) -> None:
    business = {"business_id": "b", "name": "Roma", "city": "Reno", "categories": "Pizza, Wine Bars"}
    book = {"book_id": "7", "title": "Emma", "authors": [{"author_id": "3", "role": ""}], "similar_books": ["8"]}
    folder = write(tmp_path, {"yelp.json": json.dumps(business), "goodreads.json": json.dumps(book)})
    categories = {("b", "category", "category:Pizza"), ("b", "category", "category:Wine Bars")}
    assert triples(read(folder / "yelp.json")) == {*categories, ("b", "city", "city:Reno")}
    assert triples(read(folder / "goodreads.json")) == {("7", "author", "author:3"), ("7", "similar", "8")}


def test_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {"source": [1.0, 2.0, None], "relation": ["r"] * 3, "target": ["a", "b", "c"], "weight": [1, 2, 3]}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    pq.write_table(pa.table({"id": ["a"], "label": ["Alpha"]}), tmp_path / "names.parquet")
    with pytest.raises(DataError, match="line 3: the head is empty"):
        read(tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet", names=tmp_path / "names.parquet", skip_bad_rows=True)
    assert triples(found) == {("1", "r", "a"), ("2", "r", "b")}
    assert names(found)["a"] == "Alpha"


def test_parquet_with_bytes(tmp_path: Path) -> None:
    """Older writers do not say that their columns are text."""
    columns = {name: [text.encode()] for name, text in (("head", "Q1"), ("relation", "P31"), ("tail", "Ärger"))}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert triples(read(tmp_path / "x.parquet")) == {("Q1", "P31", "Ärger")}
    pq.write_table(pa.table({**columns, "tail": [b"\xff"]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="bytes that are no UTF-8 text"):
        read(tmp_path / "x.parquet")


def test_a_list_of_pairs_with_scores_is_no_list_of_triples(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x.csv": "d1,t1,0.91\nd2,t1,0.85\nd3,t2,0.77\nd4,t2,0.5\nd5,t1,0.25\n"})
    with pytest.raises(DataError, match=r"x\.csv"):
        read(folder / "x.csv")


@pytest.mark.parametrize("given", ["folder", "file with a format"])
def test_a_mapping_that_would_have_no_effect_is_refused(tmp_path: Path, given: str) -> None:
    folder = write(tmp_path, {"movies.csv": "movie_id,genre\na,x\nb,y\n"})
    path = folder if given == "folder" else folder / "movies.csv"
    with pytest.raises(ConfigError, match=r"--mapping is for a file, without --format"):
        open_source([path], mapping=folder / "none.toml", format=None if given == "folder" else "csv")


EDGES = {
    "cytoscape": ({"name": "A (pp) B", "interaction": "pp"}, "pp"),
    "networkx, a multigraph": ({"key": 0, "related_to": 1}, "related to"),
    "a number next to a label": ({"key": 1, "relation": "0.013", "label": "inhibits"}, "inhibits"),
}


@pytest.mark.parametrize(("data", "relation"), EDGES.values(), ids=EDGES)
def test_relations_of_edges_are_words(tmp_path: Path, data: dict[str, object], relation: str) -> None:
    """Not the name of a single edge, nor its number among several, nor its weight."""
    edge = {"source": "a", "target": "b", **data}
    folder = write(tmp_path, {"x.json": json.dumps({"nodes": [{"id": "a"}, {"id": "b"}], "links": [edge]}, indent=1)})
    ((_, found, _),) = triples(read(folder / "x.json"))
    assert found == (NO_LABEL if relation == "related to" else relation)


def test_nodes_without_ids_are_named_by_their_places(tmp_path: Path) -> None:
    """As older files for d3 have them."""
    graph = {"nodes": [{"name": "Valjean"}, {"name": "Javert"}], "links": [{"source": 1, "target": 0, "type": "hunts"}]}
    found = read(write(tmp_path, {"x.json": json.dumps(graph, indent=1)}) / "x.json")
    assert triples(found) == {("1", "hunts", "0")}
    assert names(found) == {"0": "Valjean", "1": "Javert"}


def test_bad_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"head": ["a"], "relation": ["r"], "tail": [["b", "c"]]}), tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_bytes(b"PAR1 no")
    for name, said in (("x", "lists or records"), ("y", "not a readable Parquet")):
        with pytest.raises(DataError, match=said):
            read(tmp_path / f"{name}.parquet")


def test_a_folder_of_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"head": ["a"], "relation": ["r"], "tail": ["b"]}), tmp_path / "facts.parquet")
    pq.write_table(pa.table({"item_id": [7], "entity_id": ["a"]}), tmp_path / "links.parquet")
    pq.write_table(pa.table({"user_id": [1], "item_id": [7], "rating": [5]}), tmp_path / "events.parquet")
    assert links(read(tmp_path)) == {"7": "a"}


NEWS = (
    'N1\tsports\tgolf\tThe Open\tText\thttps://u\t[{"Label": "Tiger Woods", "Type": "P", "WikidataId": "Q10993"}]\t[]\n'
    "N2\tsports\t\tMore golf\t\thttps://u\t[]\t\n"
    "N3\tnews\tweather\tRain\t\thttps://u\t[]\t[]\n"
)
CLICKS = (
    "1\tU1\t11/13/2019 8:36:57 AM\tN3\tN1-1 N2-0\n"
    "2\tU1\t11/11/2019 6:51:49 PM\tN3\tN2-1\n"
    "3\tU2\t11/11/2019 6:51:49 PM\t\tN1-1\n"
)


def test_mind(tmp_path: Path) -> None:
    folder = write(tmp_path, {"news.tsv": NEWS, "behaviors.tsv": CLICKS})
    found = read(folder)
    assert {("N1", "mentions", "Q10993"), ("N1", "subcategory", "subcategory:golf")} <= triples(found)
    assert names(found) | {"Q10993": "Tiger Woods", "N1": "The Open", "category:news": "news"} == names(found)
    assert links(found) == {"N1": "N1", "N2": "N2", "N3": "N3"}
    events, report = read_interactions(folder)
    assert report.layout.startswith("MIND")
    assert [events.item_ids[item] for item in events.history_of("U1")] == ["N3", "N2", "N1"]
    assert [events.item_ids[item] for item in events.history_of("U2")] == ["N1"]
    write(tmp_path, {"behaviors.tsv": CLICKS.replace("11/13/2019 8", "13.11.2019 8")})
    with pytest.raises(DataError, match=r"behaviors.tsv, line 1: the time is 13\.11\.2019"):
        read_interactions(folder)


def test_pgpr(tmp_path: Path) -> None:
    texts = {
        "product.txt": "P0\nP1\nP2\n",
        "users.txt": "U0\nU1\n",
        "brand.txt": "Acme Soap\nBest\n",
        "category.txt": "Bath\nHair\n",
        "related_product.txt": "P2\nX9\n",
        "brand_p_b.txt": "1\n\n0\n",
        "category_p_c.txt": "0 1\n\n\n",
        "also_bought_p_p.txt": "\n0 1\n\n",
        "train.txt": "0\t0\t5 6 7\n1\t2\t5\n",
        "test.txt": "0\t1\t8\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    found = read(tmp_path)
    brands = {("P0", "brand", "brand:Best"), ("P2", "brand", "brand:Acme Soap")}
    categories = {("P0", "category", "category:Bath"), ("P0", "category", "category:Hair")}
    assert triples(found) == {*brands, *categories, ("P1", "also_bought", "P2"), ("P1", "also_bought", "X9")}
    assert names(found)["brand:Acme Soap"] == "Acme Soap"
    events, _ = read_interactions(tmp_path)
    assert [events.item_ids[item] for item in events.history_of("U0")] == ["P0", "P1"]
    (tmp_path / "brand_p_b.txt").write_text("7\n")
    with pytest.raises(DataError, match=r"brand_p_b.txt, line 1: the number 7 is not in the list"):
        read(tmp_path)


def test_a_split_for_link_prediction(tmp_path: Path) -> None:
    train = "/m/a\t/r/one\t/m/b\n/m/c\t/r/one\t/m/b\n"
    folder = write(
        tmp_path, {"train.txt": train, "test.txt": "/m/a\t/r/one\t/m/d\n/m/d\t/r/one\t/m/c\n", "about.txt": "-"}
    )
    assert len(triples(read(folder))) == 4
    write(folder, {"test.txt": "/m/a\t/r/one\t/m/d\n"})
    with pytest.raises(DataError, match=r"holds no \.kg file"):
        read(folder)
    with pytest.raises(DataError, match=r"\(--columns head=1,relation=2,tail=3 if there is no header line\)"):
        read(folder / "test.txt")
