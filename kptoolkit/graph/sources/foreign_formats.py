"""Formats of graphs that are not read, and how to convert each of them into one that is."""

from __future__ import annotations

import re
from pathlib import Path

from kptoolkit.errors import DataError
from kptoolkit.storage.dialects import Sample

_LOOKED_AT = 100
"""Files of a folder that are looked at."""

_NETWORKX = "write it as GraphML, e.g. networkx.write_graphml(networkx.{}('FILE'), 'x.graphml')"
_CYPHER = "run it in a database, and read that one with kptool init DIR --from-graph"
_ROBOT = "convert it to Turtle, e.g. robot convert --input FILE --output x.ttl"
_PANDAS = "convert it to Parquet, e.g. pandas.{}('FILE').to_parquet('x.parquet')"
_PYTHON = "write its tables as CSV or Parquet where it was made; it may contain code, so open it only if you trust it"
_TABLES = "export its tables as CSV or Parquet"
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
    (r"SQLite format 3", "SQLite", _TABLES),
    (r"(?s).{8}DUCK", "DuckDB", _TABLES),
    (r"ARROW1|FEA1", "Arrow or Feather", _PANDAS.format("read_feather")),
    (r"ORC[\x00-\x1f\n]", "ORC", _PANDAS.format("read_orc")),
    (r"\udc89HDF", "HDF5", _TABLES),
    (r"Obj\x01", "Avro", _TABLES),
    (r"%%MatrixMarket", "Matrix Market", "write its entries as a table, e.g. of scipy.io.mmread('FILE').tocoo()"),
    (r"\udc80[\x02-\x05]", "pickle", _PYTHON),
    (r"\udc93NUMPY", "NumPy", "write the array as CSV, e.g. numpy.savetxt('x.csv', numpy.load('FILE'), '%s', ',')"),
    (
        r"(?s)(?:<\?xml.*?\?>\s*)?<sparql\b",
        "XML of SPARQL results",
        "write the results of the query as CSV or TSV instead",
    ),
    (r"(?i)(?:(?:--|/\*).*\n|\s)*(?:CREATE TABLE|INSERT INTO|DROP TABLE)\b", "SQL", _TABLES),
    (r"(?i)(?:(?://|:).*\n|\s)*(?:CREATE|MERGE|UNWIND|MATCH)\s*[(\[$]", "Cypher", _CYPHER),
)


def foreign_said(sample: Sample) -> str:
    """Return that a file has a format that is not read, and what to do; ``""`` if it is none of these.

    Args:
        sample: The beginning of the file.
    """
    start = "\n".join(sample.lines).lstrip(" \t\r\n\ufeff")
    found = ((name, advice) for pattern, name, advice in FOREIGN if re.match(pattern, start))
    return next((f"{name} is not read; {advice}" for name, advice in found), "")


def foreign_in(folder: Path) -> list[str]:
    """Return what is in a folder in formats that are not read, a sentence each.

    Args:
        folder: The folder.
    """
    found = []
    for path in sorted(path for path in folder.iterdir() if path.is_file())[:_LOOKED_AT]:
        try:
            said = foreign_said(Sample.read(path))
        except DataError:
            continue
        found += [f"{path.name}: {said}"] if said else []
    return found
