"""Blocks first, rows after: the same rows, lines and bad rows as row by row."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.errors import DataError
from kptoolkit.storage.text_tables import BadRows, Table, TextReader, header_of, read_table

WANTED = {"a": ("a_id",), "b": ("b",)}


def rows_of(tables: list[Table]) -> list[tuple[int, str, str]]:
    return [row for table in tables for row in zip(table.lines, table["a"], table["b"], strict=True)]


PIECES = st.sampled_from(
    [b"x", b"\t", b"\t", b"\n", b"\n", b"\r\n", b"\r", b" ", b"\xff", b"\x00", "é\u2028".encode(), b"\xef\xbb\xbf"]
)
REGULAR = st.lists(st.just(b"x\ty\n"), max_size=6).map(b"".join)


@given(REGULAR, st.lists(PIECES, max_size=25).map(b"".join), st.integers(1, 12), st.booleans(), st.integers(1, 4))
def test_blocks_then_rows_equal_rows(
    tmp_path_factory: pytest.TempPathFactory, clean: bytes, rest: bytes, size: int, packed: bool, batch: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.tsv"
    data = b"\xef\xbb\xbfA id:token\tb\r\n" + clean + rest
    path.write_bytes(gzip.compress(data) if packed else data)
    both, alone = (
        TextReader(path, WANTED, may_be_empty=("b",), bad_rows=BadRows(skip=True), batch_rows=batch) for _ in range(2)
    )
    found = list(both.blocks(size))
    if not both.ended:
        found += both.rows()
    assert rows_of(found) == rows_of(list(alone.rows()))
    assert all(len(table) <= batch for table in found)
    assert both.bad_rows == alone.bad_rows


def test_blocks_stop_before_the_first_block_with_another_line(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"a_id\tb\n" + b"1\t2\n" * 4 + b"short\n" + b"3\t4\n")
    reader = TextReader(path, WANTED)
    assert [line for line, _, _ in rows_of(list(reader.blocks(8)))] == [2, 3, 4]
    assert (reader.line, reader.ended) == (5, False)
    with pytest.raises(DataError, match=r"line 6: 1 column instead of 2; correct it$"):
        list(reader.rows())


def test_a_gzip_that_breaks_after_clean_blocks_keeps_their_rows_and_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv.gz"
    whole = "".join(f"{n * 7919 % 10007}\t{n * 104729 % 9973}\n" for n in range(20_000))
    packed = gzip.compress(("a_id\tb\n" + whole).encode())
    path.write_bytes(packed[: len(packed) // 2])
    reader = TextReader(path, WANTED, batch_rows=100)
    found = list(reader.blocks(5_000))
    assert sum(map(len, found)) > 5_000
    rest = reader.rows()
    with pytest.raises(DataError, match="ends early or is damaged") as caught:
        found.extend(rest)
    lines = [line for line, _, _ in rows_of(found)]
    assert lines == list(range(2, len(lines) + 2))
    assert caught.value.line is not None
    assert 0 <= caught.value.line - len(lines) - 2 < 100


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_shows_its_separator_and_a_row_has_the_line_it_begins_on(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "x.CSV"
    text = '\ufeff"a_id"|b\n"1\n|"|2\n\n3|4\n5\n'.replace("|", mark)
    path.write_bytes(text.encode())
    assert header_of(path) == ["a_id", "b"]
    bad = BadRows(skip=True)
    assert rows_of(list(read_table(path, WANTED, bad_rows=bad))) == [(2, f"1\n{mark}", "2"), (5, "3", "4")]
    assert [row.line for row in bad.rows] == [6]


def test_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\xef\xbb\xbf\nb\n1\n\n2\n")
    (table,) = read_table(path, {"b": ("b",)}, may_be_empty=("b",))
    assert (table["b"], list(table.lines)) == (["1", "2"], [3, 5])
    path.write_bytes(b"b\n1\n\n2\n")
    (table,) = read_table(path, {"b": ("b",)}, may_be_empty=("b",))
    assert (table["b"], list(table.lines)) == (["1", "2"], [2, 4])


def test_a_cell_of_csv_may_be_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f'a_id,b\n1,{"x" * 1_000_000}\n2,"{"y " * 500_000}"\n')
    assert [len(cells[2]) for cells in rows_of(list(read_table(path, WANTED)))] == [1_000_000, 1_000_000]
