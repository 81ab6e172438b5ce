"""AdamW, its learning rate as a pure function of the step, and gradient clipping on sharded gradients."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from actors.settings import OptimiserSettings


def learning_rate(settings: OptimiserSettings, step: int, steps: int) -> float:
    """The rate at `step` (from 0) of `steps`. Pure, so that nothing about it needs saving."""
    peak, low = settings.learning_rate, settings.learning_rate * settings.final
    if step < settings.warmup_steps:
        return peak * (step + 1) / settings.warmup_steps
    if settings.schedule == "cosine":
        passed = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
        return low + (peak - low) * (1 + math.cos(math.pi * passed)) / 2
    falling = max(1, round(steps * settings.decay))
    passed = max(0.0, (step - (steps - falling)) / falling)
    return low + (peak - low) * (1 - math.sqrt(passed))


def make_optimiser(model: nn.Module, settings: OptimiserSettings) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; weight decay on matrices only. Shard the model first."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in parameters if each.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [each for each in parameters if each.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        fused=True,
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def clip_gradients(model: nn.Module, largest: float) -> float:
    """Scale gradients to a global norm of at most `largest`; returns the norm before, over all ranks."""
    norm = nn.utils.clip_grad_norm_(model.parameters(), largest)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
