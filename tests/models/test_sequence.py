"""The backend `sequence`: the conformance suite, causality, knowledge once per item, items that come later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import set_seed
from worlds.extended import extended
from worlds.marks import needs
from worlds.training import losses, untrained

from kptoolkit.config import validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.slices import padded
from kptoolkit.errors import InputError, PromptTooLongError, RunError, TrainingError
from kptoolkit.evaluation.controls import without_knowledge
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models import BeamSearch, training
from kptoolkit.models.backend import beam_search_of
from kptoolkit.models.t5 import catalogue_loss
from kptoolkit.models.t5.sequence.item_encoders import TreeEncoder
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.models.t5.sequence.sequence_state import build_state
from kptoolkit.testing.backend_suite import BackendSuite
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SMALL: dict[str, Any] = {"d_model": 32, "heads": 2, "layers": 1, "dropout": 0.0}
LONG = {
    "training.epochs": 20,
    "training.eval_every": 10,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 10,
    "tree.degree": 2,
}


@pytest.mark.train
class TestFacts(BackendSuite):
    backend = SequenceBackend
    options = SMALL
    settings = LONG


@pytest.mark.train
class TestFactsAlone(BackendSuite):
    backend = SequenceBackend
    options = SMALL | {"cross_attention": True}
    settings = LONG


@pytest.mark.train
class TestTreesOfPhrases(BackendSuite):
    backend = SequenceBackend
    options = SMALL | {"knowledge": "tree", "trees_per_step": 8}
    settings = LONG


@pytest.mark.train
class TestTreesOfSubwords(BackendSuite):
    backend = SequenceBackend
    options = SMALL | {"knowledge": "tree", "tokens": "subword", "vocabulary": 600, "trees_per_step": 0}
    settings = LONG


VARIANTS: dict[str, dict[str, Any]] = {
    "facts": {},
    "deep": {"decoder_layers": 2},
    "cross": {"cross_attention": True},
    "tree": {"knowledge": "tree", "cross_attention": True},
}


INDEXES = ("token", "name", "random", "sequential", "collaborative")


def backend(**options: Any) -> SequenceBackend:
    return SequenceBackend(validate(SequenceBackend.Options, SMALL | options, "model"))


@pytest.fixture(scope="module", params=list(VARIANTS))
@needs("train")
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[SequenceBackend, Any]:
    task = chain_task(tmp_path_factory.mktemp("trained"), LONG)
    fitted = backend(**VARIANTS[request.param])
    fitted.fit(task)
    return fitted, task


def scores_at_every_place(fitted: SequenceBackend, items: list[int]) -> torch.Tensor:
    """``(L, n)`` logits after every item of a history."""
    state = fitted.fitted
    state.current()
    words = torch.tensor(state.prefix_tokens[-1:], dtype=torch.long)
    with torch.inference_mode():
        logits: torch.Tensor = state.model(torch.tensor([items]), words)["logits"][0]
    return logits


def test_scores_up_to_t_do_not_know_what_follows(trained: tuple[SequenceBackend, Any]) -> None:
    fitted, _ = trained
    one = scores_at_every_place(fitted, [3, 4, 5, 6, 7])
    other = scores_at_every_place(fitted, [3, 4, 5, 17, 2])
    torch.testing.assert_close(one[:3], other[:3], rtol=1e-5, atol=1e-5)
    assert (one[3:] - other[3:]).abs().max() > 1e-2, "and what was read counts"


def test_scores_are_those_of_the_training_pass(trained: tuple[SequenceBackend, Any]) -> None:
    fitted, _ = trained
    histories = [[0, 1, 2], [7], [5, 6, 7, 8, 9, 10]]
    ranked = fitted.score(Cases.of(Histories.of(histories)))
    for row, history in enumerate(histories):
        expected = scores_at_every_place(fitted, history)[-1].log_softmax(-1).numpy()
        np.testing.assert_allclose(ranked[row], expected, rtol=1e-4, atol=1e-4)


def test_a_long_history_is_read_from_its_end(trained: tuple[SequenceBackend, Any]) -> None:
    fitted, _ = trained
    long = np.resize(np.arange(ITEMS), 5000).tolist()
    scores = fitted.score(Cases.of(Histories.of([long, long[-50:]])))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-5)
    assert np.isfinite(scores).all()


def test_an_item_without_triples_is_ranked_by_its_token(trained: tuple[SequenceBackend, Any]) -> None:
    fitted, _ = trained
    unlinked = ITEMS - 1
    assert np.diff(fitted.fitted.knowledge.trees.indptr)[unlinked] == 0
    scores = fitted.score(Cases.of(Histories.of([[ITEMS - 4, ITEMS - 3, ITEMS - 2]])))
    assert np.isfinite(scores).all()
    assert scores[0, unlinked] > np.median(scores[0])


@pytest.mark.train
@pytest.mark.parametrize("held", [1, 8 * ITEMS * 3, 2**20])
def test_the_loss_in_parts_is_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    """Loss and gradients equal those of the plain cross entropy over all scores, whatever the size of a block."""
    fitted = backend(knowledge="facts")
    fitted.fit(chain_task(tmp_path, LONG))
    model = fitted.fitted.model.eval()
    draw = np.random.default_rng(1)
    items = torch.from_numpy(draw.integers(0, ITEMS, (7, 8)))
    labels = torch.from_numpy(draw.integers(0, ITEMS, (7, 8)))
    labels[0], labels[1, 3:], items[1, 3:] = -100, -100, -1
    words = torch.tensor(fitted.fitted.prefix_tokens[:1], dtype=torch.long)
    monkeypatch.setattr(catalogue_loss, "MAX_SCORES", held)
    plain = nn.functional.cross_entropy(model(items, words)["logits"].flatten(0, 1), labels.flatten())
    found = []
    for loss in (plain, model(items, words, labels)["loss"], 0.5 * model(items, words, labels, 2)["loss"]):
        model.zero_grad()
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((loss.detach(), gradients))
    (whole, expected), (parts, gradients), (scaled, larger) = found
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(scaled, whole * (labels >= 0).sum() / 4)
    assert gradients.keys() == expected.keys() == larger.keys()
    for name in expected:
        torch.testing.assert_close(gradients[name], expected[name], msg=name)
        torch.testing.assert_close(larger[name], expected[name] * (labels >= 0).sum() / 4, msg=name)


@pytest.mark.train
def test_trees_are_encoded_once_and_stored(tmp_path: Path) -> None:
    fitted = backend(knowledge="tree", trees_per_step=4)
    fitted.fit(chain_task(tmp_path, LONG))
    state = fitted.fitted
    assert isinstance(state.model.knowledge, TreeEncoder)
    state.current()
    stored = state.model.knowledge.stored.clone()
    read = []
    state.model.tree.t5.encoder.final_layer_norm.register_forward_pre_hook(lambda *_: read.append(1))
    fitted.score(Cases.of(Histories.of([[1, 2], [3, 4]])))
    assert not read, "no tree is encoded for a user"
    state.forget()
    fitted.score(Cases.of(Histories.of([[1, 2], [3, 4]])))
    assert len(read) == 1, "24 trees, one batch, whoever asks"
    torch.testing.assert_close(state.model.knowledge.stored, stored)


@pytest.mark.train
def test_a_trees_vector_is_the_mean_of_its_own_tokens_or_of_all(tmp_path: Path) -> None:
    from kptoolkit.models.t5.sequence.item_encoders import TreeTokens
    from kptoolkit.models.t5.sequence.sequence_state import tree_tensors

    counted: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "own": lambda node: node == 0,
        "tree": lambda node: node >= 0,
    }
    for pooling, counts in counted.items():
        fitted = backend(knowledge="tree", pooling=pooling)
        fitted.fit(chain_task(tmp_path / pooling, LONG))
        state, table = fitted.fitted, fitted.fitted.model.knowledge
        assert isinstance(table, TreeEncoder)
        state.model.eval()
        trees = TreeTokens(**tree_tensors(np.array([1, 2]), state.assembler().assemble(np.array([1, 2]))))
        assert (trees.node > 0).any()
        states = state.model.tree.encode(trees.input_ids, trees.node, trees.parent, trees.whole_word)
        means = [s[counts(node)].mean(dim=0) for s, node in zip(states, trees.node, strict=True)]
        torch.testing.assert_close(table.encode(state.model.tree, trees), table.scale * torch.stack(means))
        (tmp_path / pooling / "saved").mkdir()
        fitted.save(tmp_path / pooling / "saved")
        assert type(fitted).load(tmp_path / pooling / "saved", fitted.options).fitted.parts.pooling == pooling


@pytest.mark.train
def test_over_all_turns_the_encoder_gets_the_gradient_of_the_whole_catalogue(tmp_path: Path) -> None:
    """The weights do not change here: gradients that one cycle accumulates reach the encoder in the next."""
    from kptoolkit.models.t5.sequence.sequence_state import tree_tensors

    fitted = backend(knowledge="tree", trees_per_step=4)
    fitted.fit(chain_task(tmp_path, LONG))
    state = fitted.fitted
    table = state.model.knowledge
    weight: torch.Tensor = state.model.tree.t5.encoder.block[0].layer[0].SelfAttention.q.weight
    assert isinstance(table, TreeEncoder)
    state.encode_catalogue()
    items, labels = torch.tensor([[0, 1, 2]]), torch.tensor([[1, 2, 3]])
    words = torch.tensor(state.prefix_tokens[:1], dtype=torch.long)

    def gradient(*turns: np.ndarray) -> torch.Tensor:
        state.model.zero_grad()
        for rows in turns:
            trees = tree_tensors(rows, state.assembler().assemble(rows))
            state.model(items, words, labels, trees=trees)["loss"].backward()
        assert weight.grad is not None
        return weight.grad.clone()

    state.model(items, words, labels)["loss"].backward()
    assert weight.grad is None or not weight.grad.any(), "no tree, no gradient"
    table.accumulated.zero_()
    whole, turns = gradient(np.arange(ITEMS)), np.array_split(np.random.default_rng(3).permutation(ITEMS), 6)
    assert whole.any()
    assert not table.accumulated.any()
    assert not torch.allclose(gradient(*turns), 6 * whole, rtol=0.1), "later turns have seen more steps"
    torch.testing.assert_close(gradient(*turns), 6 * whole, rtol=1e-3, atol=1e-5)


@pytest.mark.train
def test_every_tree_has_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[int]] = []
    forward = TreeEncoder.forward

    def noted(self: TreeEncoder, tree: Any, tokens: Any, trees: Any) -> torch.Tensor:
        if trees is not None:
            taken.append(trees.items.tolist())
        return forward(self, tree, tokens, trees)

    monkeypatch.setattr(TreeEncoder, "forward", noted)
    monkeypatch.setattr(training, "_report_duration", lambda *_: None)  # it encodes trees too
    fitted = backend(knowledge="tree", trees_per_step=5, buckets=False)
    fitted.fit(chain_task(tmp_path, LONG | {"training.epochs": 5, "training.batch_size": 16}))
    turns = -(-ITEMS // 5)
    assert len(taken) >= 2 * turns
    assert max(map(len, taken)) <= 5
    first, second = (list(chain(*taken[start : start + turns])) for start in (0, turns))
    assert sorted(first) == sorted(second) == list(range(ITEMS))
    assert first != second


@pytest.mark.train
def test_the_encoder_learns_as_much_slower_as_its_gradients_wait(tmp_path: Path) -> None:
    """Adam's first step is the learning rate itself, whatever the gradient."""
    settings: dict[str, Any] = {"training.epochs": 1, "training.batch_size": 1000, "training.warmup_steps": 0}
    settings |= {"training.learning_rate": 0.01, "training.weight_decay": 0.0, "training.weight_average": 0.0}
    settings |= {"tree.degree": 2}
    moved = {}
    for size in (0, 6):
        fitted, task = backend(knowledge="tree", trees_per_step=size), chain_task(tmp_path / str(size), settings)
        set_seed(task.config.training.seed)
        start = build_state(fitted.options, task).model.state_dict()
        fitted.fit(task)
        for part in ("encoder", "decoder"):
            name = f"tree.t5.{part}.block.0.layer.0.SelfAttention.v.weight"
            moved[size, part] = float((fitted.fitted.model.state_dict()[name] - start[name]).abs().max())
    assert moved[0, "decoder"] == pytest.approx(0.01, rel=1e-2) == moved[0, "encoder"]
    assert moved[6, "decoder"] == pytest.approx(0.01, rel=1e-2)
    assert moved[6, "encoder"] == pytest.approx(0.01 * 6 / ITEMS, rel=1e-2)


