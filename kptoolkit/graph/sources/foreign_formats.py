"""Formats of graphs that are not read, and how to convert each of them into one that is."""

from __future__ import annotations

import re

from kptoolkit.storage.dialects import Sample

_NETWORKX = "write it as GraphML, e.g. networkx.write_graphml(networkx.{}('FILE'), 'x.graphml')"
_CYPHER = "run it in a database, and read that one with kptool init DIR --from-graph"
_ROBOT = "convert it to Turtle, e.g. robot convert --input FILE --output x.ttl"
#: Beginning of a file, the name of its format, and what to do.
FOREIGN: tuple[tuple[str, str, str], ...] = (
    (r"(?s)(?:<\?xml.*?\?>\s*)?(?:<!--.*?-->\s*)?<gexf\b", "GEXF", _NETWORKX.format("read_gexf")),
    (r"(?i)(?:%.*\n)*\*(?:vertices|network)\b", "Pajek", _NETWORKX.format("read_pajek")),
    (r"(?:#.*\n|Creator .*\n|Version .*\n)*graph\s*\[", "GML", _NETWORKX.format("read_gml")),
    (r"(?:strict\s+)?(?:di)?graph\b[^\[\n]*\{", "Graphviz DOT", _NETWORKX.format("nx_pydot.read_dot")),
    (r"(?:Prefix|Ontology)\(", "OWL in functional syntax", _ROBOT),
    (r"(?:Prefix|Ontology): ", "OWL in Manchester syntax", _ROBOT),
    (r"format-version: ", "OBO", _ROBOT),
    (r"\$HDT", "HDT", "convert it to N-Triples, e.g. hdt2rdf.sh FILE x.nt"),
    (r"PK\x03\x04", "a spreadsheet or an archive", "save the table as CSV, or name an archive .zip"),
    (r"SQLite format 3", "SQLite", "export its tables as CSV"),
    (r"(?i)(?:(?:--|/\*).*\n|\s)*(?:CREATE TABLE|INSERT INTO|DROP TABLE)\b", "SQL", "export its tables as CSV"),
    (r"(?i)(?:(?://|:).*\n|\s)*(?:CREATE|MERGE|UNWIND|MATCH)\s*[(\[$]", "Cypher", _CYPHER),
)


def foreign_said(sample: Sample) -> str:
    """Return that a file has a format that is not read, and what to do; ``""`` if it is none of these.

    Args:
        sample: The beginning of the file.
    """
    start = "\n".join(sample.lines).lstrip()
    found = ((name, advice) for pattern, name, advice in FOREIGN if re.match(pattern, start))
    return next((f"{name} is not read; {advice}" for name, advice in found), "")
