"""docs/layouts.md has a line for every layout, role and format that is recognized."""

from __future__ import annotations

from source_tree import CHECKOUT

from kptoolkit.graph.sources.json_readers.json_items import OTHER_ITEMS, VALUES
from kptoolkit.graph.sources.layouts import FILES, FOLDERS, RDF_FORMATS, SUFFIXES
from kptoolkit.storage.dialects import ROLES
from kptoolkit.storage.layouts.known_layouts import LAYOUTS

PAGE = (CHECKOUT / "docs" / "layouts.md").read_text(encoding="utf-8")


def test_every_layout_has_its_line() -> None:
    labels = {layout.label for layout in LAYOUTS} | {reader.label for reader in (*FOLDERS, *FILES)}
    assert not {label for label in labels if label not in PAGE}


def test_every_role_and_ending_is_named() -> None:
    endings = {suffix for suffix, known in SUFFIXES.items() if known in RDF_FORMATS}
    assert not {text for text in {*ROLES, *endings} if f"`{text}`" not in PAGE}


def test_every_key_of_json_that_is_known_is_named() -> None:
    spellings = {"main_cat", "category"}  # other spellings of keys that are named
    assert not {key for key in {*VALUES, *OTHER_ITEMS} - spellings if f"`{key}`" not in PAGE}
