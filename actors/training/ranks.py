"""What ranks agree on: sums over all of them, and decisions of the first."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist


def total(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Sums over all ranks, in float64. Every rank must call it with the same names."""
    summed = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
    dist.all_reduce(summed)
    return dict(zip(values, summed.tolist(), strict=True))


def agreed(decision: bool, device: torch.device) -> bool:
    """Rank 0's decision on every rank: clocks differ, and a checkpoint needs all ranks at one step."""
    flag = torch.tensor(int(decision), device=device)
    dist.broadcast(flag, src=0)
    return bool(flag)
