"""Starts a training from the weights of a finished one: rows of tables go by what they stand for, not by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kptoolkit import distributed
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.errors import ConfigError
from kptoolkit.models.backend import FitTask
from kptoolkit.models.t5.tokenizers import ModelTokenizer
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressEvent

RowName = tuple[str, ...] | None
"""What a row of a table stands for, its kind first; ``None`` where no other model has such a row."""
NamedRows = Mapping[str, Sequence[RowName]]
"""Names of the rows of tables that other models may have under another number, by the name of the weight."""
_KINDS: Final = {"relation": "relations", "entity": "entities", "item": "items", "word": "words"}


@dataclass
class Started:
    """What a model took from an earlier one.

    Attributes:
        known: Relations, entities, items and words that the earlier model had, by kind.
        all: All of the model, by kind.
    """

    known: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = (
            f"{self.known[kind]:,} of {quantity(self.all[kind], name)}"
            for kind, name in _KINDS.items()
            if self.all[kind]
        )
        return "known from there: " + ", ".join(counts)


def token_rows(tokenizer: ModelTokenizer, catalogue: Catalogue, items: int, rows: int) -> list[RowName]:
    """Name the rows of a token table: the tokenizer's tokens, then one token per item.

    An item that is one entity is named as that entity, so that it is found again where it is no item; another item by
    its id and its title, since other catalogues may have other items of that id.

    Args:
        tokenizer: The tokenizer.
        catalogue: The items.
        items: How many rows are items: all of the catalogue, or none.
        rows: Rows of the table; those that are left stand for nothing.
    """
    linked = {row: entity for entity, row in catalogue.item_of_entity().items()}
    found: list[RowName] = [*tokenizer.vocabulary]
    for row in range(items):
        own = ("item", str(catalogue.item_ids[row]), str(catalogue.titles[row]))
        found.append(("entity", linked[row]) if row in linked else own)
    return found[:rows] + [None] * (rows - len(found))


@torch.no_grad()
def start_weights(model: nn.Module, own: NamedRows, earlier: nn.Module, theirs: NamedRows) -> Started:
    """Copy the weights of an earlier model; rows that it did not have stay as they are.

    Args:
        model: Gets the weights.
        own: Its tables.
        earlier: A model of the same shape but for the numbers of rows of its tables.
        theirs: The tables of the earlier model.

    Raises:
        ConfigError: The models differ in their parts, or in the shape of a weight.
    """
    known, found = dict(earlier.named_parameters()), Started()
    rows = _rows(theirs, known)
    for name, weight in model.named_parameters():
        if name in own:
            _copy_rows(name, weight, own[name], rows | _rows_of(name, theirs, known), found)
        elif name not in known or known[name].shape != weight.shape:
            there = f"of shape {list(known[name].shape)}" if name in known else "missing"
            raise ConfigError(
                f"setting training.start_from: weight {name} is of shape {list(weight.shape)} here and {there} there; "
                "give both trainings the same settings of [model]"
            )
        else:
            weight.copy_(known[name].to(weight.device))
    return found


def _rows(tables: NamedRows, weights: Mapping[str, nn.Parameter]) -> dict[tuple[str, ...], torch.Tensor]:
    """The named rows of all tables, the first of each name."""
    found = dict[tuple[str, ...], torch.Tensor]()
    for table in tables:
        found = _rows_of(table, tables, weights) | found
    return found


def _rows_of(table: str, tables: NamedRows, weights: Mapping[str, nn.Parameter]) -> dict[tuple[str, ...], torch.Tensor]:
    """The named rows of one table; none if there is no such table."""
    if table not in tables:
        return {}
    weight = weights[table].detach()
    return {name: weight[row] for row, name in enumerate(tables[table]) if name is not None}


def _copy_rows(
    table: str,
    weight: nn.Parameter,
    names: Sequence[RowName],
    rows: Mapping[tuple[str, ...], torch.Tensor],
    found: Started,
) -> None:
    named = [(row, name) for row, name in enumerate(names) if name is not None]
    shared = [(row, rows[name]) for row, name in named if name in rows]
    found.all.update(name[0] for _, name in named)
    found.known.update(name[0] for _, name in named if name in rows)
    if not shared:
        return
    if shared[0][1].shape != weight.shape[1:]:
        raise ConfigError(
            f"setting training.start_from: the rows of {table} have {weight.shape[1]} numbers here and "
            f"{len(shared[0][1])} there; give both trainings the same model.d_model"
        )
    chosen: NDArray[np.int64] = np.array([row for row, _ in shared], dtype=np.int64)
    weight[torch.from_numpy(chosen).to(weight.device)] = torch.stack([row for _, row in shared]).to(weight)


class NamesRows(Protocol):
    """The state of a fitted model that says what the rows of its tables stand for."""

    @property
    def model(self) -> nn.Module:
        """The model."""
        ...

    def named_rows(self, catalogue: Catalogue) -> NamedRows:
        """The tables of the model of a catalogue."""
        ...


def start_from_earlier(state: NamesRows, task: FitTask, earlier: tuple[NamesRows, Catalogue] | None) -> None:
    """Start a model from the weights of an earlier one, if there is one, and report what it had.

    Args:
        state: The new model.
        task: Its task.
        earlier: The earlier model and its catalogue.

    Raises:
        ConfigError: The models differ in more than what the rows of their tables stand for.
    """
    if earlier is None:
        return
    before, catalogue = earlier
    started = start_weights(state.model, state.named_rows(task.catalogue), before.model, before.named_rows(catalogue))
    if distributed.is_first():
        task.progress(ProgressEvent("start", 0, note=f"starts from {task.config.training.start_from}; {started}"))
