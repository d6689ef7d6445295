"""Rules that rewrite the ids of one file into those of another, and the search for the rule that would do it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kptoolkit.errors import ConfigError, DataError, shorten
from kptoolkit.storage.values.id_forms import FORMS, in_form

_RULES: Mapping[str, Callable[[str, str], str]] = {
    "zeros": lambda one, width: (
        (one.zfill(int(width)) if width else one.lstrip("0") or "0") if one.isdecimal() else one
    ),
    "lower": lambda one, _: one.lower(),
    "upper": lambda one, _: one.upper(),
    "without": lambda one, text: one.removeprefix(text),
    "prefix": lambda one, text: text + one,
}
_WITH_TEXT = frozenset({"without", "prefix"})
_CUT = re.compile(r".*[/#:]")
_LETTERS = re.compile(r"[A-Za-z._-]+(?=\d+$)")
_TRIED = 20
"""Fronts of ids that are tried."""
_EXPLAINED = (
    "prefix=TEXT, without=TEXT, zeros (no leading zeros), zeros=10 (ten digits), lower, upper, fold (whatever the "
    "case), freebase, wikidata (whatever the form of the id)"
)


@dataclass(frozen=True)
class Rewritten:
    """Ids after some rules.

    Attributes:
        ids: New id by id.
        unclear: Two known ids by id, where a rule that compares cannot tell which of them it is.
    """

    ids: Mapping[str, str]
    unclear: Mapping[str, tuple[str, str]]

    def require(self, label: str) -> Mapping[str, str]:
        """Return :attr:`ids`.

        Args:
            label: Name of the source, for messages.

        Raises:
            DataError: An id is unclear.
        """
        for one, (first, second) in self.unclear.items():
            said = f"the id {shorten(one)} may be {shorten(first)} or {shorten(second)}: these rules make them equal"
            raise DataError(f"{said}; write the id as one of them, or say which it is with --id-map", label)
        return self.ids


@dataclass(frozen=True)
class IdRules:
    """Rules that are applied to an id one after the other.

    A rule rewrites an id, or, as those of :data:`FORMS`, finds the known id that is another form of it.

    Attributes:
        rules: Names of rules, each with its text or number, ``""`` without one.
    """

    rules: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, text: str | None, option: str = "--link-ids") -> IdRules:
        """Create from the text of an option.

        Args:
            text: ``"zeros=7,prefix=tt"``, or ``None``.
            option: Name of the option, for messages.

        Raises:
            ConfigError: A rule is not known or not complete.
        """
        found = []
        for part in (text or "").split(","):
            name, _, value = part.strip().partition("=")
            if not part.strip():
                continue
            known = name in _RULES or name in FORMS
            wrong = not known or (name in _WITH_TEXT) != bool(value and name != "zeros")
            if wrong or (name == "zeros" and value and not re.fullmatch(r"[1-9]\d?", value)):
                raise ConfigError(f"{option} {shorten(part)}: no such rule; rules are {_EXPLAINED}")
            found.append((name, value))
        return cls(tuple(found))

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" if value else name for name, value in self.rules)

    @property
    def compare(self) -> bool:
        """Whether a rule compares ids with known ones."""
        return any(name in FORMS for name, _ in self.rules)

    def __call__(self, one: str) -> str:
        """Return an id after the rules that rewrite ids."""
        for name, value in self.rules:
            if name in _RULES:
                one = _RULES[name](one, value)
        return one

    def rewritten(self, ids: Iterable[str], known: Callable[[], Iterable[str]]) -> Rewritten:
        """Return ids after all rules.

        Args:
            ids: The ids.
            known: Returns the ids to compare them with; called once per rule that compares.
        """
        found, unclear = {one: one for one in ids}, dict[str, tuple[str, str]]()
        for name, value in self.rules:
            if name in _RULES:
                found = {one: _RULES[name](now, value) for one, now in found.items()}
            else:
                forms, either = in_form(name, set(found.values()), known())
                unclear |= {one: either[now] for one, now in found.items() if now in either}
                found = {one: forms.get(now, now) for one, now in found.items()}
        return Rewritten(found, unclear)

    def then(self, name: str, value: str) -> IdRules:
        """Return these rules and another one after them."""
        return IdRules((*self.rules, (name, value)))


@dataclass(frozen=True)
class Proposal:
    """Rules that would make ids match.

    Attributes:
        rules: The rules.
        matched: Number of ids that match with them.
        example: An id before and after the rules.
    """

    rules: IdRules
    matched: int
    example: tuple[str, str]


def propose(missing: Iterable[str], known: Collection[str]) -> Proposal | None:
    """Find the rules with which most ids that are not known become known ones; the simplest rules first.

    Args:
        missing: Ids that are not in ``known``.
        known: The ids to match; they are read several times.

    Returns:
        ``None`` if no rule matches any.
    """
    ids = list(dict.fromkeys(missing))
    plain = [IdRules(), *(IdRules((("zeros", width),)) for width in ("", *_widths(known)))]
    plain += [IdRules((("lower", ""),)), IdRules((("upper", ""),))]
    candidates = [rules for rules in plain if rules]
    fronts = Counter(front for one in ids for front in _fronts(one))
    candidates += [IdRules((("without", front),)) for front, _ in fronts.most_common(_TRIED)]
    compared = {rule: in_form(rule, ids, known) for rule in FORMS}
    forms, unclear = {rule: matched for rule, (matched, _) in compared.items()}, compared["fold"][1]
    clear = [one for one in ids if one not in unclear]  # in one case alone they would be one of two known ids
    found = [(_hits(rules, clear, known), rules) for rules in candidates]
    found += _with_prefix(plain, clear, known)
    found += [(len(matched), IdRules(((rule, ""),))) for rule, matched in forms.items()]
    count, best = max(found, key=lambda pair: (pair[0], -len(pair[1].rules)))
    if not count:
        return None
    if best.compare:
        return Proposal(best, count, next(iter(forms[best.rules[0][0]].items())))
    example = next(one for one in clear if best(one) in known)
    return Proposal(best, count, (example, best(example)))


def other_form(listed: Iterable[str], wanted: Iterable[str]) -> Proposal | None:
    """Find the rules with which most ids that are wanted and not listed become listed ones.

    Args:
        listed: Ids that rules would rewrite, such as those of an item file.
        wanted: Ids that they are to match, such as those of events.
    """
    there, needed = dict.fromkeys(listed), dict.fromkeys(wanted)
    missing = [one for one in needed if one not in there]
    unused = [one for one in there if one not in needed]
    found = propose(unused, set(missing)) if missing and unused else None
    return found if found is not None and found.matched * 2 >= len(missing) else None


def _hits(rules: IdRules, ids: Iterable[str], known: Collection[str]) -> int:
    return sum(rules(one) in known for one in ids)


def _widths(known: Iterable[str]) -> list[str]:
    """The most frequent number of digits of ids with leading zeros, if there are any."""
    counts: Counter[int] = Counter()
    for one in known:
        for digits in (one[len(front) :] for front in ("", *_fronts(one))):
            if digits.startswith("0") and digits.isdecimal() and len(digits) > 1:
                counts[len(digits)] += 1
    return [str(width) for width, _ in counts.most_common(1)]


def _with_prefix(plain: list[IdRules], ids: list[str], known: Iterable[str]) -> Iterator[tuple[int, IdRules]]:
    """Yield the most frequent front of the known ids that end in an id, after each plain rule."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for number, rules in enumerate(plain):
        for one in ids:
            wanted[rules(one)].add(number)
    fronts: list[Counter[str]] = [Counter() for _ in plain]
    for one in known:
        for front in _fronts(one):
            for number in wanted.get(one[len(front) :], ()):
                fronts[number][front] += 1
    for rules, counts in zip(plain, fronts, strict=True):
        for front, count in counts.most_common(1):
            yield count, rules.then("prefix", front)


def _fronts(one: str) -> list[str]:
    """What may be a prefix of an id: up to its last ``/``, ``#`` or ``:``, and letters before the digits at the end."""
    cut = _CUT.match(one)
    front = cut[0] if cut else ""
    letters = _LETTERS.match(one, len(front))
    return [text for text in (front, front + letters[0] if letters else "") if text]
