"""Sphinx settings of the documentation. ``make docs`` builds it into ``build/docs``, without a network."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

project = "kptoolkit"
author = "The kptoolkit authors"
copyright = "the kptoolkit authors, Apache-2.0"
release = version = installed("kptoolkit")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["figures", "api/modules/list.rst"]
myst_heading_anchors = 4
#: Public names are aliases: a type such as ``Graph`` has two places to link to. Pygments does not know all of Cypher.
suppress_warnings = ["ref.python", "misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": "model_config, model_post_init, __init__, __new__",
}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

html_theme = "pydata_sphinx_theme"
html_title = "kptoolkit"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_domain_indices = False
html_sidebars = {"index": []}
html_theme_options: dict[str, Any] = {
    "logo": {"text": "kptoolkit"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_exclude = ".linenos, .gp, .go"

#: Files outside ``docs/`` that have a page of the site, by the name that pages use for them.
PAGES_OF_FILES = {"../CONTRIBUTING.md": "contributing.md", "../CHANGELOG.md": "changelog.md"}


def link_pages(_app: object, _name: str, source: list[str]) -> None:
    """Point links to root files at the pages of the site that include them; drop marks that only tests read."""
    for file, page in PAGES_OF_FILES.items():
        source[0] = source[0].replace(f"]({file}", f"]({page}")
    source[0] = re.sub(r"^<!-- (run|shell) -->\n", "", source[0], flags=re.MULTILINE)


def drop_object(_app: object, _name: str, _obj: object, _options: object, bases: list[type]) -> None:
    """Leave out "Bases: object"."""
    if bases == [object]:
        bases.clear()


def write_modules(*_: object) -> None:
    """Write one page per module and a list of them into ``docs/api/modules``, which is not part of the repository.

    ``sphinx.ext.autosummary`` would take the function ``kptoolkit.explain`` for the package of the same name.
    """
    folder = CHECKOUT / "docs" / "api" / "modules"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    package = CHECKOUT / "kptoolkit"
    files = sorted(file for file in package.rglob("*.py") if file.stem != "__main__" and "cli" not in file.parts)
    modules = {
        ".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__"): file for file in files
    }
    del modules["kptoolkit"]
    for name in modules:
        below = [other for other in modules if other.rpartition(".")[0] == name]
        options = "   :no-members:\n" if below else ""  # the modules document what their package exports
        page = f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n{options}\n{_listed(below, modules, '')}"
        (folder / f"{name}.rst").write_text(page, encoding="utf-8")
    top = [name for name in modules if name.count(".") == 1]
    (folder / "list.rst").write_text(f"{_listed(top, modules, 'modules/')}", encoding="utf-8")


def _listed(names: list[str], modules: dict[str, Path], folder: str) -> str:
    """A table of modules with their first sentences, and the hidden entries of the navigation."""
    if not names:
        return ""
    rows = "".join(f"   * - :doc:`{folder}{name}`\n     - {_first_sentence(modules[name])}\n" for name in names)
    entries = "".join(f"   {folder}{name}\n" for name in names)
    return f".. list-table::\n   :widths: auto\n\n{rows}\n.. toctree::\n   :hidden:\n\n{entries}\n"


def _first_sentence(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def setup(app: Any) -> None:
    """Register the functions above."""
    app.connect("autodoc-process-bases", drop_object)
    app.connect("config-inited", write_modules)
    app.connect("source-read", link_pages)
