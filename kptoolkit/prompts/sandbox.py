"""Jinja in a sandbox: the environment templates run in, and what is wrong with a template's text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kptoolkit.errors import shorten
from kptoolkit.names import LIKELY, nearest

LARGEST_NUMBER = 10_000
_NO_FILTERS = ("random", "format")
_NO_METHODS = ("format", "format_map")
_IMPORTS = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_UNSAFE = "unsafe expression"
_UNSAFE_MEND = "write names, Jinja's filters and conditions only, e.g. {{ head }} or {{ tail | upper }}"

Filter = Callable[..., Any]


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja for prompts: immutable sandbox, undefined names are errors, nothing random, no global functions.

    The usual one-line ways to fill the memory are shut; it is no limit on what a long hostile template may use.

    Args:
        filters: Filters beside Jinja's own.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, filters: Mapping[str, Filter] | None = None) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.globals.clear()
        for name in _NO_FILTERS:
            del self.filters[name]
        self.filters.update(filters or {})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply small numbers only: text times a number fills the memory, and so does ``%`` with a wide field."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "*" and numbers and abs(left * right) <= LARGEST_NUMBER:
            return left * right
        raise SecurityError(f"{operator} is not available in templates")


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a template's text, how to mend it, and the column, from 1."""

    message: str
    mend: str
    column: int | None = None


def mistakes_in(environment: PromptEnvironment, source: str, variables: tuple[str, ...]) -> list[Mistake]:
    """Everything that can be seen wrong in a template without rendering it: syntax, names, filters, unsafe parts.

    Args:
        environment: Knows the filters.
        source: The template's text.
        variables: The names it may use.
    """
    if any(0xFDD0 <= ord(char) <= 0xFDEF for char in source):
        return [Mistake("a Unicode noncharacter in the text", "remove it")]
    try:
        spread = _Spread(environment, source)
        tree = environment.parse(spread.text)
    except _LexError as error:
        return [Mistake(f"syntax error: {error}", "close braces and quotes: {{ name }}", error.column)]
    except TemplateSyntaxError as error:
        message = error.message or ""
        at_end = message.lower().startswith("unexpected end of template")
        column = len(source) + 1 if at_end else spread.column(error.lineno)
        mend = "write {{ name }} for a value, {% if … %} … {% endif %} for a condition; braces come in pairs"
        return [Mistake(f"syntax error: {message.rstrip('.')}", mend, column)]
    found = [
        Mistake(message, mend, spread.column(line))
        for check in (_unknown_filters, _unsafe_parts)
        for message, mend, line in check(environment, tree)
    ]
    return found or [
        Mistake(message, mend, spread.column(line)) for message, mend, line in _undeclared(tree, variables)
    ]


def bare_outputs(tree: nodes.Template) -> Iterator[nodes.Expr] | None:
    """The expressions a template prints one after another, ``None`` when it holds statements such as ``if``."""
    if not all(isinstance(node, nodes.Output) for node in tree.body):
        return None
    return (child for node in tree.body if isinstance(node, nodes.Output) for child in node.nodes)


_Found = Iterator[tuple[str, str, int]]


def _unknown_filters(environment: PromptEnvironment, tree: nodes.Template) -> _Found:
    known: dict[type[nodes.Node], tuple[str, Mapping[str, Any]]] = {
        nodes.Filter: ("filter", environment.filters),
        nodes.Test: ("test", environment.tests),
    }
    for kind, (word, names) in known.items():
        for node in tree.find_all(kind):
            name = str(getattr(node, "name", ""))
            if name not in names:
                close = nearest(name, names, min_score=LIKELY)
                mend = f"did you mean {close[0]}?" if close else f"register it in pack.yaml under {word}s"
                yield f"unknown {word} '{shorten(name)}'", mend, node.lineno


def _unsafe_parts(environment: PromptEnvironment, tree: nodes.Template) -> _Found:
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        name = _attribute(node)
        if name.startswith("_") or (name in _NO_METHODS and isinstance(node, nodes.Getattr)):
            yield f"{_UNSAFE} '{shorten(name)}'", _UNSAFE_MEND, node.lineno
    for statement in tree.find_all(_IMPORTS):
        yield f"{_UNSAFE}: a template cannot take in another one", _UNSAFE_MEND, statement.lineno
    for power in tree.find_all(nodes.Pow):
        yield f"{_UNSAFE} '**'", _UNSAFE_MEND, power.lineno
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, int | float) and abs(constant.value) > LARGEST_NUMBER:
            yield f"{_UNSAFE}: a number above {LARGEST_NUMBER:,}", _UNSAFE_MEND, constant.lineno


def _attribute(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    given: list[nodes.Node] = []
    if isinstance(node, nodes.Getitem):
        given = [node.arg]
    elif isinstance(node, nodes.Filter) and node.name in {"attr", "map"}:
        given = [*node.args, *(pair.value for pair in node.kwargs)]
    texts = (value.value for value in given if isinstance(value, nodes.Const) and isinstance(value.value, str))
    return next(texts, "")


def _undeclared(tree: nodes.Template, variables: tuple[str, ...]) -> _Found:
    try:
        unknown = meta.find_undeclared_variables(tree) - set(variables)
    except TemplateError as error:
        yield f"syntax error: {error.message}", "check the expression", getattr(error, "lineno", 1)
        return
    seen: set[str] = set()
    for node in tree.find_all(nodes.Name):
        if node.name in unknown and node.name not in seen:
            seen.add(node.name)
            close = nearest(node.name, variables, 1, min_score=LIKELY)
            known = " and ".join(f"{{{{ {name} }}}}" for name in variables)
            mend = f"did you mean {{{{ {close[0]} }}}}? There are {known}" if close else f"there are {known}"
            yield f"undeclared variable '{node.name}'", mend, node.lineno


class _LexError(Exception):
    """The text cannot be split into tokens."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


class _Spread:
    """A template's text with every token on a line of its own, so that Jinja's line numbers tell columns."""

    def __init__(self, environment: PromptEnvironment, source: str) -> None:
        self.starts: list[tuple[int, int]] = [(1, 0)]  # (line in the spread text, offset in the source)
        pieces: list[str] = []
        line, offset = 1, 0
        try:
            for _, _, value in environment.lex(source):
                start = max(source.find(value, offset), offset)
                self.starts.append((line, start))
                pieces.append(value + "\n")
                line, offset = line + value.count("\n") + 1, start + len(value)
        except TemplateSyntaxError as error:
            while offset < len(source) and source[offset].isspace():
                offset += 1
            raise _LexError((error.message or "").partition(" at ")[0], offset + 1) from error
        self.text = "".join(pieces)

    def column(self, line: int) -> int:
        """Column in the source, from 1, of what Jinja found at ``line`` of the spread text."""
        return 1 + max(offset for start, offset in self.starts if start <= line)
