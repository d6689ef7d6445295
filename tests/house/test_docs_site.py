"""The documentation builds as a site without warnings, and every link inside the site leads somewhere."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from filelock import FileLock
from source_tree import CHECKOUT

import kptoolkit

pytestmark = [pytest.mark.slow, pytest.mark.long]


class Links(HTMLParser):
    """Targets and anchors of one page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect ``href``, ``src`` and ``id``."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name == "src" or (name == "href" and tag == "a"):
                self.targets.append(value or "")


@functools.cache
def links_of(page: Path) -> Links:
    """The links of a page, which is read once."""
    return Links(page)


@functools.cache
def place(folder: Path, path: str) -> tuple[Path, bool]:
    """Where a link in a page of a folder leads, and whether that exists."""
    linked = (folder / path).resolve()
    return linked, linked.exists()


def html_pages(site: Path) -> set[Path]:
    """The pages of a site, without the theme's own files."""
    return {page.resolve() for page in site.rglob("*.html") if "_static" not in page.parts}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all processes of a test run: a build writes into ``docs/api/modules``."""
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if parallel else folder) / "site"
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            build(folder)
            (folder / "complete").touch()
    return folder / "html"


def build(folder: Path) -> None:
    """Build the site into a folder."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(CHECKOUT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr


def test_links_inside_the_site_lead_somewhere(site: Path) -> None:
    pages = {page: links_of(page) for page in html_pages(site)}
    broken = []
    for page, links in pages.items():
        for target in links.targets:
            path, anchor = urldefrag(unquote(re.sub(r"\?[^#]*", "", target)))
            if re.match(r"[a-z][a-z+.-]*:", path):
                continue
            linked, exists = place(page.parent, path) if path else (page, True)
            if not exists or (anchor and linked in pages and anchor not in pages[linked].anchors):
                broken.append(f"{page.name}: {target}")
    assert len(pages) > 50
    assert not broken


def test_every_page_is_in_the_navigation_and_every_public_name_has_its_place(site: Path) -> None:
    reached, todo = set(), [(site / "index.html").resolve()]
    while todo:
        page = todo.pop()
        if page.suffix == ".html" and page not in reached:
            reached.add(page)
            targets = {urldefrag(target).url for target in links_of(page).targets if ":" not in target}
            todo += [
                linked for linked, exists in (place(page.parent, target) for target in targets if target) if exists
            ]
    assert {page.name for page in html_pages(site) - reached} == {"search.html"}
    anchors = links_of((site / "api" / "index.html").resolve()).anchors
    assert not [
        name for name in kptoolkit.__all__ if name != "__version__" and name.lower().replace("_", "-") not in anchors
    ]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in html_pages(site):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=\"https?:[^\"]+\"", text), page.name
        assert not re.findall(r"<link[^>]+rel=\"stylesheet\"[^>]+href=\"https?:[^\"]+\"", text), page.name
