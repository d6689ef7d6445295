"""What README and docs tell people to type is still what the package takes."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from kptool_lines import kptool_lines, parse
from page_blocks import programs, python, shell
from source_tree import CHECKOUT
from wheel_environment import built_wheel, environment_of, programs_of

from kptoolkit.config import Config

README = CHECKOUT / "README.md"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^([ \t]*)```([\w-]+)[^\n]*\n(.*?)^\1```\s*$", re.MULTILINE | re.DOTALL)
SHELL = {"bash", "sh", "shell", "console"}

page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [body for _, language, body in found if language in languages]


@page_by_page
def test_python_blocks_compile_and_import_what_exists(page: Path) -> None:
    for block in blocks(page, "python", "py"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kptoolkit"):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{page.name}: {node.module} has no {alias.name}"
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)


@page_by_page
def test_commands_parse(page: Path) -> None:
    for block in blocks(page, *SHELL):
        for words in kptool_lines(block):
            try:
                parse(words)
            except Exception as error:
                pytest.fail(f"{page.name}: kptool {' '.join(words)}: {error}")


@page_by_page
def test_make_targets_and_modules_exist(page: Path) -> None:
    rules = re.findall(r"^([\w -]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    for block in blocks(page, *SHELL):
        for line in block.splitlines():
            if made := re.match(r"\s*(?:\$ )?make ([\w-]+)", line):
                assert made[1] in targets, f"{page.name}: {line.strip()}"
            if ran := re.search(r"\bpython3? -m (benchmarks|examples)\.([\w.]+)", line):
                assert (CHECKOUT / ran[1] / f"{ran[2].replace('.', '/')}.py").is_file(), f"{page.name}: {line.strip()}"


@page_by_page
def test_settings_exist(page: Path) -> None:
    for block in blocks(page, "toml"):
        settings = tomllib.loads(block)
        if settings.keys() <= Config.model_fields.keys():
            Config.model_validate(settings)


@page_by_page
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"", text):
        link = target[0] or target[1]
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name} links {link}"
            if anchor and linked.suffix == ".md":
                assert anchor in anchors(linked), f"{page.name} links {link}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_readme_shows_both_ways_in() -> None:
    text = README.read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
    assert any("from kptoolkit import" in block for block in blocks(README, "python"))
    assert any(kptool_lines(block) for block in blocks(README, *SHELL))


MARKED_PYTHON = re.compile(
    r"^<!-- run -->\n```python\n(.*?)^```\n\n(<!-- varies -->\n)?```text\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
MARKED_SHELL = re.compile(r"^<!-- shell -->\n```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_readme_works_as_printed_in_an_empty_folder(tmp_path: Path) -> None:
    """Its shell lines are run with the wheel, in an environment that does not see the checkout."""
    folder = tmp_path / "empty"
    for each in (folder, tmp_path / "wheel"):
        each.mkdir()
    environment = environment_of(built_wheel(tmp_path / "wheel"), tmp_path / "environment")
    home = programs(tmp_path / "home", programs_of(environment))
    text = README.read_text(encoding="utf-8")
    shown = MARKED_PYTHON.findall(text)
    assert len(shown) == len(blocks(README, "python")) == text.count("```text")
    for printed, (code, varies, expected) in zip(python([code for code, *_ in shown], folder), shown, strict=True):
        if varies:
            assert printed.splitlines()[0] == expected.splitlines()[0], code
            assert len(printed.splitlines()) == len(expected.splitlines()), code
        else:
            assert printed == expected, code
    for code in MARKED_SHELL.findall(text):
        assert "kptool recommend" in code
        said = " ".join(shell(code, folder, home).split())
        assert "simulated readers: shows that the tool works, is no evidence for the method" in said
    assert (folder / "tree.html").exists()
    written = {path.suffix for path in (folder / "kptool-demo").rglob("*")}
    assert {".png", ".safetensors"} <= written, "a drawing of the tree, and a trained model"


def test_only_lines_for_a_checkout_are_not_run() -> None:
    unmarked = MARKED_SHELL.sub("", README.read_text(encoding="utf-8"))
    lines = [line for block in re.findall(r"```bash\n(.*?)```", unmarked, re.DOTALL) for line in block.splitlines()]
    assert {line.split()[0] for line in lines} == {"make", "source"}


def test_no_page_names_a_machine() -> None:
    for page in PAGES:
        found = re.findall(r"(?<![\w.])/(?:home|root|work|Users|mnt)/\S+", page.read_text(encoding="utf-8"))
        assert not found, f"{page.name} names {found}"
