"""The sentences of a relation, forward and inverse."""

from __future__ import annotations

from dataclasses import dataclass

from kptoolkit.prompts.render import VARIABLES, sentence_findings
from kptoolkit.prompts.sandbox import PromptEnvironment
from kptoolkit.prompts.validation.findings import Finding, Place


@dataclass(frozen=True)
class RelationTemplates:
    """Wordings of one relation. ``head`` and ``tail`` always mean those of the stored triple.

    Attributes:
        forward: Sentences about the head.
        inverse: Sentences about the tail.
    """

    forward: tuple[str, ...]
    inverse: tuple[str, ...]

    def wordings(self, inverse: bool) -> tuple[str, ...]:
        """The sentences of one direction; those of the other where it has none, for they say the same."""
        own, other = (self.inverse, self.forward) if inverse else (self.forward, self.inverse)
        return own or other

    def findings(
        self, environment: PromptEnvironment, place: Place, variables: tuple[str, ...] = VARIABLES
    ) -> list[Finding]:
        """What is wrong with the sentences."""
        if not self.forward and not self.inverse:
            return [place.finding("no sentence", "write forward: and inverse:")]
        found: list[Finding] = []
        for direction, texts in (("forward", self.forward), ("inverse", self.inverse)):
            for number, text in enumerate(texts, 1):
                where = Place(place.pack, place.file, place.key, f"{direction} sentence {number}")
                found += sentence_findings(environment, text, where, variables)
        return found


FALLBACK = RelationTemplates(
    ('The entry for {{ head }} lists {{ tail }} under "{{ relation }}".',),
    ('{{ tail }} is listed under "{{ relation }}" in the entry for {{ head }}.',),
)
"""Words a relation that a pack does not know, by the words in its id."""

NEUTRAL = RelationTemplates(
    ("{{ head }} is related to {{ tail }}.",),
    ("{{ tail }} is related to {{ head }}.",),
)
"""Words a relation that a pack does not know and whose id holds no words, such as P57."""
