"""The stages of this folder: tokens to models."""

from __future__ import annotations

from actors.ablation.settings import MeasurementSettings
from actors.evaluation.settings import EvaluationSettings
from actors.rl.settings import RlhfSettings
from actors.settings import PretrainSettings, RewardSettings, SftSettings
from cluster.stage import Stage


def named_files(settings: SftSettings | RewardSettings) -> list[str]:
    return settings.files


STAGES: tuple[Stage, ...] = (
    Stage("base", "pretrain", PretrainSettings, "1", "actors.tasks.pretrain:pretrain", needs=("tokenizer", "tokens")),
    Stage("assistant", "sft", SftSettings, "1", "actors.tasks.sft:finetune", needs=("base", "corpus"), external=named_files),
    Stage("judge", "reward", RewardSettings, "1", "actors.tasks.judge:train_judge", needs=("assistant",), external=named_files),
    Stage("aligned", "rlhf", RlhfSettings, "1", "actors.rl.align:align", needs=("assistant", "judge"), deterministic=False),
    Stage(
        "evaluation",
        "evaluation",
        EvaluationSettings,
        "1",
        "actors.evaluation.evaluate:evaluate",
        needs=("corpus", "base", "assistant", "judge", "aligned"),
        deterministic=False,
    ),
)

# Of an ablation's models, in place of everything behind `base`.
MEASUREMENT = Stage(
    "measurement",
    "measurement",
    MeasurementSettings,
    "1",
    "actors.ablation.measure:measure",
    needs=("corpus", "base"),
    external=lambda settings: settings.files(),
)
