"""Documentation, docstrings, comments, messages and names use the field's terms, not words the glossary retires."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import CHECKOUT, PACKAGE

_COUNTED = "hop|token|batch|case|user|CPU second|second|CPU s|s|step|epoch|node|prompt|item|sample|relation|event|fact"
_MEASURES = (
    "once|twice|times|integers?|query|queries|seconds?|milliseconds?|triples?|triplets?|tokens?|prompts?|bytes|[KMG]i?B|"
    "rows?|items?|users?|positions?|steps?|pass|passes|samples?|words?|vectors?|numbers?|row|digit|CPU s|windows?"
)
#: Retired words as they are written in CONTRIBUTING.md, and the pattern that finds them.
RETIRED = {
    "alike": r"\balike(ness)?\b",
    "anew": r"\banew\b",
    "beside": r"\bbesides?\b",
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
    "twin": r"\btwins?\b",
    "wants to hear": r"\bwants? to hear\b",
    "what is said of": r"\bwhat is said of\b",
    "a hop": rf"\b(?:{_MEASURES}) an? (?:{_COUNTED})(?=\s*(?:[.,;:)|…]|$|(?:and|for|in|of|to|than|or|with)\b))",
}
PATTERNS = {word: re.compile(pattern, re.IGNORECASE) for word, pattern in RETIRED.items()}
#: Parts of identifiers that are retired.
NAMES = {
    "alike",
    "alikeness",
    "anew",
    "beside",
    "crew",
    "deal",
    "dealt",
    "deck",
    "mend",
    "owe",
    "owed",
    "told",
    "twin",
    "twins",
}
NAMES |= {
    f"{stem}is{end}" for stem in ("token", "vector", "linear", "normal") for end in ("e", "ed", "er", "ing", "ation")
}

PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted(page for page in (CHECKOUT / "docs").rglob("*.md")),
    *sorted((CHECKOUT / "examples").rglob("*.md")),
]
CODE = [*sorted(PACKAGE.rglob("*.py"))]
TEXTS = [*sorted((CHECKOUT / "benchmarks").glob("*.py")), *sorted((CHECKOUT / "tests").rglob("*.py"))]
THIS = Path(__file__)


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
    """Line and text of the other strings of a file that are sentences."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.lineno, re.sub(r"``.*?``", "``", node.value, flags=re.DOTALL)


def comments(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every comment of a file."""
    for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


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


def test_tests_and_benchmarks_use_no_retired_word() -> None:
    findings = [
        f"{file.relative_to(CHECKOUT)}:{line} {finding}"
        for file in TEXTS
        if file != THIS
        for line, text in (*docstrings(file), *comments(file))
        for finding in found_in(text)
    ]
    assert not findings, "\n".join(findings)


def test_no_name_is_a_retired_word() -> None:
    findings = [
        f"{file.relative_to(CHECKOUT)}:{line} {name}"
        for file in [*CODE, *TEXTS]
        if file != THIS
        for line, name in identifiers(file)
        if parts(name) & NAMES
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
        ("Prompts are tokenised.", "tokenise"),
        ("The callback is told about a stage.", "told"),
    ],
)
def test_a_retired_word_is_seen(text: str, word: str) -> None:
    assert any(finding.startswith(repr(word)) for finding in found_in(text))


def test_fair_words_pass() -> None:
    for text in ("A token sees its own node.", "The personalised prompt.", "A catalogue of items.", "An ideal world."):
        assert not found_in(text)
    assert parts("tokenSize_ofDeck") == {"token", "size", "of", "deck"}
