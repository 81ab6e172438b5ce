"""The stages of this folder: tokens to models."""

from __future__ import annotations

from typing import Any

from actors.ablation.settings import MeasurementSettings
from actors.evaluation.settings import EvaluationSettings
from actors.rl.settings import RlhfSettings
from actors.settings import PretrainSettings, RewardSettings, SftSettings
from cluster.errors import RequestError
from cluster.stage import Context, Stage


def base(ctx: Context) -> None:
    from actors.tasks.pretrain import pretrain

    pretrain(ctx)


def assistant(ctx: Context) -> None:
    from actors.tasks.sft import finetune

    finetune(ctx)


def judge(ctx: Context) -> None:
    from actors.tasks.judge import train_judge

    train_judge(ctx)


def named_files(settings: SftSettings | RewardSettings) -> list[str]:
    return settings.files


def aligned(ctx: Context) -> None:
    from actors.rl.align import align

    align(ctx)


def evaluation(ctx: Context) -> None:
    from actors.evaluation.evaluate import evaluate

    evaluate(ctx)


def measurement(ctx: Context) -> None:
    from actors.ablation.measure import measure

    measure(ctx)


def check_recipe(recipe: Any, until_base: bool = False) -> None:
    """Refuse, before any work, sections that do not fit each other. Raises RequestError naming both.

    until_base: look only at what a line that ends with the base model uses.
    """
    context, workers = recipe.pretrain.model.context, recipe.cluster.train_workers
    lengths, trainings = {"tokens.sequence_length": recipe.tokens.sequence_length}, ["pretrain"]
    if not until_base:
        lengths |= {
            "sft.length": recipe.sft.length,
            "reward.length": recipe.reward.length,
            "rlhf.prompt_tokens + rlhf.answer_tokens": recipe.rlhf.prompt_tokens + recipe.rlhf.answer_tokens,
            "evaluation.prompt_tokens + evaluation.answer_tokens": recipe.evaluation.prompt_tokens
            + recipe.evaluation.answer_tokens,
        }
        trainings += ["sft", "reward"]
    for name, length in lengths.items():
        if length > context:
            raise RequestError(f"{name} is {length}, more than pretrain.model.context ({context}); change one of them")
    sources = recipe.crawl.source_names()
    if strange := [name for name in recipe.pages.sources if name not in sources]:
        raise RequestError(
            f"pages.sources.{strange[0]}: the run has no such source; there are {', '.join(sources)}; name one of them"
        )
    for name in trainings:
        if (batch := getattr(recipe, name).batch) % workers:
            raise RequestError(
                f"{name}.batch ({batch}) is not divisible by cluster.train_workers ({workers}); change one of them"
            )


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

# Of an ablation's models, in place of everything behind `base`.
MEASUREMENT = Stage(
    "measurement",
    "measurement",
    MeasurementSettings,
    "1",
    measurement,
    needs=("corpus", "base"),
    external=lambda settings: settings.files(),
)
