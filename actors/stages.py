"""The stages of this folder: tokens to models."""

from __future__ import annotations

from actors.evaluation.settings import EvaluationSettings
from actors.rlhf.settings import RlhfSettings
from actors.settings import PretrainSettings
from cluster.stage import Context, Stage


def base(ctx: Context) -> None:
    from actors.pretrain import pretrain

    pretrain(ctx)


def aligned(ctx: Context) -> None:
    from actors.rlhf.align import align

    align(ctx)


def evaluation(ctx: Context) -> None:
    from actors.evaluation.evaluate import evaluate

    evaluate(ctx)


STAGES: tuple[Stage, ...] = (
    Stage("base", "pretrain", PretrainSettings, "1", base, needs=("tokenizer", "tokens")),
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