@pytest.mark.train
def test_no_knowledge_leaves_tokens_alone(tmp_path: Path) -> None:
    fitted = backend()
    fitted.fit(chain_task(tmp_path, LONG, knowledge_change=without_knowledge))
    vectors, knowledge = fitted.fitted.current()
    assert knowledge.abs().sum() == 0
    assert vectors.abs().sum() > 0


@pytest.mark.train
@pytest.mark.parametrize("options", [{}, {"knowledge": "tree"}])
@pytest.mark.parametrize("settings", [{"tree.ranking": "random"}, {"prompts.variants": "epoch"}])
def test_knowledge_that_varies_by_epoch(tmp_path: Path, settings: dict[str, Any], options: dict[str, Any]) -> None:
    task = chain_task(tmp_path, settings | {"training.epochs": 4, "tree.degree": 1})
    first = len(task.knowledge.trees(0).prompt) and len(task.knowledge.pool)
    fitted = backend(**options)
    result = fitted.fit(task)
    assert len(task.knowledge.pool) > first, "later epochs bring new prompts"
    assert np.isfinite(fitted.score(task.split.test)).all()
    trees = fitted.fitted.knowledge.trees
    assert np.array_equal(trees.prompt, task.knowledge.trees(0).prompt), (
        "it ranks by the first epoch's, as it was validated"
    )
    assert task.validate(fitted.score)["NDCG@10"] == pytest.approx(result.best["NDCG@10"])
    fitted.save(tmp_path)
    loaded = SequenceBackend.load(tmp_path, fitted.options)
    np.testing.assert_allclose(loaded.score(task.split.test), fitted.score(task.split.test), rtol=1e-5, atol=1e-5)


