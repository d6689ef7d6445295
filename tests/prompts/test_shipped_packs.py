"""The shipped packs, by the shipped suite; against the relations of real sets where KPTOOL_DATA names them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from kptoolkit.prompts import TemplatePack, load_auto, pack_names
from kptoolkit.testing.template_pack import TemplatePackSuite

FREQUENT = 0.05


class TestMovies(TemplatePackSuite):
    pack = "movies"


class TestBooks(TemplatePackSuite):
    pack = "books"


class TestGeneric(TemplatePackSuite):
    pack = "generic"


def test_every_shipped_pack_is_under_test() -> None:
    assert set(pack_names()) == {
        suite.pack for suite in TemplatePackSuite.__subclasses__() if suite.pack in pack_names()
    }


def relation_counts(domain: str) -> Counter[str]:
    if "KPTOOL_DATA" not in os.environ:
        pytest.skip("KPTOOL_DATA is not set")
    path = Path(os.environ["KPTOOL_DATA"]) / domain / f"{domain}.kg"
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return Counter(relation for _, relation, _ in rows)


@pytest.mark.parametrize("domain", ["movies", "books"])
def test_every_relation_of_the_real_set_is_worded(domain: str) -> None:
    counts = relation_counts(domain)
    pack = TemplatePack.load(domain)
    assert pack.coverage(counts).fallbacks == ()
    for relation, count in counts.items():
        templates = pack.relations[pack.canonical(relation)]
        least = 2 if count >= FREQUENT * counts.total() else 1
        assert min(len(templates.forward), len(templates.inverse)) >= least, relation


@pytest.mark.parametrize("domain", ["movies", "books"])
def test_auto_finds_the_pack_of_the_real_set(domain: str) -> None:
    assert load_auto(relation_counts(domain)).name == domain
