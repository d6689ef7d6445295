"""Reads the layout of PGPR: one id per line, and the numbers of brands, categories and other products per product."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, ClassVar, cast

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.storage.open_files import file_failures, limited_lines, open_bytes
from kptoolkit.storage.text_tables import ENCODING_ADVICE, Table
from kptoolkit.storage.values.cells import clean_id, is_missing

#: Files of facts: line n has the facts of product n. File, file of the tails, relation, whether tails are products.
FACTS = (
    ("brand_p_b.txt", "brand.txt", "brand", False),
    ("category_p_c.txt", "category.txt", "category", False),
    ("also_bought_p_p.txt", "related_product.txt", "also_bought", True),
    ("also_viewed_p_p.txt", "related_product.txt", "also_viewed", True),
    ("bought_together_p_p.txt", "related_product.txt", "bought_together", True),
)
_EVENTS = ("train.txt", "test.txt")
_DIGITS = 18
"""Digits of the longest number of a line."""


class PgprFolder(PathReader):
    """A folder in the layout of PGPR; a product is the entity with its id, ``brand:NAME`` that of a brand."""

    label: ClassVar[str] = "PGPR"
    parts: ClassVar[str] = "facts of *_p_*.txt, ids of product.txt and users.txt, events of train.txt and test.txt"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        has_facts = any(_file(folder, name) for name, _, _, _ in FACTS)
        return has_facts and all(_file(folder, name) for name in ("product.txt", "users.txt"))

    def triples(self) -> Iterator[Table]:
        """Yield the facts of each product."""
        for name, tails, relation, products in FACTS:
            if (file := _file(self.path, name)) is not None:
                rows = self._facts(file, self._listed(tails), relation, products)
                yield from self.counted(tables_of(("head", "relation", "tail"), rows, file))

    def names(self) -> Iterator[Table]:
        """Yield the names of brands and categories."""
        for name, tails, relation, products in FACTS:
            if _file(self.path, name) is not None and not products:
                found = [clean_id(one) for one in self._listed(tails) if not is_missing(one)]
                rows = ((line, (f"{relation}:{one}", one)) for line, one in enumerate(found, 1))
                yield from tables_of(("entity_id", "name"), rows, self.path / tails)

    def links(self) -> Iterator[Table]:
        """Yield each product as the entity with its id."""
        rows = ((line, (one, one)) for line, one in enumerate(self._products, 1))
        yield from tables_of(("item_id", "entity_id"), rows, self.path / "product.txt")

    def interactions(self) -> Iterator[Table]:
        """Yield the reviews; the words in them are left out."""
        users = self._listed("users.txt")
        for name in _EVENTS:
            if (file := _file(self.path, name)) is not None:
                yield from tables_of(("user_id", "item_id"), self._reviews(file, users), file)

    def _facts(
        self, file: Path, tails: list[str], relation: str, products: bool
    ) -> Iterator[tuple[int, tuple[str, str, str]]]:
        for line, text in enumerate(_lines(file), 1):
            if line > len(self._products):
                raise DataError(f"has more lines than product.txt, which has {len(self._products)}", file, line)
            for number in text.split():
                for tail in self.values(file, line, [_at(tails, number, file, line)]):
                    yield line, (self._products[line - 1], relation, tail if products else f"{relation}:{tail}")

    def _reviews(self, file: Path, users: list[str]) -> Iterator[tuple[int, tuple[str, str]]]:
        for line, text in enumerate(_lines(file), 1):
            cells = text.split()
            if len(cells) >= 2:
                yield line, (_at(users, cells[0], file, line), _at(self._products, cells[1], file, line))
            elif cells:
                self.bad_rows.add(file, line, "no user and product")

    @cached_property
    def _products(self) -> list[str]:
        return self._listed("product.txt")

    def _listed(self, name: str) -> list[str]:
        file = _file(self.path, name)
        if file is None:
            raise DataError(f"{name} is missing", self.path)
        return [text.strip() for text in _lines(file)]


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, empty ones too."""
    with file_failures(path, lambda: None), open_bytes(path) as raw:
        try:
            yield from limited_lines(io.TextIOWrapper(cast("IO[bytes]", raw), "utf-8-sig", newline="\n"), path)
        except UnicodeDecodeError as error:
            raise DataError(f"not UTF-8 text; {ENCODING_ADVICE}", path) from error


def _at(ids: list[str], number: str, file: Path, line: int) -> str:
    if not number.isdecimal() or len(number) > _DIGITS or int(number) >= len(ids):
        raise DataError(
            f"the number {shorten(number, 40)} is not in the list of ids; correct one of the files", file, line
        )
    return ids[int(number)]