@pytest.mark.train
def test_a_prompt_may_begin_with_the_history(tmp_path: Path) -> None:
    """Then there are no words before it."""
    task = chain_task(tmp_path, {"training.epochs": 1})
    pack = replace(task.knowledge.pack, mpp=()).with_mpp("bare", "{{ history }}, then {{ mask }}.")
    task.knowledge.pack = pack
    fitted = backend()
    fitted.fit(task)
    fitted.save(tmp_path)
    loaded = SequenceBackend.load(tmp_path, fitted.options)
    np.testing.assert_allclose(loaded.score(task.split.test), fitted.score(task.split.test), rtol=1e-5, atol=1e-5)


def test_weights_that_are_no_numbers_are_refused(trained: tuple[SequenceBackend, Any], tmp_path: Path) -> None:
    fitted, _ = trained
    weight = fitted.fitted.model.tree.t5.decoder.final_layer_norm.weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight[0] = float("nan")
    fitted.save(tmp_path)
    with torch.no_grad():
        weight.copy_(before)
    with pytest.raises(RunError, match="not numbers"):
        SequenceBackend.load(tmp_path, fitted.options)


def test_vectors_are_saved_with_the_run(trained: tuple[SequenceBackend, Any], tmp_path: Path) -> None:
    fitted, task = trained
    fitted.save(tmp_path)
    loaded = SequenceBackend.load(tmp_path, fitted.options)
    read: list[int] = []
    loaded.fitted.model.tree.t5.encoder.final_layer_norm.register_forward_pre_hook(lambda *_: read.append(1))
    np.testing.assert_allclose(loaded.score(task.split.test), fitted.score(task.split.test), rtol=1e-5, atol=1e-5)
    assert not read


