"""Jinja in a sandbox: the environment that templates run in, parsing, and the mistakes in a template's text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kptoolkit.errors import shorten
from kptoolkit.limits import Budget, current
from kptoolkit.names import LIKELY, nearest
from kptoolkit.prompts.templating.bounded_calls import (
    LARGEST_NUMBER,
    Refused,
    bounded_filter,
    bounded_method,
    bounded_sum,
)

_NO_FILTERS = ("random", "format")
_NO_METHODS = ("format", "format_map")
_IMPORTS = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_REPEATS = (
    *(nodes.For, nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.Assign, nodes.AssignBlock, nodes.With),
    *(nodes.Block, nodes.ExprStmt),
)
_UNSAFE = "unsafe expression"
_UNSAFE_FIX = "write names, Jinja's filters and conditions only, e.g. {{ head }} or {{ tail | upper }}"

Filter = Callable[..., Any]

_budget: ContextVar[Budget] = ContextVar("budget")
"""What the current rendering of this thread may still cost."""


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja for prompts: immutable sandbox, undefined names are errors, nothing random, no global functions.

    There are no loops, macros and assignments, and what filters, methods and sums produce is counted before it is made,
    so that a rendering stays within its budget of characters and seconds.

    Args:
        filters: Filters in addition to Jinja's own.

    Attributes:
        parsed: Templates that were parsed in this environment, by text.
    """

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, filters: Mapping[str, Filter] | None = None) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.globals.clear()
        for name in _NO_FILTERS:
            del self.filters[name]
        self.filters.update(filters or {})
        self.filters.update({name: bounded_filter(name, f, lambda: self.budget) for name, f in self.filters.items()})
        self.parsed: dict[str, ParsedTemplate] = {}

    @property
    def budget(self) -> Budget:
        """What the current rendering of this thread may still cost; a new one outside a rendering."""
        return _budget.get(None) or Budget()

    def template(self, source: str) -> ParsedTemplate:
        """Return the parsed template of a text; each text is parsed once.

        Raises:
            jinja2.TemplateSyntaxError: The text is not a template.
        """
        if source not in self.parsed:
            self.parsed[source] = ParsedTemplate(self, source)
        return self.parsed[source]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply small numbers, and add values within the budget; a text times a number is refused."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "*" and numbers and abs(left * right) <= LARGEST_NUMBER:
            return left * right
        if operator == "+":
            return bounded_sum(left, right, self.budget)
        raise SecurityError(f"{operator} is not available in templates")

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a text, a list or a mapping, within the budget."""
        try:
            return bounded_method(__obj, args, kwargs, __self.budget)
        except Refused as error:
            raise SecurityError(str(error)) from error

    def render(self, template: ParsedTemplate, values: Mapping[str, str]) -> str:
        """Render a template within a new budget.

        Raises:
            LimitError: It would produce too much, or takes too long.
            Exception: Anything that a filter raises.
        """
        before = _budget.set(Budget())
        try:
            text = template.compiled.render(values)
            self.budget.spend(len(text))
        finally:
            _budget.reset(before)
        return text


class ParsedTemplate:
    """A template's text, parsed once and compiled at most once.

    Args:
        environment: Environment that it runs in.
        source: The text.

    Attributes:
        tree: The syntax tree.

    Raises:
        jinja2.TemplateSyntaxError: The text is not a template.
    """

    def __init__(self, environment: PromptEnvironment, source: str) -> None:
        self.environment, self.source = environment, source
        self.tree: nodes.Template = environment.parse(source)

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables in the template."""
        return frozenset(node.name for node in self.tree.find_all(nodes.Name))

    @cached_property
    def outputs(self) -> tuple[nodes.Expr, ...] | None:
        """The expressions printed one after another; ``None`` if the template has statements such as ``if``."""
        if not all(isinstance(node, nodes.Output) for node in self.tree.body):
            return None
        return tuple(child for node in self.tree.body if isinstance(node, nodes.Output) for child in node.nodes)

    @cached_property
    def compiled(self) -> Template:
        """The compiled template."""
        return self.environment.from_string(self.tree)


@dataclass(frozen=True)
class Mistake:
    """A mistake in a template's text.

    Attributes:
        message: What is wrong.
        fix: How to fix it.
        column: Its column in the text, from 1.
    """

    message: str
    fix: str
    column: int | None = None


