"""KL estimators against the closed form, summed over whole small distributions: no sampling noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from actors.rl.algorithms.kl import k1, k2, k3


def two_distributions(seed: int, distance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of p and q over 12 symbols."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(12, generator=generator, dtype=torch.float64)
    other = logits + distance * torch.randn(12, generator=generator, dtype=torch.float64)
    return logits.log_softmax(0), other.log_softmax(0)


def exact_kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p.exp() * (p - q)).sum()


@pytest.mark.parametrize("estimate", [k1, k3])
@pytest.mark.parametrize("distance", [0.1, 1.0, 3.0])
def test_k1_and_k3_average_to_the_exact_divergence(estimate, distance):
    p, q = two_distributions(0, distance)
    expected = (p.exp() * estimate(p, q)).sum()
    torch.testing.assert_close(expected, exact_kl(p, q))


def test_k3_is_never_negative_where_k1_is():
    p, q = two_distributions(1, 2.0)
    assert (k1(p, q) < 0).any()
    assert (k3(p, q) >= 0).all()


def test_k3_varies_less_than_k1_between_near_distributions():
    p, q = two_distributions(2, 0.1)

    def deviation(values: torch.Tensor) -> float:
        mean = (p.exp() * values).sum()
        return float((p.exp() * (values - mean) ** 2).sum().sqrt())

    assert deviation(k3(p, q)) < deviation(k1(p, q)) / 5


def gradient(loss_of: Callable[[torch.Tensor], torch.Tensor], logits: torch.Tensor) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss_of(logits.log_softmax(0)), logits)[0]


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_k2_averages_to_that_of_the_exact_divergence(seed):
    """What makes k2 right as a loss: samples are drawn from p, the gradient goes through log p only."""
    logits, q = two_distributions(seed, 1.5)
    exact = gradient(lambda p: exact_kl(p, q), logits)
    torch.testing.assert_close(gradient(lambda p: (p.detach().exp() * k2(p, q)).sum(), logits), exact)
    assert exact.abs().max() > 0.01


def test_k1_as_a_loss_would_push_nowhere():
    logits, q = two_distributions(0, 1.5)
    found = gradient(lambda p: (p.detach().exp() * k1(p, q)).sum(), logits)
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-12, rtol=0)