def test_a_name_alone_must_fit(tmp_path: Path) -> None:
    options = {"knowledge": "tree", "tokens": "subword", "vocabulary": 300}
    task = chain_task(tmp_path, {"tree.max_tokens": 8})
    task.catalogue.titles[3] = "A book with a very long title that no budget of eight tokens holds"
    with pytest.raises(PromptTooLongError, match=r"tree\.max_tokens allows 8"):
        backend(**options).fit(task)


@pytest.mark.train
def test_loss_that_is_no_number_names_the_step(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step") as caught:
        backend().fit(chain_task(tmp_path, {"training.learning_rate": 1e30, "training.epochs": 50}))
    assert "best weights so far" in str(caught.value) or "no weights had been evaluated" in str(caught.value)


@pytest.mark.train
@pytest.mark.parametrize(
    "options",
    [{}, {"knowledge": "tree"}, *({"backend": "kp4sr", "index": index} for index in INDEXES)],
    ids=["facts", "tree", *INDEXES],
)
def test_a_catalogue_of_one(tmp_path: Path, options: dict[str, Any]) -> None:
    """All users read the one book repeatedly, and it is recommended."""
    task = chain_task(tmp_path, {"training.epochs": 2})
    one = Histories.of([[0] * 5] * 3)
    cases = Cases.of(Histories.of([[0, 0]]), np.array([0]))
    split = type(task.split)(task.split.name, one, cases, cases, task.split.report)
    old, known = task.catalogue, task.knowledge
    catalogue = Catalogue(old.item_ids[:1], old.titles[:1], old.entity_ids[:1])
    around = replace(known.neighbourhoods, roots=known.neighbourhoods.roots[:1])
    source = KnowledgeSource(around, catalogue, known.pack, known.tree, known.prompts, known.max_degree)
    fitted: Any = untrained(SMALL | options)
    validate_one: Any = lambda score: {"NDCG@10": float(score(cases)[0, 0] == 0)}  # noqa: E731
    changes = {"split": split, "catalogue": catalogue, "knowledge": source, "validate": validate_one}
    fitted.fit(replace(task, **changes))
    scores = fitted.score(cases)
    if "backend" in options:  # among the other tokens there are
        assert scores.shape == (1, 1)
        assert np.isfinite(scores).all()
        items, _ = fitted.beam_search(cases, 2)
        assert items.tolist() == [[-1, -1]], "it was read already"
    else:
        assert scores.tolist() == [[0.0]]


@pytest.mark.cuda
@pytest.mark.train
@pytest.mark.parametrize("options", list(VARIANTS.values()), ids=list(VARIANTS))
def test_bf16_on_cuda_is_near_fp32(tmp_path: Path, options: dict[str, Any]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = {}
    for precision in ("fp32", "bf16"):
        settings = {"training.precision": precision, "training.epochs": 4, "training.learning_rate": 1e-3}
        backend(**options).fit(chain_task(tmp_path / precision, LONG | settings | {"training.eval_every": 4}))
        found[precision] = losses(tmp_path / precision)
    assert len(found["bf16"]) == 4
    assert found["fp32"][-1] < found["fp32"][0], "it learns"
    np.testing.assert_allclose(found["bf16"], found["fp32"], rtol=0.02)
    assert found["bf16"] != found["fp32"]


def test_no_beam_search(trained: tuple[SequenceBackend, Any]) -> None:
    fitted, _ = trained
    assert not isinstance(fitted, BeamSearch)
    with pytest.raises(InputError, match=r"backend 'sequence' offers no beam search; .*model\.backend = 'kp4sr'"):
        beam_search_of(fitted)


def test_a_new_item_is_ranked_without_training(trained: tuple[SequenceBackend, Any], tmp_path: Path) -> None:
    """Its facts are those of item 12; users whose next item is item 12 get it above the median."""
    fitted, task = trained
    fitted.save(tmp_path)
    grown = SequenceBackend.load(tmp_path, fitted.options)
    old = grown.score(Cases.of(Histories.of([[9, 10, 11]])))
    grown.extend(*extended(task, 12))
    scores = grown.score(Cases.of(Histories.of([[9, 10, 11], [8, 9, 10, 11]])))
    assert scores.shape == (2, ITEMS + 1)
    assert (scores[:, ITEMS] > np.median(scores, axis=1)).all()
    gone = scores[0, :ITEMS] - np.logaddexp.reduce(scores[0, :ITEMS])
    np.testing.assert_allclose(gone, old[0], atol=0.2, err_msg="the others keep their places")
    folder = tmp_path / "again"
    folder.mkdir()
    grown.save(folder)
    again = SequenceBackend.load(folder, fitted.options)
    np.testing.assert_allclose(again.score(Cases.of(Histories.of([[9, 10, 11], [8, 9, 10, 11]]))), scores, atol=1e-5)


def test_padding_changes_nothing(trained: tuple[SequenceBackend, Any]) -> None:
    fitted, _ = trained
    rows = padded(Histories.of([[1, 2], [4, 5, 6, 7]]), 50)
    assert rows.tolist() == [[1, 2, -1, -1], [4, 5, 6, 7]]
    state = fitted.fitted
    state.current()
    with torch.inference_mode():
        words = torch.tensor(state.prefix_tokens[:1], dtype=torch.long)
        together = state.model(torch.from_numpy(rows), words)["logits"][0, :2]
        alone = state.model(torch.from_numpy(rows[:1, :2]), words)["logits"][0]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
