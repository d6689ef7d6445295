"""Options that make training faster or smaller change speed or memory, and no result."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_plain_t5 import VOCABULARY, built, padded, random_tree
from transformers import set_seed

from kptoolkit.config import TrainingConfig, validate
from kptoolkit.data.buckets import bucketed
from kptoolkit.errors import ConfigError
from kptoolkit.models.t5.flex import tree_block_mask, use_flex
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.models.t5.sequence.sequence_state import build_state, tree_tensors
from kptoolkit.models.t5.tree_t5 import TreeT5, freeze_relative_bias, remove_dropout
from kptoolkit.models.training import Epochs, ProcessBatches, train
from kptoolkit.models.tree_mask import visible
from kptoolkit.progress import silent
from kptoolkit.testing.small_worlds import chain_task

SMALL: dict[str, Any] = {"d_model": 32, "heads": 2, "layers": 1, "dropout": 0.1}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def backend(**options: Any) -> Kp4srBackend:
    return Kp4srBackend(validate(Kp4srBackend.Options, SMALL | options, "model"))


def batch(seed: int = 0, count: int = 4) -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(seed)
    tensors = padded([random_tree(generator) for _ in range(count)], generator)
    return tensors | {"labels": torch.from_numpy(generator.integers(0, VOCABULARY, (count, 3)))}


def gradients(net: torch.nn.Module, tensors: dict[str, Any]) -> tuple[float, dict[str, torch.Tensor], int]:
    """Loss, gradients, and bytes stored for the backward pass, of one step with dropout."""
    stored: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        stored[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(7)
    net.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(**tensors)["loss"]
    loss.backward()
    found = {name: weight.grad.clone() for name, weight in net.named_parameters() if weight.grad is not None}
    return loss.item(), found, sum(stored.values())


@pytest.mark.parametrize("kind", ["t5", "umt5"])
def test_checkpointing_changes_neither_loss_nor_gradients_and_stores_less(kind: str) -> None:
    net, _ = built(kind, "sdpa")
    other, tensors = copy.deepcopy(net), batch()
    other.t5.activation_checkpointing_enable()
    loss, plain, stored = gradients(net, tensors)
    again, checkpointed, stored_less = gradients(other, tensors)
    assert loss == pytest.approx(again, abs=1e-6)
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert stored_less < stored / 2


@pytest.mark.parametrize("knowledge", ["facts", "tree"])
def test_checkpointing_changes_nothing_for_sequence_but_memory(tmp_path: Path, knowledge: str) -> None:
    found = []
    for checkpointing in (False, True):
        task = chain_task(tmp_path / str(checkpointing), {"tree.degree": 1})
        options = {"knowledge": knowledge, "layers": 2, "decoder_layers": 2, "gradient_checkpointing": checkpointing}
        set_seed(5)
        state = build_state(validate(SequenceBackend.Options, SMALL | options, "model"), task)
        items, rows = torch.arange(20).view(2, 10), np.arange(state.model.n_items)
        tensors: dict[str, Any] = {
            "items": items,
            "labels": items + 1,
            "prefix_tokens": torch.tensor(state.prefix_tokens[:2]),
        }
        if knowledge == "tree":
            tensors["trees"] = tree_tensors(rows, state.assembler().assemble(rows))
        found.append(gradients(state.model, tensors))
    (loss, plain, stored), (again, checkpointed, stored_less) = found
    assert loss == pytest.approx(again, abs=1e-6)
    part = "tree.t5.decoder" if knowledge == "facts" else "tree.t5.encoder"
    assert plain[f"{part}.block.1.layer.0.SelfAttention.q.weight"].any()
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert stored_less < 0.9 * stored


@pytest.mark.train
def test_checkpointing_is_an_option(tmp_path: Path) -> None:
    fitted = backend(gradient_checkpointing=True)
    fitted.fit(chain_task(tmp_path / "with"))
    stacks = fitted.fitted.model.t5
    assert stacks.encoder.gradient_checkpointing
    assert stacks.decoder.gradient_checkpointing
    plain = backend()
    plain.fit(chain_task(tmp_path / "without"))
    cases = chain_task(tmp_path / "cases").split.test
    np.testing.assert_allclose(fitted.score(cases), plain.score(cases), atol=1e-3)


@pytest.mark.parametrize("kind", ["t5", "umt5"])
def test_frozen_bias_has_no_gradient_and_the_mask_asks_for_none(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, _ = built(kind, "sdpa")
    tensors, masks, attend = batch(), [], torch.nn.functional.scaled_dot_product_attention

    def watch(*inputs: Any, **named: Any) -> torch.Tensor:
        masks.append(named["attn_mask"])
        return attend(*inputs, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watch)
    _, learnt, _ = gradients(net, tensors)
    length = tensors["node"].shape[1]
    of_encoder = [mask for mask in masks if mask.shape[2] == length]
    assert of_encoder
    assert all(mask.requires_grad for mask in of_encoder)
    masks.clear()
    net.zero_grad()
    freeze_relative_bias(net.t5)
    _, frozen, _ = gradients(net, tensors)
    assert not any(mask.requires_grad for mask in masks if mask.shape[2] == length)
    left = learnt.keys() - frozen.keys()
    assert left
    assert all("encoder" in name and "relative_attention_bias" in name for name in left)
    for name, gradient in frozen.items():
        torch.testing.assert_close(gradient, learnt[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", ["t5", "umt5"])
def test_an_encoder_whose_states_are_stored_has_no_dropout(kind: str) -> None:
    net, _ = built(kind, "sdpa")
    tensors = batch()
    net.t5.config.dropout_rate = 0.5
    for module in net.t5.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
        if hasattr(module, "compute_bias"):
            module.dropout = 0.5
    net.train()
    read = [tensors[name] for name in ("input_ids", "node", "parent", "whole_word")]
    assert not torch.equal(net.encode(*read), net.encode(*read))
    remove_dropout(net.t5.encoder)
    assert torch.equal(net.encode(*read), net.encode(*read))


@pytest.mark.train
def test_frozen_bias_stays_as_it_starts(tmp_path: Path) -> None:
    biases = {}
    for kind in ("learnt", "frozen"):
        for epochs in (1, 3):
            fitted = backend(relative_bias=kind)
            fitted.fit(chain_task(tmp_path / f"{kind}{epochs}", {"training.epochs": epochs}))
            layer = fitted.fitted.model.t5.encoder.block[0].layer[0].SelfAttention
            biases[kind, epochs] = layer.relative_attention_bias.weight.detach()
    assert torch.equal(biases["frozen", 1], biases["frozen", 3])
    assert not torch.equal(biases["learnt", 1], biases["learnt", 3])


LENGTHS = np.random.default_rng(3).integers(5, 90, 75)


def by_length(epoch: int, together: int) -> np.ndarray:
    return bucketed(LENGTHS, together, np.random.default_rng([1, epoch]))


class Slope(torch.nn.Module):
    """Learns one number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, samples: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": ((self.weight * samples - samples) ** 2).mean() / 5000}


