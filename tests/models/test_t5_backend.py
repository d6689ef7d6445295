"""The backend `kp4sr`, and what both backends share: conformance suite, checkpoints, resume, beams, tokenizers."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_sequence import scores_at_every_place
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)
from worlds.marks import needs
from worlds.training import learned, losses, train, untrained

from kptoolkit.config import validate
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import ConfigError, DataError, PromptTooLongError, RunError, TrainingError
from kptoolkit.models import backend_class, options_class
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer
from kptoolkit.models.t5.tree_t5 import untie
from kptoolkit.progress import ProgressEvent
from kptoolkit.prompts import Segment
from kptoolkit.testing.backend_suite import BackendSuite
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SMALL: dict[str, Any] = {"d_model": 32, "heads": 2, "layers": 1, "dropout": 0.0}
LONG = {
    "training.epochs": 30,
    "training.eval_every": 15,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 10,
    "tree.degree": 1,
}


@pytest.mark.train
class TestT5Phrases(BackendSuite):
    backend = Kp4srBackend
    options = SMALL
    settings = LONG


@pytest.mark.train
class TestT5Subwords(BackendSuite):
    backend = Kp4srBackend
    options = SMALL | {"tokens": "subword", "vocabulary": 600}
    settings = LONG


def backend(**options: Any) -> Kp4srBackend:
    return Kp4srBackend(validate(Kp4srBackend.Options, SMALL | options, "model"))


@pytest.fixture(scope="module")
@needs("train")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kp4srBackend, Any]:
    task = chain_task(tmp_path_factory.mktemp("trained"), LONG)
    fitted = backend()
    fitted.fit(task)
    return fitted, task


@pytest.mark.parametrize("name", ["kp4sr", "sequence"])
def test_histories_of_one_item_have_no_next_item_to_learn(tmp_path: Path, name: str) -> None:
    task = chain_task(tmp_path, LONG)
    ones = Histories.of([history[:1] for history in (task.split.train[row] for row in range(len(task.split.train)))])
    with pytest.raises(DataError, match="no user has 2 training events"):
        untrained(SMALL | {"backend": name}).fit(replace(task, split=replace(task.split, train=ones)))


FAMILY = {
    "t5": (T5Config, T5ForConditionalGeneration),
    "untied": (T5Config, T5ForConditionalGeneration),
    "mt5": (MT5Config, MT5ForConditionalGeneration),
    "umt5": (UMT5Config, UMT5ForConditionalGeneration),
}


@pytest.fixture(scope="module", params=list(FAMILY))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of the T5 family with its tokenizer, as from_pretrained reads it."""
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = SubwordTokenizer.train(["a Book 1 was written by an Author 2", "user 1 has read books"], 400)
    tokenizer.save(folder)
    torch.manual_seed(3)
    untied = {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"} if request.param == "untied" else {}
    config_class, model_class = FAMILY[request.param]
    config = config_class(
        vocab_size=tokenizer.size + 20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_decoder_layers=2, num_heads=2,
        **untied, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = model_class(config)
    if request.param == "untied":
        untie(model, torch.randn(config.vocab_size, config.d_model))  # as published: both tables are in the file
    model.save_pretrained(folder)
    return folder


@pytest.mark.train
@pytest.mark.parametrize("name", ["kp4sr", "sequence"])
def test_trains_from_a_checkpoint_folder(checkpoint: Path, tmp_path: Path, name: str) -> None:
    fitted = untrained(SMALL | {"backend": name, "checkpoint": str(checkpoint)})
    result = fitted.fit(chain_task(tmp_path / "run", {"training.epochs": 1, "tree.degree": 1, "tree.hops": 1}))
    assert result.best["NDCG@10"] >= 0
    state: Any = fitted.fitted
    t5 = (state.model if name == "kp4sr" else state.model.tree).t5
    assert len(t5.get_input_embeddings().weight) >= state.tokenizer.size + ITEMS
    (tmp_path / "saved").mkdir()
    fitted.save(tmp_path / "saved")
    kind = backend_class(name)
    loaded = kind.load(tmp_path / "saved", validate(options_class(kind), SMALL, "model"))
    cases = chain_task(tmp_path / "again").split.test
    np.testing.assert_allclose(loaded.score(cases), fitted.score(cases), atol=1e-5)
    if name == "sequence":
        assert isinstance(fitted, SequenceBackend)
        reads_trees_of_subwords(fitted, scaled=checkpoint.name.startswith(("t5", "umt5")))


@pytest.mark.train
@pytest.mark.parametrize("index", ["token", "name"])
@pytest.mark.parametrize("checkpoint", ["untied"], indirect=True)
def test_an_output_layer_of_its_own_stays_one(checkpoint: Path, tmp_path: Path, index: str) -> None:
    """T5 v1.1, Flan-T5 and mT5 have one. It grows with the items, and a run with it is read again."""
    with safetensors.safe_open(checkpoint / "model.safetensors", "pt") as file:
        pretrained = file.get_tensor("lm_head.weight")
    fitted = untrained(SMALL | {"backend": "kp4sr", "checkpoint": str(checkpoint), "index": index})
    quiet = {"training.epochs": 1, "training.learning_rate": 1e-9, "tree.degree": 1, "tree.hops": 1}
    fitted.fit(chain_task(tmp_path / "run", quiet))
    state: Any = fitted.fitted
    t5 = state.model.t5
    assert t5.lm_head.weight is not t5.shared.weight
    words = min(len(pretrained), state.tokenizer.size)
    torch.testing.assert_close(t5.lm_head.weight[:words].detach(), pretrained[:words], atol=1e-4, rtol=0)
    (tmp_path / "saved").mkdir()
    fitted.save(tmp_path / "saved")
    kind = backend_class("kp4sr")
    loaded = kind.load(tmp_path / "saved", validate(options_class(kind), SMALL | {"index": index}, "model"))
    cases = chain_task(tmp_path / "again").split.test
    np.testing.assert_allclose(loaded.score(cases), fitted.score(cases), atol=1e-5)


def reads_trees_of_subwords(fitted: SequenceBackend, *, scaled: bool) -> None:
    """The last layer alone, or all of them where each has a bias of its own, gives the scores of training."""
    state: Any = fitted.fitted
    assert state.parts.reads == "tree"
    assert isinstance(state.tokenizer, SubwordTokenizer)
    assert state.model.output_scale == (state.model.tree.config.d_model**-0.5 if scaled else 1)
    histories = [[0, 1, 2], [7], [5, 6, 7, 8, 9, 10]]
    ranked = fitted.score(Cases.of(Histories.of(histories)))
    for row, history in enumerate(histories):
        expected = scores_at_every_place(fitted, history)[-1].log_softmax(-1).numpy()
        np.testing.assert_allclose(ranked[row], expected, rtol=0, atol=1e-4)
    assert np.ptp(ranked, axis=0).max() > 0.01, "what was read counts"


def test_unknown_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no-such-checkpoint"):
        backend(checkpoint=str(tmp_path / "no-such-checkpoint")).fit(chain_task(tmp_path))


def test_phrase_tokens_are_not_for_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.tokens"):
        backend(checkpoint=str(checkpoint), tokens="phrase").fit(chain_task(tmp_path))


def test_width_must_divide_by_heads(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.d_model"):
        backend(d_model=30, heads=4).fit(chain_task(tmp_path))


@pytest.mark.train
def test_progress_tensorboard_and_early_stopping(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    settings = {"training.epochs": 200, "training.patience": 2, "training.learning_rate": 1e-9}
    result = backend().fit(chain_task(tmp_path, settings, progress=events.append))
    assert result.epochs < 200, "two evaluations without gain end the training"
    assert any("loss" in event.info and "valid NDCG@10" in event.info for event in events)
    assert list((tmp_path / "tensorboard").rglob("events.*"))


@pytest.mark.train
def test_time_limit(tmp_path: Path) -> None:
    result = backend().fit(chain_task(tmp_path, {"training.epochs": 10_000, "training.max_minutes": 0.02}))
    assert 0 < result.epochs < 10_000
    assert "NDCG@10" in result.best


class Stop(Exception):
    """Raised in mid-epoch, as Ctrl-C would be."""


@pytest.mark.train
@pytest.mark.parametrize("buckets", [True, pytest.param(False, marks=pytest.mark.long)])
def test_resume_in_mid_epoch_equals_the_uninterrupted_run(tmp_path: Path, buckets: bool) -> None:
    settings = {"training.epochs": 6, "training.eval_every": 2}
    whole = backend(dropout=0.2, buckets=buckets)
    whole.fit(chain_task(tmp_path / "whole", settings))

    def stop(event: ProgressEvent) -> None:
        if event.done >= 18:
            raise Stop

    with pytest.raises(Stop):
        backend(dropout=0.2, buckets=buckets).fit(chain_task(tmp_path / "cut", settings, progress=stop))
    resumed = backend(dropout=0.2, buckets=buckets)
    resumed.fit(chain_task(tmp_path / "cut", settings, resume=True))
    for name, weight in whole.fitted.model.state_dict().items():
        torch.testing.assert_close(resumed.fitted.model.state_dict()[name], weight, msg=name)


@pytest.mark.train
def test_checkpoints_hold_no_pickled_arguments(tmp_path: Path) -> None:
    backend().fit(chain_task(tmp_path))
    assert not list(tmp_path.rglob("training_args.bin"))


@pytest.mark.train
def test_loss_that_is_no_number_names_the_step(tmp_path: Path) -> None:
    steps: list[int] = []
    task = chain_task(
        tmp_path,
        {"training.learning_rate": 1e30, "training.epochs": 50},
        progress=lambda event: steps.append(event.done),
    )
    with pytest.raises(TrainingError, match="no weights had been evaluated") as caught:
        backend().fit(task)
    assert f"at step {steps[-1] + 1};" in str(caught.value), "in the middle of an epoch, not at its end"
    assert not list(tmp_path.glob("checkpoints/*"))


@pytest.mark.train
def test_loss_that_is_no_number_keeps_the_best_weights(tmp_path: Path) -> None:
    """Four steps per epoch; after the sixth a weight is set to NaN."""
    fitted = backend()

    def spoil(event: ProgressEvent) -> None:
        if event.done == 6:
            with torch.no_grad():
                fitted.fitted.model.whole_word.weight[1, 0] = float("nan")

    with pytest.raises(TrainingError, match=r"not a number at step 7; lower training\.learning_rate") as caught:
        fitted.fit(chain_task(tmp_path, {"training.epochs": 4}, progress=spoil))
    best = Path(str(caught.value).rpartition(" kept in ")[2])
    assert best == tmp_path / "checkpoints" / "checkpoint-4"
    weights = safetensors.torch.load_file(best / "model.safetensors")
    assert weights
    assert all(bool(weight.isfinite().all()) for weight in weights.values())


@pytest.mark.train
def test_scores_that_are_no_numbers_name_the_step(tmp_path: Path) -> None:
    """The weights are set to NaN in the last step before an evaluation."""
    fitted = backend()

    def spoil(event: ProgressEvent) -> None:
        if event.done == 8:
            with torch.no_grad():
                fitted.fitted.model.whole_word.weight[1, 0] = float("nan")

    settings = {"training.epochs": 4, "training.weight_average": 0.0}  # an average would not have the spoilt weight yet
    with pytest.raises(TrainingError, match=r"after step 8, case \d+: .* not numbers.*kept in .*checkpoint-4"):
        fitted.fit(chain_task(tmp_path, settings, progress=spoil))


BF16 = {
    "facts": {},
    "trees in turns": {"knowledge": "tree", "trees_per_step": 8},
    "kp4sr": {"backend": "kp4sr"},
}


@pytest.mark.train
@pytest.mark.parametrize("options", list(BF16.values()), ids=list(BF16))
def test_bf16_trains_as_fp32_does(tmp_path: Path, options: dict[str, Any]) -> None:
    found: dict[str, list[float]] = {}
    for precision in ("fp32", "bf16"):
        settings = {"training.precision": precision, "training.epochs": 4, "tree.degree": 1}
        train(tmp_path / precision, settings, options)
        found[precision] = losses(tmp_path / precision)
        weights, _ = learned(tmp_path / precision)
        assert all(weight.dtype == torch.float32 for weight in weights.values()), "the weights stay whole"
    assert len(found["bf16"]) == 4
    assert np.isfinite(found["bf16"]).all()
    np.testing.assert_allclose(found["bf16"], found["fp32"], rtol=0.02)
    assert found["bf16"] != found["fp32"]


def test_weights_that_are_no_numbers_are_refused(trained: tuple[Kp4srBackend, Any], tmp_path: Path) -> None:
    fitted, _ = trained
    table = fitted.fitted.model.whole_word.weight
    before = table.detach().clone()
    with torch.no_grad():
        table[3, 0] = float("nan")
    fitted.save(tmp_path)
    with torch.no_grad():
        table.copy_(before)
    with pytest.raises(RunError, match="not numbers"):
        Kp4srBackend.load(tmp_path, validate(Kp4srBackend.Options, SMALL, "model"))


def test_beam_search_finds_the_ranking(trained: tuple[Kp4srBackend, Any]) -> None:
    fitted, task = trained
    cases = task.split.test.take(np.arange(12))
    found, scores = fitted.beam_search(cases, 10, beams=15)
    ranked = fitted.score(cases)
    for row in range(len(cases)):
        history = cases.histories[row]
        assert not set(found[row]) & set(history), "items of the history are not offered"
        assert len(set(found[row])) == 10, "every beam is another item"
        ranked[row, history] = -np.inf
        best = np.argsort(-ranked[row], kind="stable")[:3]
        assert found[row, 0] == best[0]
        assert set(best) <= set(found[row]), "the best of the ranking are among the beams"
    assert (np.diff(scores, axis=1) <= 1e-6).all()


def test_beam_search_with_fewer_items_than_beams(trained: tuple[Kp4srBackend, Any]) -> None:
    fitted, task = trained
    cases = task.split.test.take(np.arange(2))
    outside = ITEMS - len(cases.histories[0])
    found, scores = fitted.beam_search(cases, 40, beams=40)
    assert sorted(found[0][:outside]) == sorted(set(range(ITEMS)) - set(cases.histories[0]))
    assert (found[0][outside:] == -1).all()
    assert np.isinf(scores[0][outside:]).all()


def test_beam_search_of_one_who_has_read_nearly_all(trained: tuple[Kp4srBackend, Any]) -> None:
    fitted, _ = trained
    cases = Cases.of(Histories.of([list(range(ITEMS - 2)), [0, 1]]))
    found, scores = fitted.beam_search(cases, 10, beams=10)
    assert set(found[0]) == {ITEMS - 2, ITEMS - 1, -1}
    assert len(set(found[1])) == 10
    assert set(found[1]) <= set(range(2, ITEMS)), "one well-read user takes nothing from the others"
    assert np.isfinite(scores[1]).all()


@pytest.mark.train
def test_one_item_alone_must_fit(tmp_path: Path) -> None:
    with pytest.raises(PromptTooLongError, match=r"tree\.max_tokens=8"):
        backend(tokens="subword", vocabulary=600).fit(chain_task(tmp_path, {"tree.max_tokens": 8}))


@pytest.mark.train
@pytest.mark.parametrize("settings", [{"tree.ranking": "random"}, {"prompts.variants": "epoch"}])
def test_knowledge_that_varies_by_epoch(tmp_path: Path, settings: dict[str, Any]) -> None:
    task = chain_task(tmp_path, settings | {"training.epochs": 4, "tree.degree": 1})
    assert task.knowledge.varies
    fitted = backend()
    fitted.fit(task)
    assert len(task.knowledge.pool) > len(fitted.fitted.assembler.knowledge.prompts), "later epochs bring new prompts"


@pytest.mark.parametrize("kind", ["phrase", "subword"])
def test_hostile_names_stay_text(kind: str) -> None:
    segments = (Segment("<extra_id_0></s>", "head"), Segment(" is ", "text"), Segment("{{ mask }}", "tail"))
    if kind == "phrase":
        tokenizer: Any = PhraseTokenizer.build(None, ["is"], {})
    else:
        tokenizer = SubwordTokenizer.train(["is a word"], 400)
    encoded = tokenizer.encode(segments)
    assert not set(encoded.ids.tolist()) & {*tokenizer.sentinels, tokenizer.eos_id, tokenizer.pad_id}
    assert len(encoded.ids) == len(encoded.starts) > 0
    assert encoded.starts[0]


@lru_cache
def subwords_of_cats() -> SubwordTokenizer:
    return SubwordTokenizer.train(["a cat and then the cat"], 120)


@pytest.mark.parametrize("text", ["a cat, zq; zq", "u0001", ", and then ,", "z\u3000 q  a", "\ufb01sh \ufdfa z", ""])
def test_subword_tokens_begin_as_many_words_as_there_are(text: str) -> None:
    """Also where a word's first token is only the mark of the space before it."""
    assert int(subwords_of_cats().encode((Segment(text, "text"),)).starts.sum()) == len(text.split())


@given(st.text(max_size=60) | st.text("a cthen,\u2581</s> ", max_size=60))
def test_subwords_are_those_of_the_tokenizer_itself(text: str) -> None:
    """Also after it was set to truncate its texts."""
    tokenizer = subwords_of_cats()
    plain = text.strip()
    for token in tokenizer.tokenizer.all_special_tokens:
        plain = plain.replace(token, f"{token[0]} {token[1:]}")
    expected = tokenizer.tokenizer(plain, add_special_tokens=False)["input_ids"]
    tokenizer.tokenizer("a cat", truncation=True, max_length=3, padding="max_length")
    assert tokenizer.encode((Segment(text, "text"),)).ids.tolist() == expected


def test_phrase_tokens_are_entities_fragments_and_items() -> None:
    tokenizer = PhraseTokenizer(["was written by"], ["author:1"], {"book:1": 0})
    segments = (Segment("Emma", "head"), Segment(" was written by ", "text"), Segment("Jane Austen", "tail"))
    ids = tokenizer.encode(segments, ("book:1", "author:1")).ids.tolist()
    assert ids == [tokenizer.size, 5, 6]
    assert len(tokenizer.encode(segments, ("book:2", "author:1")).ids) > 3, "an entity unknown to it is spelled"
