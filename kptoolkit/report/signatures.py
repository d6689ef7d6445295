"""Signs that a training or its data went wrong, each with a figure, a limit and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

State = Literal["found", "fine", "not measured"]


@dataclass(frozen=True)
class RunFigures:
    """The figures of a run that signatures are computed from; ``None``: not known.

    Attributes:
        curve: Epoch and validation NDCG@10 of the backend at each evaluation of the training.
        valid: NDCG@10 on the validation cases of the model that :attr:`test` belongs to.
        test: NDCG@10 on the test cases.
        items: Catalogue size.
        items_with_triples: Items that have a triplet prompt.
        triples_per_item: Mean number of triplet prompts per item.
        rows: Triples around the items that were fetched.
        rows_beyond_cap: Triples beyond ``graph.cap``, which were left out.
        nameless: Triples left out because their far end has no name.
        left_out_per_prompt: Triplets that the token budget left out, per prompt.
        cold: Share of the cases whose target has no training event.
        knowledge: Share of the score parts that read knowledge in the spread of all parts.
        over_baseline: Lead over the best baseline, divided by the baseline's NDCG@10.
        over_no_knowledge: The same for the control without knowledge.
        over_mask_off: The same for the control without the tree mask.
        over_one_hop: The same for the control with triples of one hop.
        over_held_out: The same for the trained model with an MPP template that training lacked.
    """

    curve: Sequence[tuple[float, float]] = ()
    valid: float | None = None
    test: float | None = None
    items: int = 0
    items_with_triples: int = 0
    triples_per_item: float = 0.0
    rows: int = 0
    rows_beyond_cap: int = 0
    nameless: int = 0
    left_out_per_prompt: float | None = None
    cold: float | None = None
    knowledge: float | None = None
    over_baseline: float | None = None
    over_no_knowledge: float | None = None
    over_mask_off: float | None = None
    over_one_hop: float | None = None
    over_held_out: float | None = None


@dataclass(frozen=True)
class Finding:
    """The result of a signature for one run.

    Attributes:
        name: Name of the signature.
        state: ``"found"`` if the figure is beyond the limit.
        figure: The figure, as text; empty if it was not measured.
        value: The figure; ``None`` if it was not measured.
    """

    name: str
    state: State
    figure: str
    value: float | None

    def to_json(self) -> dict[str, Any]:
        """Return name, state and figure as JSON-able values."""
        return {"name": self.name, "state": self.state, "value": self.value}


@dataclass(frozen=True)
class Signature:
    """A sign that something went wrong.

    Attributes:
        name: Its name.
        figure: What is measured.
        measure: Computes the figure; ``None`` if the run does not say.
        limit: The figure up to which nothing is wrong.
        advice: What to do, one sentence.
        below: Whether a figure below the limit is the sign, not one above it.
        share: Whether the figure is a share, shown in percent.
    """

    name: str
    figure: str
    measure: Callable[[RunFigures], float | None]
    limit: float
    advice: str
    below: bool = False
    share: bool = True

    @property
    def limit_text(self) -> str:
        """The limit as text."""
        return f"{'below' if self.below else 'above'} {self._text(self.limit)}"

    def check(self, figures: RunFigures) -> Finding:
        """Compare the figure of a run with the limit."""
        value = self.measure(figures)
        if value is None:
            return Finding(self.name, "not measured", "", None)
        found = value < self.limit if self.below else value > self.limit
        return Finding(self.name, "found" if found else "fine", self._text(value), value)

    def _text(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.share else f"{value:g}"


def drop_after_best(figures: RunFigures) -> float | None:
    """How far the last validation figure is below the best, as a share of the best."""
    values = [value for _, value in figures.curve]
    best = max(values, default=0.0)
    return (best - values[-1]) / best if best > 0 and len(values) > 1 else None


def evaluations_after_best(figures: RunFigures) -> float | None:
    """Number of evaluations after the best one; ``None`` for fewer than two evaluations."""
    values = [value for _, value in figures.curve]
    return float(len(values) - 1 - values.index(max(values))) if len(values) > 1 else None


def gap_to_test(figures: RunFigures) -> float | None:
    """How far the test figure is below the validation figure, as a share of the latter."""
    if figures.valid is None or figures.test is None or figures.valid <= 0:
        return None
    return (figures.valid - figures.test) / figures.valid


def budget_left_out(figures: RunFigures) -> float | None:
    """Triplets that the budget left out per prompt, as a share of the triplets of one item."""
    if figures.left_out_per_prompt is None or figures.triples_per_item <= 0:
        return None
    return figures.left_out_per_prompt / figures.triples_per_item


def beyond_cap(figures: RunFigures) -> float | None:
    """Share of the triples around the items that are beyond ``graph.cap``."""
    return _share(figures.rows_beyond_cap, figures.rows + figures.rows_beyond_cap)


def nameless(figures: RunFigures) -> float | None:
    """Share of the chosen triples that were left out because an end has no name."""
    return _share(figures.nameless, figures.nameless + figures.triples_per_item * figures.items)


def without_triples(figures: RunFigures) -> float | None:
    """Share of the items that have no triplet prompt."""
    return _share(figures.items - figures.items_with_triples, figures.items)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


SIGNATURES: Final[tuple[Signature, ...]] = (
    Signature(
        "overfitting",
        "fall of validation NDCG@10 from its best to its last value",
        drop_after_best,
        0.1,
        "The weights of the best epoch are kept; raise model.dropout, or lower training.learning_rate or the size of "
        "the model.",
    ),
    Signature(
        "still improving",
        "evaluations after the best one",
        evaluations_after_best,
        1,
        "The best epoch is the last one; raise training.epochs, and training.max_minutes if it is set.",
        below=True,
        share=False,
    ),
    Signature(
        "validation promises more",
        "fall of NDCG@10 from validation to test",
        gap_to_test,
        0.25,
        "Compare settings over several seeds, and not by one validation figure; look with kptool data check for "
        "events with equal times.",
    ),
    Signature(
        "behind a baseline",
        "lead over the best baseline, relative",
        lambda figures: figures.over_baseline,
        0.0,
        "Train longer, with all score parts on, and look at the settings of that baseline in the notes.",
        below=True,
    ),
    Signature(
        "knowledge brings nothing",
        "lead over the control without knowledge, relative",
        lambda figures: figures.over_no_knowledge,
        0.01,
        "Look at the items without triples and at the weights of the relations; the graph may say little about what "
        "users choose.",
        below=True,
    ),
    Signature(
        "further hops hurt",
        "lead over the control of one hop, relative",
        lambda figures: figures.over_one_hop,
        -0.01,
        "Set tree.hops to 1, or lower tree.degree, so that fewer of the far triples are read; kptool study hops "
        "compares numbers of hops.",
        below=True,
    ),
    Signature(
        "mask blocks what is useful",
        "lead over the control without the mask, relative",
        lambda figures: figures.over_mask_off,
        -0.01,
        "Set model.mask to branch or off; kptool study mask compares the kinds of mask.",
        below=True,
    ),
    Signature(
        "overfitting to templates",
        "lead over the trained model with a held-out MPP template, relative",
        lambda figures: figures.over_held_out,
        0.05,
        "Train with more, and more diverse, MPP templates of the pack; kptool study mpp-epochs shows when it begins.",
    ),
    Signature(
        "model does not use its knowledge",
        "share of the parts that read knowledge in the spread of the score",
        lambda figures: figures.knowledge,
        0.01,
        "The weights of these parts are zero or close to it; kptool evaluate RUN --controls says whether the "
        "backend uses knowledge.",
        below=True,
    ),
    Signature(
        "items without triples",
        "share of the items",
        without_triples,
        0.2,
        "Link more items to the graph, or raise tree.hops; kptool data check counts the items that are not linked.",
    ),
    Signature(
        "prompts cut by the token budget",
        "triplets left out per prompt, as a share of those of one item",
        budget_left_out,
        0.5,
        "Raise tree.max_tokens, or lower tree.degree, tree.hops or data.history.",
    ),
    Signature(
        "triples beyond the cap",
        "share of the triples around the items",
        beyond_cap,
        0.25,
        "Raise graph.cap if the triples of nodes with many relationships matter.",
    ),
    Signature(
        "nameless entities",
        "share of the chosen triples that were left out",
        nameless,
        0.05,
        "Give the entities names with kptool load-kg --names, or set prompts.keep_nameless.",
    ),
    Signature(
        "cold targets",
        "share of the cases whose target has no training event",
        lambda figures: figures.cold,
        0.1,
        "Only knowledge and titles can rank such items; look at the gains for cold items.",
    ),
)
"""All signatures, in the order of a report."""


def findings(figures: RunFigures) -> Mapping[str, Finding]:
    """Check all signatures, by name."""
    return {signature.name: signature.check(figures) for signature in SIGNATURES}
