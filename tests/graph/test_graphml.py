"""GraphML of networkx, APOC, Gephi and yEd: what is read, and what is refused within bounded work."""

from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.errors import DataError
from kptoolkit.graph.loading.survey import Survey, survey
from kptoolkit.graph.sources.open_source import open_source
from kptoolkit.graph.sources.readers.graphml import GraphMl
from kptoolkit.graph.sources.readers.path_reader import NO_LABEL
from kptoolkit.limits import LimitsConfig, current, use
from kptoolkit.storage.values.cells import clean_id, is_missing

APOC = Path(__file__).resolve().parents[1] / "layouts" / "graphml" / "films.graphml"
YED = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">
<key for="node" id="d6" yfiles.type="nodegraphics"/><key for="edge" id="d10" yfiles.type="edgegraphics"/>
<graph edgedefault="directed" id="G">
<node id="n0"><data key="d6"><y:ShapeNode><y:Fill color="#FFCC00"/><y:NodeLabel>Emma</y:NodeLabel></y:ShapeNode></data>
<graph edgedefault="directed" id="n0:">
<node id="n0::n0"><data key="d6"><y:NodeLabel>Inner</y:NodeLabel></data></node></graph></node>
<node id="n1"><data key="d6"><y:ShapeNode><y:NodeLabel>Jane Austen</y:NodeLabel></y:ShapeNode></data></node>
<edge id="e0" source="n0" target="n1"><data key="d10"><y:PolyLineEdge>
<y:EdgeLabel>written by</y:EdgeLabel></y:PolyLineEdge></data></edge>
</graph></graphml>"""
#: Texts as they are stored: in Unicode's composed form.
WORDS = (
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="\"'[]<>"), min_size=1, max_size=12)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: clean_id(text) == text and not is_missing(text))
)
"""Texts that no reader changes."""


def read(path: Path, text: str | bytes | None = None, *, skip: bool = False) -> Survey:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return survey(open_source([path], skip_bad_rows=skip))


def graph(inside: str, keys: str = "") -> str:
    return f'<?xml version="1.0"?>\n<graphml>{keys}<graph edgedefault="directed">\n{inside}\n</graph></graphml>'


def triples(found: Survey) -> list[tuple[str, str, str]]:
    entities, relations = found.entities, found.relations
    rows = zip(found.head, found.relation, found.tail, strict=True)
    return sorted((entities[head], relations[relation], entities[tail]) for head, relation, tail in rows)


def names(found: Survey) -> dict[str, str]:
    return dict(zip(found.entities, found.names, strict=True))


# -- what is read -----------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(WORDS, WORDS, min_size=2, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), WORDS, st.integers(0, 4)), min_size=1, max_size=8),
    st.sampled_from([("name", "relation"), ("label", "type"), ("title", "label"), ("Name", "relation_type")]),
    st.booleans(),
)
def test_a_graph_of_networkx_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    nodes: dict[str, str],
    edges: list[tuple[int, str, int]],
    keys: tuple[str, str],
    pretty: bool,
) -> None:
    ids: list[str] = list(nodes)
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    made.add_nodes_from((node, {keys[0]: name, "year": 1815}) for node, name in nodes.items())
    expected = {(ids[head % len(ids)], relation, ids[tail % len(ids)]) for head, relation, tail in edges}
    for head, relation, tail in expected:
        made.add_edge(head, tail, **{keys[1]: relation, "weight": 0.5})
    path = tmp_path_factory.mktemp("networkx") / "x.graphml"
    nx.write_graphml(made, path, prettyprint=pretty)
    found = read(path)
    assert triples(found) == sorted(expected)
    assert {node: name for node, name in names(found).items() if node in nodes} == {
        node: nodes[node] for node in names(found)
    }


def test_an_export_of_apoc_is_read_and_recognized() -> None:
    source = open_source([APOC])
    found = survey(source)
    assert triples(found) == [("n1", "ACTED_IN", "n0")]
    assert names(found) == {"n0": "Night & Fog", "n1": "Ann Example"}
    assert source.recognized == [f"GraphML: {GraphMl.parts} ({APOC})"]


def test_labels_of_yed_and_nodes_inside_nodes(tmp_path: Path) -> None:
    found = read(tmp_path / "x.graphml", YED)
    assert triples(found) == [("n0", "written by", "n1")]
    assert names(found) == {"n0": "Emma", "n1": "Jane Austen"}


def test_ends_of_files_folders_and_packed_files(tmp_path: Path) -> None:
    text = APOC.read_bytes()
    (tmp_path / "in").mkdir()
    for path, content in (("x.graphml.gz", gzip.compress(text)), ("y.xml", text), ("in/z.graphml", text)):
        (tmp_path / path).write_bytes(content)
    for path in ("x.graphml.gz", "y.xml", "in"):
        assert triples(read(tmp_path / path)) == [("n1", "ACTED_IN", "n0")]


def test_defaults_items_and_edges_without_a_type(tmp_path: Path) -> None:
    keys = (
        '<key id="d0" for="node" attr.name="name"><default>unknown</default></key>'
        '<key id="d1" for="node" attr.name="item_id"/><key id="d2" for="edge" attr.name="type"/>'
    )
    inside = (
        '<node id="a"><data key="d0">Emma</data><data key="d1">i1</data></node><node id="b"/>'
        '<edge source="a" target="b"/><edge source="b" target="a" label="of"/>'
        '<edge source="b" target="b"><data key="d2">knows</data></edge>'
    )
    found = read(tmp_path / "x.graphml", graph(inside, keys))
    assert triples(found) == [("a", "related_to", "b"), ("b", "knows", "b"), ("b", "of", "a")]
    assert names(found) == {"a": "Emma", "b": "unknown"}
    assert [(item.item_id, found.entities[item.entity]) for item in found.items] == [("i1", "a")]


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edge", "says"),
    [
        ('<edge source="a"/>', "an edge without source or target"),
        ('<edge target="a"/>', "an edge without source or target"),
        ('<hyperedge><endpoint node="a"/></hyperedge>', "a hyperedge, which is no triple"),
    ],
)
def test_an_edge_that_is_no_triple_is_a_bad_row(tmp_path: Path, edge: str, says: str) -> None:
    text = graph(f'<edge source="a" target="b"/>\n{edge}')
    with pytest.raises(DataError, match=f"line 4: {says}"):
        read(tmp_path / "x.graphml", text)
    assert len(read(tmp_path / "x.graphml", text, skip=True)) == 1


LINE = "_"
DEFAULTS = "".join(
    f'<key id="{n}" for="node" attr.name="na{n * LINE}me"><default>x</default></key>' for n in range(200)
)
ENTITY = "<!DOCTYPE graphml [<!ENTITY {}>]>"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no GraphML: no element found; it ends early"),
        ("<html/>", "no GraphML: it begins with <html>"),
        ("{}", "no GraphML: "),
        (graph('<edge source="a" target="b"/>')[:-3], "no GraphML: unclosed token; it ends early"),
        ("<graphml><graph></graphml>", "no GraphML: mismatched tag"),
        (graph('<edge source="a" target="b"/>').encode("utf-16"), "NUL bytes"),
        (b"<graphml><graph><node id='\xff'/></graph></graphml>", "no GraphML: not well-formed"),
        (ENTITY.format('e SYSTEM "file:///etc/passwd"') + "<graphml>&e;</graphml>", "declares an entity"),
        (ENTITY.format('e PUBLIC "x" "http://x/"') + "<graphml>&e;</graphml>", "declares an entity"),
        ('<!DOCTYPE graphml SYSTEM "http://x/x.dtd"><graphml><graph>&e;</graph></graphml>', "refers to the entity e,"),
        (ENTITY.format('% p SYSTEM "http://x/"> %p; <!ENTITY e "x"') + "<graphml>&e;</graphml>", "declares an entity"),
        (ENTITY.format('a "xxxxxxxxxx"><!ENTITY b "&a;&a;"') + "<graphml>&b;</graphml>", "declares an entity"),
        (ENTITY.format(f'a "{"x" * 2000}"') + "<graphml>&a;</graphml>", "declares an entity"),
        ("<graphml>" + "<node id='a'>" * 2000, "elements inside elements, more than 1,000 deep"),
        (graph(f"<node id='a'><data key='name'>{'x' * 2000}</data></node>"), "limits.literal_characters"),
        (graph("<node id='a'>" + "<data key='name'>xxxxxxxx</data>" * 200 + "</node>"), "limits.literal_characters"),
        (f"<graphml><graph><node id='{'x' * 300_000}", "limits.line_bytes"),
        (graph("", DEFAULTS), "more than 100 keys"),
    ],
)
def test_what_is_no_graphml_or_would_cost_much_is_an_error(tmp_path: Path, text: str | bytes, says: str) -> None:
    before = current()
    use(LimitsConfig(literal_characters=1000, line_bytes=100_000))
    try:
        with pytest.raises(DataError, match=says.replace(".", r"\.")):
            read(tmp_path / "x.graphml", text)
    finally:
        use(before)


@given(st.binary(max_size=60), st.integers(0, 400))
def test_a_damaged_file_is_an_error_or_is_read(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    text = APOC.read_bytes()
    path = tmp_path_factory.mktemp("damaged") / "x.graphml"
    said = [str(path)]
    try:
        read(path, text[: at * 4] + noise + text[at * 4 + len(noise) :])
    except DataError as error:
        said.append(str(error))
    assert said[0] in said[-1]


EDGE_KEYS = """<key id="p" for="edge" attr.name="p" attr.type="double"/><key id="l" for="edge" attr.name="label"/>
<key id="i" for="edge" attr.name="interaction"/><key id="n" for="edge" attr.name="name"/>"""


@pytest.mark.parametrize(
    ("data", "relation"),
    [
        ("<data key='p'>0.013</data><data key='l'>inhibits</data>", "inhibits"),
        ("<data key='n'>A (pp) B</data><data key='i'>pp</data>", "pp"),
        ("<data key='p'>0.5</data>", NO_LABEL),
    ],
)
def test_the_relation_of_an_edge_is_a_word(tmp_path: Path, data: str, relation: str) -> None:
    """Not its weight, and not the name of that edge alone where there is a kind."""
    text = graph(f"<node id='a'/><node id='b'/><edge source='a' target='b'>{data}</edge>", EDGE_KEYS)
    ((_, found, _),) = triples(read(tmp_path / "x.graphml", text))
    assert found == relation