class Stop(Exception):
    """Raised in mid-epoch, as Ctrl-C would be."""


def trained_batches(folder: Path, *, resume: bool = False, stop_after: int | None = None) -> list[list[int]]:
    batches: list[list[int]] = []

    def collate(samples: list[int]) -> dict[str, torch.Tensor]:
        if stop_after is not None and len(batches) == stop_after:
            raise Stop
        batches.append(list(samples))
        return {"samples": torch.tensor(samples, dtype=torch.float32)}

    settings = TrainingConfig(epochs=4, batch_size=8, eval_every=2, accumulation=2)
    data = Epochs(len(LENGTHS), lambda epoch: None, by_length)
    score = iter(range(100))
    train(
        Slope(),
        data,
        collate,
        lambda: {"NDCG@10": float(next(score))},
        settings,
        folder / "checkpoints",
        folder / "tensorboard",
        resume=resume,
        progress=silent,
    )
    return batches


def test_training_takes_the_order_of_every_epoch(tmp_path: Path) -> None:
    batches = trained_batches(tmp_path)
    taken = np.concatenate([np.array(part) for part in batches]).reshape(4, 75)
    for epoch in range(4):
        assert taken[epoch].tolist() == by_length(epoch, 8).tolist()
        assert sorted(taken[epoch]) == list(range(75))
    assert taken[0].tolist() != taken[1].tolist()


