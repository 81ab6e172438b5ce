"""Log-probabilities of tokens from a model's logits."""

from __future__ import annotations

import torch
from torch import Tensor


def token_logprobs(logits: Tensor, ids: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of each token given those before it, at a sampling temperature.

    logits: [B, T, V]; ids: int64 [B, T]. Returns float32 [B, T]: [:, t] = log p(ids[:, t] | ids[:, :t]), and 0 at t = 0.
    Memory: one more copy of the logits.
    """
    shifted = logits[:, :-1].float() / temperature
    chosen = shifted.gather(2, ids[:, 1:, None]).squeeze(2) - shifted.logsumexp(dim=2)
    return torch.nn.functional.pad(chosen, (1, 0))
