"""Estimators of the distance between policy and reference from samples of the policy.

For a token x ~ p with r = log p(x) - log q(x): k1 = r is unbiased for KL(p || q), k2 = r^2 / 2 is biased but
its gradient is unbiased for that of KL(p || q), k3 = exp(-r) - 1 + r is unbiased and never negative.
k1 must not be differentiated as a loss: the mean of its gradient is zero (the score has mean zero).
Source: Schulman 2020, "Approximating KL Divergence"; Tang and Munos 2025 for the gradients.

All take and give float32 tensors of any one shape, nats per token.
"""

from __future__ import annotations

from torch import Tensor


def k1(logp: Tensor, reference: Tensor) -> Tensor:
    """log p - log q: what a KL penalty inside the reward subtracts."""
    return logp - reference


def k2(logp: Tensor, reference: Tensor) -> Tensor:
    """(log p - log q)^2 / 2: the KL penalty as a loss."""
    return (logp - reference).square() / 2


def k3(logp: Tensor, reference: Tensor) -> Tensor:
    """q/p - 1 - log(q/p): what is tracked, since its mean over few tokens varies least."""
    difference = reference - logp
    return difference.exp() - 1 - difference
