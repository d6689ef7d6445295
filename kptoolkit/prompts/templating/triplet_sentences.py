"""Renders triplet sentences as segments, so that the positions of head and tail are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jinja2 import nodes

from kptoolkit.errors import shorten
from kptoolkit.limits import LimitError
from kptoolkit.prompts.templating.findings import Finding, Place
from kptoolkit.prompts.templating.sandbox import ParsedTemplate, PromptEnvironment, mistakes_in
from kptoolkit.storage.values.clean_name import clean_name

Role = Literal["text", "head", "tail"]
VARIABLES = ("head", "tail")
_LIMIT_FIX = "write a simpler sentence, or raise the limit"
FALLBACK_VARIABLES = ("head", "tail", "relation")
_MARKS: dict[Role, tuple[str, str]] = {"head": ("\ufdd0", "\ufdd1"), "tail": ("\ufdd2", "\ufdd3")}
_ROLES: dict[str, Role] = {opening: role for role, (opening, _) in _MARKS.items()}


HOSTILE_NAMES = (
    "Plain",
    "“Quotes” 'single' \"double\" `tick`",
    "{{ x }} {% if y %} {# z #} }} {{ head }} {{ tail }}",
    "two\nlines\r\nand\ttabs\x00\u2028end",
    "<extra_id_0> </s> <pad> [MASK] ___",
    "שלום עולם \u202eevil\u202c العربية",
    "\\1 %s {0} $x <b>&amp;</b> 'DROP'",
    "\ufdd0\ufdd1\ufdd2\ufdd3 e\u0301 名前 🎬",
)
"""Names that break careless templates: quotes, braces, line breaks, mask tokens, right-to-left text, markup."""
_TWO_NAMES = ("Anna", "Emma")
"""Two names of one length, both short."""


class _RenderingFailed(Exception):
    """A filter or an expression failed on these values."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(frozen=True)
class Segment:
    """A part of a sentence; the texts of its segments, joined, are the sentence.

    Attributes:
        text: The text.
        role: ``head`` or ``tail`` if the text is the name of that entity, else ``text``.
    """

    text: str
    role: Role


class Sentence:
    """One sentence template of a relation, ready to render.

    If a template only prints its variables, rendering joins strings; filters and conditions are rendered by Jinja.

    Args:
        template: The parsed template, without mistakes.
        place: Its place in the pack, for errors.
    """

    def __init__(self, template: ParsedTemplate, place: Place) -> None:
        self.template, self.place = template, place
        self._parts = _plain_parts(template)

    @property
    def plain(self) -> bool:
        """Whether the names enter the sentence unchanged: no filter and no condition."""
        return self._parts is not None

    def render(self, values: Mapping[str, str]) -> tuple[Segment, ...]:
        """Render the sentence as segments.

        Args:
            values: Values of the variables; they are cleaned, see :func:`~kptoolkit.prompts.clean_name`.

        Raises:
            TemplateError: A filter or an expression fails on these values.
        """
        try:
            return self._render({name: clean_name(value) for name, value in values.items()})
        except _RenderingFailed as error:
            raise error.finding.error() from error

    def hostile_findings(self) -> list[Finding]:
        """Find the first of :data:`HOSTILE_NAMES` that the template fails on, and a name that changes no sentence."""
        for number, head in enumerate(HOSTILE_NAMES):
            tail = HOSTILE_NAMES[number - 1]
            values = {"head": clean_name(head), "tail": clean_name(tail), "relation": "kind of"}
            try:
                text = self._text(values)
            except _RenderingFailed as error:
                return [error.finding]
            if not text.strip():
                fix = "print {{ head }} and {{ tail }} outside of conditions"
                return [self.place.finding(f"the name '{shorten(head)}' is lost", fix, text=self.template.source)]
        return [] if self.plain else self._unchanged()

    def _unchanged(self) -> list[Finding]:
        """Find the first end of the triple whose name makes no difference."""
        one, other = _TWO_NAMES
        values = {"head": one, "tail": one, "relation": "kind of"}
        for name in VARIABLES:
            if self._text(values) == self._text(values | {name: other}):
                message = f"the same sentence whether the {name} is called '{one}' or '{other}'"
                fix = f"print {{{{ {name} }}}} outside of conditions, without a filter that drops it"
                return [self.place.finding(message, fix, text=self.template.source, fatal=False)]
        return []

    def _text(self, values: dict[str, str]) -> str:
        return "".join(segment.text for segment in self._render(values))

    def _render(self, cleaned: dict[str, str]) -> tuple[Segment, ...]:
        if self._parts is not None:
            pieces = [(cleaned.get(text, "") if role != "text" else text, role) for text, role in self._parts]
            return _merged([(text, "text" if role == "relation" else _role(role)) for text, role in pieces])
        marked = {name: _mark(name, value) for name, value in cleaned.items()}
        sentence = self._jinja(cleaned)
        segments = _split(self._jinja(marked))
        if segments is not None and "".join(segment.text for segment in segments) == sentence:
            return segments
        return (Segment(sentence, "text"),)

    def _jinja(self, values: Mapping[str, str]) -> str:
        try:
            return self.template.environment.render(self.template, values)
        except LimitError as error:
            finding = self.place.finding(f"rendering failed: {error}", _LIMIT_FIX, text=self.template.source)
            raise _RenderingFailed(finding) from error
        except Exception as error:  # filters are foreign code and may raise anything
            message = f"rendering failed: {type(error).__name__}: {shorten(str(error))}"
            raise _RenderingFailed(
                self.place.finding(message, "fix the expression or the filter", text=self.template.source)
            ) from error


