"""Documentation, code, templates, examples and queries use the field's terms, not words the glossary retires."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import CHECKOUT, PACKAGE

_COUNTED = (
    "hop|token|batch|case|user|reader|CPU second|second|CPU s|s|minute|step|epoch|node|prompt|item|sample|relation|"
    "event|fact|line|side|row|query|history|tree|pass|process|page|file|part|turn|kind|triple|triplet|entity|mark"
)
_MEASURES = (
    "once|twice|times|integers?|query|queries|seconds?|milliseconds?|minutes?|triples?|triplets?|tokens?|prompts?|"
    "bytes|[KMG]i?B|rows?|items?|users?|positions?|steps?|pass|passes|samples?|words?|vectors?|numbers|digits?|CPU s|"
    "windows?|facts?|nodes?|relations?|events?|lines?|statements?|sentences?|templates?|cases?|relationships?|histories|trees?|"
    "letters?|characters?|columns?|files?|calls?|requests?|[0-9][0-9,.]*"
)
_AFTER = "and|for|in|of|to|than|or|with|at|on|by|is|are|from|without"
#: Retired words as they are written in CONTRIBUTING.md, and the pattern that finds them.
RETIRED = {
    "alike": r"\balike(ness)?\b",
    "anew": r"\banew\b",
    "beside": r"\bbesides?\b",
    "cloze": r"\bcloze\b",
    "crew": r"\bcrews?\b",
    "deal": r"\b(deals?|dealt|dealing)\b",
    "deck": r"\bdecks?\b",
    "go on with": r"\b(go|goes|gone|going|went) on with\b",
    "in words": r"\b(in|words) words\b|\bwords rows\b",
    "lay out": r"\b(lays?|laid|laying) out\b",
    "mend": r"\bmend(s|ed|ing)?\b",
    "owe": r"\bow(e|es|ed|ing)\b(?! to\b)",
    "stand under": r"\bstands? (in(?! for\b)|under|above|below|behind|there|at)\b",
    "told": r"\b(is|are|be|was|were|been) told\b|\btold (about|of|by)\b|\btold\b",
    "tokenise": r"\b(token|vector|linear|normal|initial|summar|recogn|serial|organ|optim|synchron|minim|maxim)"
    r"is(e|es|ed|er|ers|ing|ation)\b",
    "twin": r"\btwins?\b(?! book\b)",  # a title in tests
    "worded": r"\bworded\b",
    "wants to hear": r"\bwants? to hear\b",
    "what is said of": r"\bwhat is said of\b",
    "a hop": rf"\b(?:{_MEASURES}) (?-i:an?) (?:{_COUNTED})(?=\s*(?:[.,;:)|…*]|$|(?:{_AFTER})\b))",
}
PATTERNS = {word: re.compile(pattern, re.IGNORECASE) for word, pattern in RETIRED.items()}
#: Parts of identifiers that are retired.
NAMES = {
    "alike",
    "alikeness",
    "anew",
    "beside",
    "cloze",
    "crew",
    "deal",
    "dealt",
    "deck",
    "mend",
    "objective",
    "objectives",
    "owe",
    "owed",
    "told",
    "twin",
    "twins",
    "worded",
}
NAMES |= {
    f"{stem}is{end}" for stem in ("token", "vector", "linear", "normal") for end in ("e", "ed", "er", "ing", "ation")
}
#: Retired names of the package's classes; parts of other names may be these words.
CLASSES = {
    "Acknowledged",
    "Ends",
    "Holders",
    "Known",
    "Look",
    "SavedTokens",
    "SavedWords",
    "Tokens",
    "Wording",
    "Words",
}

PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted(page for page in (CHECKOUT / "docs").rglob("*.md")),
    *sorted((CHECKOUT / "examples").rglob("*.md")),
]
CODE = [*sorted(PACKAGE.rglob("*.py"))]
THIS = Path(__file__)
TEXTS = [
    *sorted((CHECKOUT / "benchmarks").glob("*.py")),
    *sorted((CHECKOUT / "docs").glob("*.py")),
    *sorted((CHECKOUT / "examples").rglob("*.py")),
    *(file for file in sorted((CHECKOUT / "tests").rglob("*.py")) if file != THIS),
]
PLAIN = [
    *(CHECKOUT / name for name in ("Makefile", "CITATION.cff", "compose.yaml", "pyproject.toml")),
    *(file for folder in ("templates", "examples") for file in sorted((CHECKOUT / folder).rglob("*.yaml"))),
    *(file for folder in ("cypher", "examples") for file in sorted((CHECKOUT / folder).rglob("*.cypher"))),
    *(file for file in sorted((CHECKOUT / ".github").rglob("*")) if file.suffix in {".md", ".yml", ".yaml"}),
]
NOTEBOOKS = sorted((CHECKOUT / "examples").rglob("*.ipynb"))


def found_in(text: str) -> list[str]:
    """Retired words in a text, each with the words around it."""
    plain = " ".join(text.split())
    return [
        f"{word!r}: …{plain[max(0, hit.start() - 30) : hit.end() + 30]}…"
        for word, pattern in PATTERNS.items()
        for hit in pattern.finditer(plain)
    ]


def prose(page: Path) -> str:
    """A page without code, and without the table of retired words."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<!-- retired words -->.*?<!-- end of retired words -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^[ \t]*```.*?^[ \t]*```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "``", text)


