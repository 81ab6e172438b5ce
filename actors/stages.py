"""The stages of this folder: tokens to models."""

from __future__ import annotations

from actors.rlhf.settings import Rlhf
from cluster.stage import Context, Stage


def aligned(ctx: Context) -> None:
    """Reinforcement learning from the judge's reward, starting at the assistant."""
    from actors.rlhf.align import align

    align(ctx)


STAGES: tuple[Stage, ...] = (Stage("aligned", "rlhf", Rlhf, "1", aligned, needs=("assistant", "judge"), deterministic=False),)
