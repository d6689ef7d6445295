"""Masked personalised prompts (KP4SR, section 3.2): a history, perhaps a user, and a mask in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from jinja2 import nodes

from kptoolkit.prompts.sandbox import PromptEnvironment, bare_outputs, mistakes_in
from kptoolkit.prompts.texts import clean_name
from kptoolkit.prompts.validation.findings import Finding, Place, raise_first

SPLITS = ("train", "held_out")
FILE = "mpp.yaml"
_SLOTS = ("history", "mask", "user")
_SENTINELS = {"history": "\ufdd0", "mask": "\ufdd1", "user": "\ufdd2"}
_ENVIRONMENT = PromptEnvironment()


class Slot(Enum):
    """A place in an MPP template that a sample fills."""

    HISTORY = "history"
    MASK = "mask"
    USER = "user"


_BY_SENTINEL = {_SENTINELS[slot.value]: slot for slot in Slot}


@dataclass(frozen=True)
class MppTemplate:
    """One wording of the masked personalised prompt.

    The text is rendered once on sentinels and split there, so that filling it needs no Jinja.

    Attributes:
        id: Unique in its pack.
        text: Jinja text with exactly one ``{{ history }}``, one ``{{ mask }}`` and at most one ``{{ user }}``.
        split: ``held_out`` wordings are kept out of training.
        separator: Stands between two items of the history.
        last_separator: Stands before the last item.
        parts: The text cut at its slots.

    Raises:
        TemplateError: The text is not such a template.
    """

    id: str
    text: str
    split: Literal["train", "held_out"] = "train"
    separator: str = ", "
    last_separator: str = " and "
    parts: tuple[str | Slot, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        place = Place(file=FILE, key=self.id)
        if self.split not in SPLITS:
            raise place.finding(f"unknown split '{self.split}'", f"write {' or '.join(SPLITS)}").error()
        raise_first(mpp_findings(self.text, place))
        object.__setattr__(self, "parts", _parts(self.text))

    @property
    def has_user(self) -> bool:
        """Whether the template speaks of the user."""
        return Slot.USER in self.parts

    def render(self, history: Sequence[str], user: str | None = None, mask: str = "___") -> str:
        """The prompt as text.

        Args:
            history: Names of the items, oldest first.
            user: The user, needed when :attr:`has_user`; ignored otherwise.
            mask: What stands for the item to come.

        Raises:
            TemplateError: The template needs a user and none is given.
        """
        if self.has_user and user is None:
            mend = "give one, or choose a template without {{ user }}"
            raise Place(file=FILE, key=self.id).finding("the template needs a user", mend).error()
        values = {Slot.HISTORY: self.join(history), Slot.MASK: mask, Slot.USER: clean_name(user or "")}
        return "".join(values[part] if isinstance(part, Slot) else part for part in self.parts)

    def join(self, history: Sequence[str]) -> str:
        """Cleaned names with the template's separators between them."""
        names = [clean_name(name) for name in history]
        if len(names) < 2:
            return "".join(names)
        return self.separator.join(names[:-1]) + self.last_separator + names[-1]


def mpp_findings(text: str, place: Place) -> list[Finding]:
    """What is wrong with the text of an MPP template."""
    mistakes = mistakes_in(_ENVIRONMENT, text, _SLOTS)
    if mistakes:
        return [place.finding(m.message, m.mend, column=m.column, text=text) for m in mistakes]
    outputs = bare_outputs(_ENVIRONMENT.parse(text))
    plain = (nodes.TemplateData, nodes.Name)
    printed = list(outputs) if outputs is not None else [nodes.Const(None)]
    if not all(isinstance(node, plain) for node in printed):
        mend = "write {{ history }}, {{ mask }} and {{ user }} without filters, conditions or other expressions"
        return [place.finding("more than slots in an MPP template", mend, text=text)]
    names = [node.name for node in printed if isinstance(node, nodes.Name)]
    found = []
    for slot, at_least in (("history", 1), ("mask", 1), ("user", 0)):
        count = names.count(slot)
        if not at_least <= count <= 1:
            wanted = "exactly one" if at_least else "at most one"
            mend = "remove all but one" if count else f"write {{{{ {slot} }}}} where it belongs"
            found.append(place.finding(f"{count} of the slot {{{{ {slot} }}}}, must be {wanted}", mend, text=text))
    return found


def _parts(text: str) -> tuple[str | Slot, ...]:
    rendered = _ENVIRONMENT.from_string(text).render(_SENTINELS)
    parts: list[str | Slot] = []
    literal = ""
    for char in rendered:
        if char not in _BY_SENTINEL:
            literal += char
            continue
        parts += [literal, _BY_SENTINEL[char]] if literal else [_BY_SENTINEL[char]]
        literal = ""
    return tuple([*parts, literal] if literal else parts)
