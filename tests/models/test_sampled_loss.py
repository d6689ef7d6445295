"""The loss over a sample of the items: an estimate of the loss over all, only for catalogues that are large enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from worlds.training import untrained

from kptoolkit.models.t5.catalogue_loss import catalogue_loss
from kptoolkit.models.t5.kp4sr.kp4sr_state import Kp4srState
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SIZE, WIDTH, PLACES = 400, 8, 30


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States, vectors and targets, some of them repeated."""
    torch.manual_seed(0)
    states, vectors = torch.randn(PLACES, WIDTH), torch.randn(SIZE, WIDTH)
    return states.requires_grad_(), vectors.requires_grad_(), torch.randint(0, 20, (PLACES,))


@pytest.mark.parametrize("negatives", [0, SIZE // 2, SIZE, 10 * SIZE])
def test_a_small_catalogue_is_not_sampled(negatives: int) -> None:
    states, vectors, targets = example()
    plain = torch.nn.functional.cross_entropy(states @ vectors.T, targets)
    torch.testing.assert_close(catalogue_loss(states, vectors, targets, PLACES, negatives), plain)


def test_the_mean_over_many_samples_is_the_loss_and_its_gradient() -> None:
    states, vectors, targets = example()
    whole = torch.autograd.grad(catalogue_loss(states, vectors, targets, 1), [states, vectors])
    plain = float(catalogue_loss(states, vectors, targets, 1).detach())
    losses, gradients = [], [torch.zeros_like(states), torch.zeros_like(vectors)]
    for _ in range(400):
        loss = catalogue_loss(states, vectors, targets, 1, 150)
        losses.append(float(loss.detach()))
        for total, gradient in zip(gradients, torch.autograd.grad(loss, [states, vectors]), strict=True):
            total += gradient / 400
    assert np.mean(losses) == pytest.approx(plain, rel=0.02)
    assert np.std(losses) > 0, "each step draws again"
    for found, expected in zip(gradients, whole, strict=True):
        assert torch.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.97
        assert float(found.norm()) == pytest.approx(float(expected.norm()), rel=0.05)


def test_a_target_is_never_its_own_negative() -> None:
    """With one state along one target, the loss of a sample is that of the target and of the items drawn."""
    vectors = torch.zeros(SIZE, 2)
    vectors[3, 0] = 50.0
    for _ in range(50):
        loss = catalogue_loss(torch.tensor([[1.0, 0.0]]), vectors, torch.tensor([3]), 1, 100)
        assert float(loss) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.train
def test_a_model_learns_from_a_sample(tmp_path: Path) -> None:
    """Nearly as well as from all items; evaluation always ranks all of them."""
    ranks = {}
    for negatives in (0, ITEMS // 3):
        settings = {"training.epochs": 12, "training.learning_rate": 0.01, "training.eval_every": 4}
        fitted = untrained({"d_model": 16, "heads": 2, "layers": 1, "negatives": negatives})
        result = fitted.fit(chain_task(tmp_path / str(negatives), settings))
        ranks[negatives] = max(row["eval_NDCG@10"] for row in result.history)
    assert ranks[ITEMS // 3] > 0.75 * ranks[0]
    assert ranks[ITEMS // 3] > 0.3


@pytest.mark.train
def test_kp4sr_draws_in_training_alone(tmp_path: Path) -> None:
    fitted = untrained({"backend": "kp4sr", "d_model": 16, "heads": 2, "layers": 1, "negatives": 4})
    result = fitted.fit(chain_task(tmp_path, {"training.epochs": 1}))
    assert np.isfinite(result.history[-1]["loss"])
    state = fitted.fitted
    assert isinstance(state, Kp4srState)
    assert state.model.negatives == 4
    states, weights = torch.randn(3, 16), state.model.t5.lm_head.weight
    losses = {float(catalogue_loss(states, weights, torch.tensor([1, 2, 3]), 1, 4).detach()) for _ in range(5)}
    assert len(losses) > 1
