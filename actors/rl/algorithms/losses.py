"""The policy's loss: a pure function of log-probabilities, advantages and a mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from actors.rl.algorithms.kl import k2, k3


@dataclass(frozen=True)
class PolicyLoss:
    """Sums over the tokens of a batch, so that ranks and minibatches add up. `loss` carries the gradient.

    clipped: tokens whose ratio left the clip range on the side that its advantage pushes to.
    truncated: tokens whose importance weight reached the cap. mismatch: sum of |log pi - log mu|.
    kl: sum of k3 to the reference. surprise: sum of -log pi.
    """

    loss: Tensor
    tokens: Tensor
    clipped: Tensor
    truncated: Tensor
    importance: Tensor
    mismatch: Tensor
    kl: Tensor
    surprise: Tensor


def policy_loss(
    logp: Tensor,
    proximal: Tensor,
    behaviour: Tensor,
    reference: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip: float,
    importance_cap: float,
    kl_coefficient: float,
) -> PolicyLoss:
    """Clipped policy gradient with truncated importance weights and a k2 penalty, summed over tokens.

        w * ( -min(r A, clip(r, 1 - clip, 1 + clip) A) + kl_coefficient * k2 )
        r = pi / pi_proximal,  w = min(pi_proximal / mu, importance_cap)

    logp: log pi(x_t | x_<t) now, with gradient. proximal: the same before this batch's first update.
    behaviour: log mu, as the engine that sampled the tokens reported it: it differs from `proximal` by the engine's
    numerics and, one step off-policy, by one update; w corrects both. reference: log-probabilities of the reference.
    All float32 [B, T]; advantages float32 [B]; mask bool [B, T], true on the answer's tokens.
    kl_coefficient: 0 where the KL penalty is part of the reward.

    Sources: Schulman et al. 2017 (clipping); Hilton et al. 2022 (proximal apart from behaviour policy);
    Yao et al. 2025 (truncated importance sampling between trainer and engine).
    """
    proximal, behaviour, reference = (torch.where(mask, each, 0.0) for each in (proximal, behaviour, reference))
    logp = torch.where(mask, logp, 0.0)
    advantage = advantages[:, None]
    ratio = (logp - proximal).exp()
    weight = (proximal - behaviour).exp().clamp(max=importance_cap)
    free, bounded = ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage
    token_loss = weight * (-torch.minimum(free, bounded) + kl_coefficient * k2(logp, reference))

    def total(values: Tensor) -> Tensor:
        return torch.where(mask, values, 0.0).sum()

    now = logp.detach()
    return PolicyLoss(
        loss=total(token_loss),
        tokens=mask.sum(),
        clipped=total((bounded < free).float()),
        truncated=total((weight >= importance_cap).float()),
        importance=total(weight),
        mismatch=total((proximal - behaviour).abs()),
        kl=total(k3(now, reference)),
        surprise=total(-now),
    )