def docstrings(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring of a file, and of the strings below fields."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, re.sub(r"``.*?``", "``", node.value.value, flags=re.DOTALL)


def messages(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of the other strings of a file; the values in an f-string are read as the number 1."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    seen = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr):
            continue
        text = ""
        if isinstance(node, ast.JoinedStr):
            seen.update(map(id, node.values))
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen:
            text = node.value
        if text:
            yield node.lineno, re.sub(r"``.*?``", "``", text, flags=re.DOTALL)


def comments(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every comment of a file."""
    for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def plain_text(file: Path) -> str:
    """The text of a file that is not Python; of a file of sentences, which are prompts, only the comments."""
    lines = file.read_text(encoding="utf-8").splitlines()
    if file.name in {"mpp.yaml", "relations.yaml"}:
        lines = [line for line in lines if line.lstrip().startswith("#")]
    return "\n".join(re.sub(r"^\s*(?:#|//) ?", "", line) for line in lines)


def identifiers(file: Path) -> Iterator[tuple[int, str]]:
    """Line and name of every function, class, argument, variable and attribute that a file defines."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def parts(name: str) -> set[str]:
    """The words of an identifier, in lower case."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def of_code(file: Path) -> list[str]:
    """Findings in docstrings, comments and messages of a file."""
    return [
        f"{file.relative_to(CHECKOUT)}:{line} {finding}"
        for line, text in (*docstrings(file), *comments(file), *messages(file))
        for finding in found_in(text)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_pages_use_no_retired_word(page: Path) -> None:
    findings = found_in(prose(page))
    assert not findings, "\n".join(findings)


def test_the_package_uses_no_retired_word() -> None:
    findings = [finding for file in CODE for finding in of_code(file)]
    assert not findings, "\n".join(findings)


def test_tests_benchmarks_and_examples_use_no_retired_word() -> None:
    findings = [finding for file in TEXTS for finding in of_code(file)]
    assert not findings, "\n".join(findings)


def test_templates_queries_and_build_files_use_no_retired_word() -> None:
    assert {file.suffix for file in PLAIN} >= {".yaml", ".cypher", ".yml"}
    findings = [f"{file.relative_to(CHECKOUT)} {finding}" for file in PLAIN for finding in found_in(plain_text(file))]
    assert not findings, "\n".join(findings)


def test_notebooks_use_no_retired_word() -> None:
    assert NOTEBOOKS
    for file in NOTEBOOKS:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        findings = found_in(re.sub(r"`[^`\n]*`", "``", "\n".join("".join(cell["source"]) for cell in cells)))
        assert not findings, "\n".join(findings)


def test_no_name_is_a_retired_word() -> None:
    findings = [
        f"{file.relative_to(CHECKOUT)}:{line} {name}"
        for file in [*CODE, *TEXTS]
        for line, name in identifiers(file)
        if parts(name) & NAMES or (file in CODE and name.removeprefix("_") in CLASSES)
    ]
    assert not findings, "\n".join(findings)


def test_the_glossary_lists_every_retired_word() -> None:
    page = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("<!-- retired words -->")[2].partition("<!-- end of retired words -->")[0]
    assert not [word for word in RETIRED if not re.search(rf"\b{word}\b", table)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("It is trained anew.", "anew"),
        ("Rows are dealt in turns.", "deal"),
        ("One query a hop.", "a hop"),
        ("Two integers a token.", "a hop"),
        ("At most 50,000 rows a side are read.", "a hop"),
        ("5,500 a second and more", "a hop"),
        ("the triples, 5 to 200 an item", "a hop"),
        ("The model with the cloze task.", "cloze"),
        ("Sentences worded by the pack.", "worded"),
        ("Prompts are tokenised.", "tokenise"),
        ("The callback is told about a stage.", "told"),
    ],
)
def test_a_retired_word_is_seen(text: str, word: str) -> None:
    assert any(finding.startswith(repr(word)) for finding in found_in(text))


def test_fair_words_pass() -> None:
    for text in (
        "A token sees its own node.",
        "The personalised prompt.",
        "A catalogue of items.",
        "An ideal world.",
        "Give 3 items a name.",
    ):
        assert not found_in(text)
    assert parts("tokenSize_ofDeck") == {"token", "size", "of", "deck"}