def sentence_findings(
    environment: PromptEnvironment, source: str, place: Place, variables: tuple[str, ...]
) -> list[Finding]:
    """Find the mistakes in one sentence template: in its text, missing names, and failures on :data:`HOSTILE_NAMES`.

    Args:
        environment: Environment that it runs in.
        source: The template's text.
        place: Its place in the pack.
        variables: Variables that it may use; it must use head and tail.
    """
    mistakes = mistakes_in(environment, source, variables)
    if mistakes:
        return [place.finding(m.message, m.fix, column=m.column, text=source) for m in mistakes]
    template = environment.template(source)
    missing = [name for name in VARIABLES if name not in template.names]
    if missing:
        fix = "name both ends of the triple"
        return [place.finding(f"{{{{ {name} }}}} is missing", fix, text=source) for name in missing]
    return Sentence(template, place).hostile_findings()


def _plain_parts(template: ParsedTemplate) -> tuple[tuple[str, str], ...] | None:
    """``(text or variable, role)`` of a template that only prints its variables, else ``None``."""
    outputs = template.outputs
    parts: list[tuple[str, str]] = []
    for node in outputs or ():
        if isinstance(node, nodes.TemplateData):
            parts.append((node.data, "text"))
        elif isinstance(node, nodes.Name):
            parts.append((node.name, node.name))
        else:
            return None
    return None if outputs is None else tuple(parts)


def _role(role: str) -> Role:
    return "head" if role == "head" else "tail" if role == "tail" else "text"


def _merged(pieces: list[tuple[str, Role]]) -> tuple[Segment, ...]:
    """Segments with adjacent texts joined and empty texts left out."""
    segments: list[Segment] = []
    for text, role in pieces:
        if role == "text" and not text:
            continue
        if role == "text" and segments and segments[-1].role == "text":
            segments[-1] = Segment(segments[-1].text + text, "text")
        else:
            segments.append(Segment(text, role))
    return tuple(segments)


def _mark(name: str, value: str) -> str:
    role = _role(name)
    if role == "text":
        return value
    opening, closing = _MARKS[role]
    return f"{opening}{value}{closing}"


def _split(marked: str) -> tuple[Segment, ...] | None:
    """Split a rendered sentence at its marks; ``None`` if a filter has changed them."""
    pieces: list[tuple[str, Role]] = []
    rest = marked
    while rest:
        start = next((i for i, char in enumerate(rest) if char in _ROLES), len(rest))
        pieces.append((rest[:start], "text"))
        if start == len(rest):
            break
        role = _ROLES[rest[start]]
        value, closing, rest = rest[start + 1 :].partition(_MARKS[role][1])
        if not closing:
            return None
        pieces.append((value, role))
    if any(0xFDD0 <= ord(char) <= 0xFDEF for text, _ in pieces for char in text):
        return None
    return _merged(pieces)
