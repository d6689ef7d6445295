"""Guesses English sentences of a relation from the words in its id, for a person to correct."""

from __future__ import annotations

from collections.abc import Sequence

from kptoolkit.prompts.templating.relations import RelationTemplates


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, str]:
    return {first: second for first, _, second in (pair.partition("/") for pair in text.split())}


_PREPOSITIONS = _words("about as at by for from in into of on to under with")
_BE = _words("is are was were")
_PAST = {
    "bought": "bought",
    "built": "built",
    "chosen": "chose",
    "drawn": "drew",
    "found": "found",
    "given": "gave",
    "grown": "grew",
    "held": "held",
    "known": "knew",
    "led": "led",
    "made": "made",
    "seen": "saw",
    "sold": "sold",
    "spoken": "spoke",
    "sung": "sang",
    "taken": "took",
    "taught": "taught",
    "won": "won",
    "written": "wrote",
}
"""Past tense of irregular verbs by participle."""
_PARTICIPLE = {past: participle for participle, past in _PAST.items()}
_WAS = _words("based born built filmed found held made named published recorded released")
"""Participles of past events of the head: "was born in"."""
_IS = _words("listed located made sold used")
"""Participles that describe a state of the head before any preposition: "is located in"."""
_DOES = _words(
    "acted appeared applied belonged competed contributed enrolled lived listened moved participated performed played"
    " reacted replied responded served starred studied subscribed travelled worked"
)
"""Verbs with the head as subject, regardless of the preposition: "worked for"."""
_DONE = _words("as for from to with")
"""Prepositions after which a participle describes a state of the head: "is married to"."""
_VERBS = _pairs(
    "accepts/accepted acquires/acquired advises/advised affects/affected attends/attended buys/bought carries/carried"
    " cites/cited contains/contained controls/controlled covers/covered creates/created depicts/depicted"
    " describes/described directs/directed eats/eaten edits/edited employs/employed endorses/endorsed enjoys/enjoyed"
    " follows/followed governs/governed hires/hired includes/included influences/influenced inspires/inspired"
    " involves/involved joins/joined knows/known leads/led likes/liked loves/loved makes/made manages/managed"
    " mentions/mentioned offers/offered operates/operated orders/ordered owns/owned performs/performed plays/played"
    " precedes/preceded prefers/preferred produces/produced provides/provided publishes/published reads/read"
    " receives/received recommends/recommended replaces/replaced represents/represented requires/required sells/sold"
    " serves/served speaks/spoken supplies/supplied supports/supported teaches/taught treats/treated uses/used"
    " visits/visited wants/wanted watches/watched wears/worn writes/written"
)
"""Participles of verbs by present tense; many could be mistaken for plural nouns."""
_NOW = frozenset({*_VERBS, *_words("belongs consists has succeeds")})
_NOUNS = _words("cover edit influence like lead offer order play read support use visit wear")
"""Base forms that are nouns too: they stay nouns."""
_BASES = {
    present.removesuffix("es" if present.endswith(("ches", "shes")) else "s"): present
    for present in _VERBS
    if present.removesuffix("s") not in _NOUNS
}
"""Present tense of verbs by base form."""
_LASTING = frozenset(_VERBS[verb] for verb in _VERBS) & _words(
    "contained controlled employed followed governed included known led liked loved managed operated owned preferred"
    " recommended represented required sold spoken supported used wanted"
)
"""Participles of what lasts: "is owned by"."""
_PRESENT = {participle: present for present, participle in _VERBS.items()}
_ALONE = {
    "categorized": "is categorized as",
    "classified": "is classified as",
    "labelled": "is labelled",
    "located": "is located in",
    "married": "is married to",
    "tagged": "is tagged with",
}
"""Sentences of participles that describe the head although no preposition follows."""
_HEAD, _TAIL = "{{ head }}", "{{ tail }}"


