"""Whether the sections of a recipe fit each other, asked before any work."""

from __future__ import annotations

from typing import Any

from cluster.errors import RequestError


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
