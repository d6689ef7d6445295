"""Options that controls train with: no tree mask, and no identity of items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_mask_and_model import batch, model
from worlds.training import AnyT5, untrained

from kptoolkit.config import validate
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models import RanksByKnowledgeAlone, ReadsTreeMask
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.models.tree_mask import one_node, visible
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SMALL: dict[str, Any] = {"d_model": 16, "heads": 2, "layers": 1, "dropout": 0.0}
SHORT = {"training.epochs": 2, "training.learning_rate": 0.01, "training.warmup_steps": 5, "tree.degree": 2}
HISTORIES = [[0, 1, 2], [7, 3], [5, 6, 7, 8, 9, 10], [ITEMS - 2]]


def read_again(fitted: AnyT5, folder: Path) -> AnyT5:
    if isinstance(fitted, Kp4srBackend):
        return Kp4srBackend.load(folder, fitted.options)
    return SequenceBackend.load(folder, fitted.options)


def trained(folder: Path, **options: Any) -> SequenceBackend:
    fitted = SequenceBackend(validate(SequenceBackend.Options, SMALL | options, "model"))
    fitted.fit(chain_task(folder, SHORT))
    return fitted


def test_what_the_backends_offer() -> None:
    assert issubclass(SequenceBackend, ReadsTreeMask)
    assert issubclass(SequenceBackend, RanksByKnowledgeAlone)
    assert issubclass(Kp4srBackend, ReadsTreeMask)
    assert not issubclass(Kp4srBackend, RanksByKnowledgeAlone), "its targets are the items' own tokens"


# -- mask off -----------------------------------------------------------------------------------------------------


def test_without_the_mask_all_real_tokens_see_each_other() -> None:
    tensors = batch()
    sees = visible(*one_node(tensors["node"], tensors["parent"]))[0]
    real = tensors["node"][0] >= 0
    assert torch.equal(sees, real[:, None] == real[None]), "padding sees padding"


@pytest.mark.parametrize("attention", ["sdpa", "eager", "flex"])
@torch.no_grad()
def test_the_encoder_without_the_mask_is_the_plain_one(attention: str) -> None:
    net, tensors = model("sdpa" if attention == "flex" else attention), batch()
    if attention == "flex":
        from kptoolkit.models.t5.flex import use_flex

        use_flex(net.t5)
    masked = net.encode(**tensors)
    net.mask = "off"
    real = tensors["node"] >= 0
    plain, words = model("sdpa"), net.whole_word(tensors["whole_word"])
    embedded = plain.t5.shared(tensors["input_ids"]) + words
    expected = plain.t5.encoder(inputs_embeds=embedded, attention_mask=real.long()).last_hidden_state
    torch.testing.assert_close(net.encode(**tensors)[real], expected[real], rtol=1e-4, atol=1e-5)
    assert (masked[real] - expected[real]).abs().max() > 1e-3


@pytest.mark.train
def test_a_training_without_the_mask_is_another_one_and_is_loaded_as_such(tmp_path: Path) -> None:
    """The encoder of trees differs, and a saved model reads without the mask again."""
    cases = Cases.of(Histories.of(HISTORIES))
    for options in ({"backend": "sequence", "knowledge": "tree"}, {"backend": "kp4sr"}):
        scores = {}
        for masked in ("tree", "off"):
            fitted, folder = untrained(SMALL | options | {"mask": masked}), tmp_path / f"{options}-{masked}"
            fitted.fit(chain_task(folder, SHORT | {"training.epochs": 1}))
            scores[masked] = fitted.score(cases)
            (folder / "saved").mkdir(parents=True)
            fitted.save(folder / "saved")
            loaded = read_again(fitted, folder / "saved")
            loaded.use_trees(lambda trees: trees)  # encode again
            np.testing.assert_allclose(loaded.score(cases), scores[masked], rtol=1e-4, atol=1e-4)
        assert not np.allclose(scores["tree"], scores["off"], atol=1e-3)


# -- knowledge only -----------------------------------------------------------------------------------------------

TREES: dict[str, dict[str, Any]] = {
    "facts": {},
    "phrases": {"knowledge": "tree"},
    "subwords": {"knowledge": "tree", "tokens": "subword", "vocabulary": 400},
}


@pytest.mark.train
@pytest.mark.parametrize("reads", ["facts", "subwords"])
def test_without_identity_only_the_triples_say_which_item_it_is(tmp_path: Path, reads: str) -> None:
    """If items exchange their trees, they exchange their scores, as candidates and as items read."""
    order = np.random.default_rng(3).permutation(ITEMS)  # item i gets the tree of item order[i]
    as_before = np.argsort(order)
    for identity in (False, True):
        fitted = trained(tmp_path / str(identity), identity=identity, **TREES[reads])
        before = fitted.score(Cases.of(Histories.of(HISTORIES)))
        fitted.use_trees(lambda trees: trees.permuted(order))
        moved = [as_before[history].tolist() for history in HISTORIES]
        after = fitted.score(Cases.of(Histories.of(moved)))
        same = np.allclose(after, before[:, order], rtol=1e-4, atol=1e-4)
        assert same is not identity
        assert before.std(axis=1).min() > 1e-3, "the triples tell items apart"


@pytest.mark.train
@pytest.mark.parametrize("reads", list(TREES))
def test_without_identity_the_token_of_an_item_is_not_in_its_vector(tmp_path: Path, reads: str) -> None:
    """It is in those of items whose triples name it, unless these are read as subwords."""
    fitted = trained(tmp_path, identity=False, **TREES[reads])
    state, item = fitted.fitted, 6
    before = state.current()[0].clone()
    with torch.no_grad():
        state.model.tree.t5.shared.weight[state.parts.first_item + item] += 1.0
    state.forget()
    moved = (state.current()[0] - before).abs().amax(dim=1) > 1e-4
    assert not moved[item]
    assert bool(moved.any()) is (reads != "subwords")


@pytest.mark.train
def test_without_identity_new_items_have_no_name_either(tmp_path: Path) -> None:
    """The catalogue grows by an item; the vectors of the others stay."""
    fitted = trained(tmp_path, identity=False, **TREES["subwords"])
    state = fitted.fitted
    vectors, knowledge = state.current()
    torch.testing.assert_close(vectors, knowledge)
    assert len(set(state.names.ids.tolist())) == 1
    task = chain_task(tmp_path / "again", SHORT)
    fitted.extend(task.catalogue, task.knowledge)
    assert len(set(fitted.fitted.names.ids.tolist())) == 1
    torch.testing.assert_close(fitted.fitted.current()[0], vectors, rtol=1e-4, atol=1e-5)
