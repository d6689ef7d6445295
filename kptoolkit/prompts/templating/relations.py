"""The sentences of a relation, forward and inverse."""

from __future__ import annotations

from dataclasses import dataclass

from kptoolkit.arguments import check_fields
from kptoolkit.prompts.templating.findings import Finding, Place
from kptoolkit.prompts.templating.sandbox import PromptEnvironment
from kptoolkit.prompts.templating.triplet_sentences import VARIABLES, sentence_findings


@dataclass(frozen=True)
class RelationTemplates:
    """The sentence templates of one relation. ``head`` and ``tail`` always mean those of the stored triple.

    Attributes:
        forward: Sentences about the head.
        inverse: Sentences about the tail.
    """

    forward: tuple[str, ...]
    inverse: tuple[str, ...]

    def __post_init__(self) -> None:
        check_fields(self)

    def sentences(self, inverse: bool) -> tuple[str, ...]:
        """Return the sentences of one direction; those of the other direction if it has none."""
        own, other = (self.inverse, self.forward) if inverse else (self.forward, self.inverse)
        return own or other

    def to_dict(self) -> dict[str, list[str]]:
        """Return the sentences by direction as in a YAML file, without directions that have none."""
        directions = {"forward": self.forward, "inverse": self.inverse}
        return {direction: list(texts) for direction, texts in directions.items() if texts}

    def findings(
        self, environment: PromptEnvironment, place: Place, variables: tuple[str, ...] = VARIABLES
    ) -> list[Finding]:
        """Find the mistakes in the sentences.

        Args:
            environment: Environment that they run in.
            place: Their place in the pack.
            variables: Variables that they may use.
        """
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
"""Sentences for a relation that a pack has none for, with the words in the relation's id."""

NEUTRAL = RelationTemplates(
    ("{{ head }} is related to {{ tail }}.",),
    ("{{ tail }} is related to {{ head }}.",),
)
"""Sentences for a relation that a pack has none for and whose id contains no words, such as P57."""
