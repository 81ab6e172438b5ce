"""The stages of this folder: tokens to models."""

from __future__ import annotations

from actors.evaluation.settings import EvaluationSettings
from actors.rlhf.settings import RlhfSettings
from actors.settings import PretrainSettings, RewardSettings, SftSettings
from cluster.stage import Context, Stage


def base(ctx: Context) -> None:
    from actors.pretrain import pretrain

    pretrain(ctx)


def assistant(ctx: Context) -> None:
    from actors.sft import finetune

    finetune(ctx)


def judge(ctx: Context) -> None:
    from actors.judge import train_judge

    train_judge(ctx)


def named_files(settings: SftSettings | RewardSettings) -> list[str]:
    return settings.files


def aligned(ctx: Context) -> None:
    from actors.rlhf.align import align

    align(ctx)


def evaluation(ctx: Context) -> None:
    from actors.evaluation.evaluate import evaluate

    evaluate(ctx)


STAGES: tuple[Stage, ...] = (
    Stage("base", "pretrain", PretrainSettings, "1", base, needs=("tokenizer", "tokens")),
    Stage("assistant", "sft", SftSettings, "1", assistant, needs=("base", "corpus"), external=named_files),
    Stage("judge", "reward", RewardSettings, "1", judge, needs=("assistant",), external=named_files),
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