def mistakes_in(environment: PromptEnvironment, source: str, variables: tuple[str, ...]) -> list[Mistake]:
    """Find the mistakes in a template that show without rendering it: syntax, names, filters, unsafe parts.

    A correct template is parsed once, by :meth:`PromptEnvironment.template`; a wrong one again, to find the columns.

    Args:
        environment: Environment with the filters.
        source: The template's text.
        variables: Variables that the text may use.
    """
    if any(0xFDD0 <= ord(char) <= 0xFDEF for char in source):
        return [Mistake("a Unicode noncharacter in the text", "remove it")]
    longest = current().template_characters
    if len(source) > longest:
        message = f"the text has {len(source):,} characters, limits.template_characters allows {longest:,}"
        return [Mistake(message, "shorten it, or raise the limit")]
    try:
        if not _mistakes(environment, environment.template(source).tree, variables):
            return []
    except RecursionError:
        return [Mistake("the expressions are nested too deeply", "write a simpler sentence")]
    except TemplateSyntaxError as error:
        return _located(environment, source, variables) or [_syntax(source, error, None)]
    return _located(environment, source, variables)


def _mistakes(environment: PromptEnvironment, tree: nodes.Template, variables: tuple[str, ...]) -> list[_Found]:
    """Mistakes in a syntax tree, with line numbers; undeclared variables only if there is no other mistake."""
    found = [*_unknown_filters(environment, tree), *_unsafe_parts(tree)]
    return found or [*_undeclared(tree, variables)]


def _located(environment: PromptEnvironment, source: str, variables: tuple[str, ...]) -> list[Mistake]:
    """Mistakes in a text, with columns."""
    try:
        spread = _TokenPerLine(environment, source)
        tree = environment.parse(spread.text)
    except _LexError as error:
        return [Mistake(f"syntax error: {error}", "close braces and quotes: {{ name }}", error.column)]
    except TemplateSyntaxError as error:
        return [_syntax(source, error, spread)]
    return [
        Mistake(message, fix, spread.column(line)) for message, fix, line in _mistakes(environment, tree, variables)
    ]


def _syntax(source: str, error: TemplateSyntaxError, spread: _TokenPerLine | None) -> Mistake:
    message = error.message or ""
    at_end = message.lower().startswith("unexpected end of template")
    column = len(source) + 1 if at_end else None if spread is None else spread.column(error.lineno)
    fix = "write {{ name }} for a value, {% if … %} … {% endif %} for a condition; braces come in pairs"
    return Mistake(f"syntax error: {message.rstrip('.')}", fix, column)


_Found = tuple[str, str, int]
"""Message, fix and line."""


def _unknown_filters(environment: PromptEnvironment, tree: nodes.Template) -> Iterator[_Found]:
    known: dict[type[nodes.Node], tuple[str, Mapping[str, Any]]] = {
        nodes.Filter: ("filter", environment.filters),
        nodes.Test: ("test", environment.tests),
    }
    for kind, (word, names) in known.items():
        for node in tree.find_all(kind):
            name = str(getattr(node, "name", ""))
            if name not in names:
                close = nearest(name, names, min_score=LIKELY)
                fix = f"did you mean {close[0]}?" if close else f"register it in pack.yaml under {word}s"
                yield f"unknown {word} '{shorten(name)}'", fix, node.lineno


def _unsafe_parts(tree: nodes.Template) -> Iterator[_Found]:
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        name = _attribute(node)
        if name.startswith("_") or (name in _NO_METHODS and isinstance(node, nodes.Getattr)):
            yield f"{_UNSAFE} '{shorten(name)}'", _UNSAFE_FIX, node.lineno
    for statement in tree.find_all(_IMPORTS):
        yield f"{_UNSAFE}: a template cannot include another one", _UNSAFE_FIX, statement.lineno
    for statement in tree.find_all(_REPEATS):
        yield f"{_UNSAFE}: loops, macros and assignments are not available", _UNSAFE_FIX, statement.lineno
    for power in tree.find_all(nodes.Pow):
        yield f"{_UNSAFE} '**'", _UNSAFE_FIX, power.lineno
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, int | float) and abs(constant.value) > LARGEST_NUMBER:
            yield f"{_UNSAFE}: a number above {LARGEST_NUMBER:,}", _UNSAFE_FIX, constant.lineno


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


def _undeclared(tree: nodes.Template, variables: tuple[str, ...]) -> Iterator[_Found]:
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
            fix = f"did you mean {{{{ {close[0]} }}}}? There are {known}" if close else f"there are {known}"
            yield f"undeclared variable '{node.name}'", fix, node.lineno


class _LexError(Exception):
    """The text cannot be split into tokens."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


class _TokenPerLine:
    """A template's text with one token per line, so that Jinja's line numbers give columns."""

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
        """Return the column in the source, from 1, of a line of :attr:`text`."""
        return 1 + max(offset for start, offset in self.starts if start <= line)