def test_resumed_training_continues_in_the_order_of_its_epoch(tmp_path: Path) -> None:
    whole = trained_batches(tmp_path / "whole")
    with pytest.raises(Stop):
        trained_batches(tmp_path / "cut", stop_after=26)
    resumed = trained_batches(tmp_path / "cut", resume=True)
    assert resumed == whole[len(whole) - len(resumed) :]
    assert len(resumed) == 20, "from the checkpoint behind the second epoch"


def test_processes_share_the_batches_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = []
    for process in range(2):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(process))
        batches = ProcessBatches(Epochs(len(LENGTHS), lambda epoch: None, by_length), 8, 0)
        batches.set_epoch(3)
        shards.append(list(batches))
    assert len(shards[0]) == len(shards[1]) == 5
    order = by_length(3, 16).tolist()
    for step, (first, second) in enumerate(zip(*shards, strict=True)):
        assert [*first, *second] == order[step * 16 : step * 16 + 16]


def test_flex_needs_cuda_and_says_what_to_use(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ConfigError, match=r"model\.attention: flex needs CUDA.* use sdpa"):
        backend(attention="flex").fit(chain_task(tmp_path))


def test_flex_drops_no_attention_weights(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.attention_dropout"):
        backend(attention="flex", attention_dropout=True).fit(chain_task(tmp_path))


def test_flex_refuses_narrow_heads(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"width 16 or more, and these have 8"):
        backend(attention="flex", heads=4).fit(chain_task(tmp_path))


@pytest.mark.train
def test_a_run_trained_with_flex_is_read_anywhere(tmp_path: Path) -> None:
    fitted = backend()
    fitted.fit(chain_task(tmp_path / "run"))
    (tmp_path / "saved").mkdir()
    fitted.save(tmp_path / "saved")
    loaded = Kp4srBackend.load(
        tmp_path / "saved", validate(Kp4srBackend.Options, SMALL | {"attention": "flex"}, "model")
    )
    cases = chain_task(tmp_path / "cases").split.test
    np.testing.assert_allclose(loaded.score(cases), fitted.score(cases), atol=1e-3)


@pytest.mark.parametrize("kind", ["t5", "umt5"])
def test_flex_makes_no_square_of_positions(kind: str) -> None:
    net, _ = built(kind, "flex")
    layer = net.t5.encoder.block[0].layer[0].SelfAttention
    bias, plain = layer.compute_bias(5, 5), built(kind, "sdpa")[0].t5.encoder.block[0].layer[0].SelfAttention
    assert bias.shape == (1, 2, 1, 9)
    square = plain.compute_bias(5, 5)
    for query in range(5):
        torch.testing.assert_close(square[0, :, query], bias[0, :, 0, 4 - query : 9 - query])


def long_batch(device: str, count: int = 8) -> dict[str, torch.Tensor]:
    """Prompts of 1,024 tokens, eight blocks of FlexAttention: 64 of the MPP with 8 items, 15 triplets below each."""
    length, triplet = 1024, torch.arange(120).repeat_interleave(8)
    mpp = torch.cat([torch.zeros(48, dtype=torch.long), torch.arange(1, 9).repeat_interleave(2)])
    node = torch.cat([mpp, 9 + triplet])
    parent = torch.cat([torch.where(mpp == 0, -1, 0), 1 + triplet // 15])
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "input_ids": torch.randint(1, VOCABULARY, (count, length), generator=generator),
        "node": node.to(torch.int16).expand(count, -1),
        "parent": parent.to(torch.int16).expand(count, -1),
        "whole_word": torch.arange(1, length + 1).expand(count, -1).clamp(max=1000),
        "decoder_input_ids": torch.randint(0, VOCABULARY, (count, 3), generator=generator),
        "labels": torch.randint(0, VOCABULARY, (count, 3), generator=generator),
    }
    return {name: tensor.to(device).contiguous() for name, tensor in tensors.items()}


def without_dropout(net: TreeT5) -> TreeT5:
    modules: list[Any] = list(net.modules())
    for module in modules:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "relative_attention_num_buckets"):
            module.dropout = 0.0
    return net


@pytest.mark.cuda
@pytest.mark.process  # flex is compiled
@needs_cuda
@pytest.mark.parametrize("kind", ["t5", "umt5"])
def test_flex_on_cuda_has_the_loss_and_gradients_of_sdpa(kind: str) -> None:
    sdpa = without_dropout(built(kind, "sdpa")[0]).cuda()
    flex = copy.deepcopy(sdpa)
    use_flex(flex.t5)
    for tensors in ({name: t.cuda() for name, t in batch().items()}, long_batch("cuda", 2)):
        sdpa.zero_grad()
        flex.zero_grad()
        loss, expected, _ = gradients(sdpa, tensors)
        other, found, _ = gradients(flex, tensors)
        assert other == pytest.approx(loss, abs=1e-3)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=2e-2, atol=2e-3, msg=name)


