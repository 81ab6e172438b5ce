"""How much better an answer is than the others to the same prompt. No value model is needed.

Every estimator maps rewards [prompts, samples] to advantages of the same shape, float32.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Advantage = Callable[[Tensor], Tensor]


def group_relative(rewards: Tensor) -> Tensor:
    """GRPO: the distance to the group's mean in its standard deviations (Shao et al. 2024, DeepSeekMath).

    1e-4 keeps a group of equal rewards near zero (TRL's value).
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, correction=0, keepdim=True) + 1e-4)


def leave_one_out(rewards: Tensor) -> Tensor:
    """RLOO: the distance to the mean of the *other* samples, hence an unbiased baseline (Ahmadian et al. 2024)."""
    samples = rewards.shape[1]
    return (rewards - rewards.mean(dim=1, keepdim=True)) * samples / (samples - 1)


ADVANTAGES: dict[str, Advantage] = {"grpo": group_relative, "rloo": leave_one_out}
