"""The stages of this folder: tokens to models."""

from __future__ import annotations

from actors.evaluation.settings import EvaluationSettings
from actors.rlhf.settings import RlhfSettings
from cluster.stage import Context, Stage


def aligned(ctx: Context) -> None:
    """Reinforcement learning from the judge's reward, starting at the assistant."""
    from actors.rlhf.align import align

    align(ctx)


def evaluation(ctx: Context) -> None:
    """Held-out likelihood against baselines, reward before and after RLHF, answers side by side."""
    from actors.evaluation.evaluate import evaluate

    evaluate(ctx)


STAGES: tuple[Stage, ...] = (
    Stage("aligned", "rlhf", RlhfSettings, "1", aligned, needs=("assistant", "judge"), deterministic=False),
    Stage(
        "evaluation",
        "evaluation",
        EvaluationSettings,
        "1",
        evaluation,
        needs=("corpus", "base", "assistant", "judge", "aligned"),
        deterministic=False,
    ),
)
