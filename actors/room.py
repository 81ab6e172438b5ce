"""What the stages of this folder book of a cluster."""

from __future__ import annotations

from typing import Any

from cluster.resources import Bundle

RANK_CPUS = 1.0
EVALUATOR_CPUS = 1.0
# While one of them works the others mostly wait for it.
ROLLOUT_CPUS, REFERENCE_CPUS, REWARD_CPUS, COORDINATOR_CPUS = 0.5, 0.25, 0.25, 0.1
RANKS, GPUS = "cluster.train_workers", "cluster.gpus_per_worker"


def booked(recipe: Any, holder: str, cpu: float, *lower: str) -> Bundle:
    """An actor or rank that holds a model: `cpu` and, where models run on GPUs, `cluster.gpus_per_worker`."""
    gpu = recipe.cluster.gpus_per_worker
    return Bundle(cpu, gpu, holder=holder, lower=(*lower, GPUS) if gpu else lower)


def ranks(recipe: Any) -> list[Bundle]:
    return [booked(recipe, "training rank", RANK_CPUS, RANKS)] * recipe.cluster.train_workers


def alignment(recipe: Any) -> list[Bundle]:
    """The policy's ranks, and beside them all that they ask."""
    return [
        *ranks(recipe),
        booked(recipe, "rollout engine", ROLLOUT_CPUS, RANKS),
        booked(recipe, "reference model", REFERENCE_CPUS, RANKS),
        booked(recipe, "reward model", REWARD_CPUS, RANKS),
        Bundle(COORDINATOR_CPUS, holder="coordinator", lower=(RANKS,)),
    ]


def evaluators(recipe: Any) -> list[Bundle]:
    """As many as there are training ranks. Fewer where there are fewer measurements."""
    return [booked(recipe, "evaluator", EVALUATOR_CPUS, RANKS)] * recipe.cluster.train_workers


def measurement(recipe: Any) -> list[Bundle]:
    """One task at a time is enough; where there is room for the second it runs beside the first."""
    return [booked(recipe, "measurement", EVALUATOR_CPUS)]
