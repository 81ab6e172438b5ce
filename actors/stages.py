"""The stages of this folder: tokens to models."""

from __future__ import annotations

from typing import Any

from actors import room
from actors.ablation.settings import MeasurementSettings
from actors.evaluation.settings import EvaluationSettings
from actors.rl.settings import RlhfSettings
from actors.settings import PretrainSettings, RewardSettings, SftSettings
from cluster.stage import Stage

USUAL_RANKS = 2


def named_files(settings: SftSettings | RewardSettings) -> list[str]:
    return settings.files


def ranks(recipe: Any) -> dict[str, int]:
    """Sums over ranks round differently: their number is part of what a training makes. Without it, the usual two."""
    workers = recipe.cluster.train_workers
    return {} if workers == USUAL_RANKS else {"cluster.train_workers": workers}


STAGES: tuple[Stage, ...] = (
    Stage(
        "base",
        "pretrain",
        PretrainSettings,
        "1",
        "actors.tasks.pretrain:pretrain",
        needs=("tokenizer", "tokens"),
        depends=ranks,
        needs_room=room.ranks,
    ),
    Stage(
        "assistant",
        "sft",
        SftSettings,
        "2",
        "actors.tasks.sft:finetune",
        needs=("base", "corpus"),
        external=named_files,
        depends=ranks,
        needs_room=room.ranks,
    ),
    Stage(
        "judge",
        "reward",
        RewardSettings,
        "2",
        "actors.tasks.judge:train_judge",
        needs=("assistant",),
        external=named_files,
        depends=ranks,
        needs_room=room.ranks,
    ),
    Stage(
        "aligned",
        "rlhf",
        RlhfSettings,
        "2",
        "actors.rl.align:align",
        needs=("assistant", "judge"),
        depends=ranks,
        needs_room=room.alignment,
        deterministic=False,
    ),
    Stage(
        "evaluation",
        "evaluation",
        EvaluationSettings,
        "2",
        "actors.evaluation.evaluate:evaluate",
        needs=("corpus", "base", "assistant", "judge", "aligned"),
        needs_room=room.evaluators,
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
    needs_room=room.measurement,
)