def guess_sentences(words: str) -> RelationTemplates:
    """Guess English sentences from the words in a relation's id.

    Args:
        words: Lower case, such as ``"directed by"``, ``"acted in"``, ``"works at"``, ``"member of"``, ``"genre"``.
    """
    first, *rest = words.split(" ")
    if first in _PREPOSITIONS:
        return _of_preposition(first, rest)
    if first in _BE:
        return _verb(words)
    if words in _ALONE:
        return _verb(_ALONE[words])
    if words in _VERBS or words in _BASES:
        present = words if words in _VERBS else _BASES[words]
        return _both(f"{_HEAD} {present} {_TAIL}.", f"{_TAIL} is {_VERBS[present]} by {_HEAD}.")
    if _is_participle(first) and (not rest or _PREPOSITIONS.intersection(rest)):
        return _of_participle(first, rest)
    if first in _PARTICIPLE:
        return _verb(words) if rest else _past(first)
    return _of_present(first, rest)


def _of_present(first: str, rest: Sequence[str]) -> RelationTemplates:
    """``has genre``, ``knows``, ``works at``; else a noun."""
    words, last = " ".join([first, *rest]), rest[-1] if rest else first
    if first == "has" and rest and last not in _PREPOSITIONS:
        thing = " ".join(rest)
        article = "an" if thing[0] in "aeiou" else "a"
        return _both(f"{_HEAD} has the {thing} {_TAIL}.", f"{_TAIL} is {article} {thing} of {_HEAD}.")
    if first in _NOW or (rest and _ends_in_s(first) and last in _PREPOSITIONS - {"by", "of"}):
        return _verb(words)
    return _of_noun(words, rest)


def _of_preposition(first: str, rest: Sequence[str]) -> RelationTemplates:
    """``in``, ``in series``."""
    words, thing = " ".join([first, *rest]), " ".join(rest)
    if not rest or rest[-1] in _PREPOSITIONS:
        return _verb(f"is {words}")
    return _both(f"{_HEAD} is {words} {_TAIL}.", f"{_TAIL} is the {thing} that {_HEAD} is {first}.")


def _of_participle(first: str, rest: Sequence[str]) -> RelationTemplates:
    """``directed``, ``directed by``, ``born in``, ``married to``, ``acted in``."""
    words = " ".join([first, *rest])
    if not rest:
        return _past(_PAST.get(first, first))
    if rest == ["by"] and first in _LASTING:
        return _both(f"{_HEAD} is {words} {_TAIL}.", f"{_TAIL} {_PRESENT[first]} {_HEAD}.")
    if rest == ["by"]:
        return _both(f"{_HEAD} was {words} {_TAIL}.", f"{_TAIL} {_PAST.get(first, first)} {_HEAD}.")
    if (first in _WAS and rest != ["of"]) or rest[-1] == "by":
        return _verb(f"was {words}")
    changed = _PAST.get(first, first) != first
    return _verb(f"is {words}" if changed or first in _IS or (rest[-1] in _DONE and first not in _DOES) else words)


def _of_noun(words: str, rest: Sequence[str]) -> RelationTemplates:
    """``genre``, ``subjects``, ``member of``, ``music by``."""
    thing, _, last = words.rpartition(" ")
    if rest and last == "by":
        return _both(f"The {thing} of {_HEAD} is by {_TAIL}.", f"{_TAIL} made the {thing} of {_HEAD}.")
    if rest and last in ("of", "to"):
        return _both(f"{_HEAD} is {words} {_TAIL}.", f"One {words} {_TAIL} is {_HEAD}.")
    if last in _PREPOSITIONS:
        return _verb(f"is {words}")
    if _ends_in_s(last):
        return _both(f"One of the {words} of {_HEAD} is {_TAIL}.", f"{_TAIL} is one of the {words} of {_HEAD}.")
    return _both(f"The {words} of {_HEAD} is {_TAIL}.", f"{_TAIL} is the {words} of {_HEAD}.")


def _is_participle(word: str) -> bool:
    regular = word.endswith("ed") and not word.endswith("eed") and len(word) > 4
    return regular or word in _WAS or word in _PAST or word in _LASTING


def _ends_in_s(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is", "series"))


def _past(past: str) -> RelationTemplates:
    return _both(f"{_HEAD} {past} {_TAIL}.", f"{_TAIL} was {_PARTICIPLE.get(past, past)} by {_HEAD}.")


def _verb(words: str) -> RelationTemplates:
    return _both(f"{_HEAD} {words} {_TAIL}.", f"{_TAIL} is what {_HEAD} {words}.")


def _both(forward: str, inverse: str) -> RelationTemplates:
    return RelationTemplates((forward,), (inverse,))
