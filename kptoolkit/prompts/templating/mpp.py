"""Masked personalised prompts (KP4SR, section 3.2): a history, a mask and optionally a user in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from enum import Enum
from typing import Any, Literal

from jinja2 import nodes

from kptoolkit.arguments import check_fields, checked
from kptoolkit.prompts.templating.findings import Finding, Place, raise_first
from kptoolkit.prompts.templating.sandbox import ParsedTemplate, PromptEnvironment, mistakes_in
from kptoolkit.storage.values.clean_name import clean_name

SPLITS = ("train", "held_out")
FILE = "mpp.yaml"


class Slot(Enum):
    """A place in an MPP template that a prompt fills."""

    HISTORY = "history"
    MASK = "mask"
    USER = "user"


_SLOTS = tuple(slot.value for slot in Slot)
Parts = tuple[str | Slot, ...]


@dataclass(frozen=True)
class MppTemplate:
    """One template of the masked personalised prompt.

    The text is parsed once and split at its slots; filling it needs no Jinja.

    Args:
        parsed: The parts of the text, if :func:`mpp_parts` has parsed it already.

    Attributes:
        id: Unique in its pack.
        text: Jinja text with exactly one ``{{ history }}``, one ``{{ mask }}`` and at most one ``{{ user }}``.
        split: ``train``, or ``held_out`` if training must not use the template.
        separator: Text between two items of the history.
        last_separator: Text before the last item.
        parts: The text split at its slots.

    Raises:
        TemplateError: The text is not such a template.
        InputError: A field has a value of the wrong type, or the split is unknown.
    """

    id: str
    text: str
    split: Literal["train", "held_out"] = "train"
    separator: str = ", "
    last_separator: str = " and "
    parsed: InitVar[Parts | None] = None
    parts: Parts = field(init=False, repr=False, compare=False)

    def __post_init__(self, parsed: Parts | None) -> None:
        check_fields(self)
        place = Place(file=FILE, key=self.id)
        if parsed is None:
            parsed, findings = mpp_parts(self.text, place)
            raise_first(findings)
        object.__setattr__(self, "parts", parsed)

    @property
    def has_user(self) -> bool:
        """Whether the template names the user."""
        return Slot.USER in self.parts

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments that make an equal template, as in a YAML file."""
        return {
            "id": self.id,
            "split": self.split,
            "text": self.text,
            "separator": self.separator,
            "last_separator": self.last_separator,
        }

    @checked
    def render(self, history: Sequence[str], user: str | None = None, mask: str = "___") -> str:
        """Render the prompt as text.

        Args:
            history: Names of the items, oldest first.
            user: The user, required if :attr:`has_user`; ignored otherwise.
            mask: Text in place of the next item.

        Raises:
            TemplateError: The template needs a user and none is given.
        """
        if self.has_user and user is None:
            fix = "give one, or choose a template without {{ user }}"
            raise Place(file=FILE, key=self.id).finding("the template needs a user", fix).error()
        values = {Slot.HISTORY: self.join(history), Slot.MASK: mask, Slot.USER: clean_name(user or "")}
        return "".join(values[part] if isinstance(part, Slot) else part for part in self.parts)

    def join(self, history: Sequence[str]) -> str:
        """Join cleaned names by the template's separators."""
        names = [clean_name(name) for name in history]
        if len(names) < 2:
            return "".join(names)
        return self.separator.join(names[:-1]) + self.last_separator + names[-1]


def mpp_parts(text: str, place: Place) -> tuple[Parts, list[Finding]]:
    """Parse the text of an MPP template.

    Args:
        text: The text.
        place: Its place in the pack.

    Returns:
        The text split at its slots, and all mistakes; there are no parts if there is a mistake.
    """
    environment = PromptEnvironment()
    mistakes = mistakes_in(environment, text, _SLOTS)
    if mistakes:
        return (), [place.finding(m.message, m.fix, column=m.column, text=text) for m in mistakes]
    parts = _parts(environment.template(text))
    if parts is None:
        fix = "write {{ history }}, {{ mask }} and {{ user }} without filters, conditions or other expressions"
        return (), [place.finding("more than slots in an MPP template", fix, text=text)]
    found = []
    for slot, at_least in ((Slot.HISTORY, 1), (Slot.MASK, 1), (Slot.USER, 0)):
        count, name = parts.count(slot), f"{{{{ {slot.value} }}}}"
        if not at_least <= count <= 1:
            required = "exactly one" if at_least else "at most one"
            fix = "remove all but one" if count else f"write {name} where it belongs"
            found.append(place.finding(f"{count} of the slot {name}, must be {required}", fix, text=text))
    return (() if found else parts), found


def _parts(template: ParsedTemplate) -> Parts | None:
    """The text split at its slots; ``None`` if it has filters, conditions or other expressions."""
    if template.outputs is None:
        return None
    parts: list[str | Slot] = []
    for node in template.outputs:
        if isinstance(node, nodes.Name):
            parts.append(Slot(node.name))
        elif isinstance(node, nodes.TemplateData) and parts and isinstance(parts[-1], str):
            parts[-1] += node.data
        elif isinstance(node, nodes.TemplateData):
            parts.append(node.data)
        else:
            return None
    return tuple(parts)