BF16_DEVICES = [
    ("cpu", "sdpa"),
    pytest.param("cuda", "sdpa", marks=[pytest.mark.cuda, needs_cuda]),
    pytest.param("cuda", "flex", marks=[pytest.mark.cuda, pytest.mark.process, needs_cuda]),
]


@pytest.mark.parametrize(("device", "attention"), BF16_DEVICES)
def test_bf16_is_near_fp32(device: str, attention: str) -> None:
    net = built("unscaled", attention)[0].to(device)
    tensors = {name: tensor.to(device) for name, tensor in batch().items() if name != "labels"}
    with torch.no_grad():
        exact = net(**tensors)["logits"].float().log_softmax(-1)
        with torch.autocast(device, torch.bfloat16):
            rough = net(**tensors)["logits"].float().log_softmax(-1)
    assert (exact - rough).abs().mean() < 0.005 * exact.abs().mean()
    assert not torch.equal(exact, rough)


def peak(net: TreeT5, tensors: dict[str, torch.Tensor]) -> int:
    """Maximum number of bytes in use during one step, after one to warm up."""
    for _ in range(2):
        net.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        with torch.autocast("cuda", torch.bfloat16):
            net(**tensors)["loss"].backward()
        most = torch.cuda.max_memory_allocated() - before
    return most


@pytest.mark.cuda
@pytest.mark.process
@needs_cuda
def test_flex_needs_less_memory_than_sdpa() -> None:
    sdpa = without_dropout(built("t5", "sdpa")[0]).cuda().train()
    flex = copy.deepcopy(sdpa)
    use_flex(flex.t5)
    tensors = long_batch("cuda")
    assert peak(flex, tensors) < peak(sdpa, tensors) / 2


@pytest.mark.cuda
@needs_cuda
def test_checkpointing_needs_less_memory() -> None:
    net = built("t5", "sdpa", layers=8)[0].cuda().train()
    other = copy.deepcopy(net)
    other.t5.activation_checkpointing_enable()
    tensors = {name: tensor.cuda() for name, tensor in batch(count=256).items()}  # short: no mask outweighs the states
    assert peak(other, tensors) < 0.75 * peak(net, tensors)


ON_CUDA = [pytest.mark.cuda, pytest.mark.process, needs_cuda]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_CUDA)])
def test_block_mask_has_the_blocks_of_the_mask(device: str) -> None:
    tensors = long_batch(device, 2)
    blocks = tree_block_mask(tensors["node"], tensors["parent"])
    pairs = visible(tensors["node"], tensors["parent"]).view(2, 8, 128, 8, 128).any(dim=4).any(dim=2)
    assert torch.equal(blocks.to_dense()[:, 0].bool(), pairs)
    assert not pairs.all(), "there are blocks to leave out"
