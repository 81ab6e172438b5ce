"""Starting a training job on Ray Train and waiting for its end: the driver's side of the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import ray.train
from ray.exceptions import RayActorError
from ray.train import ControllerError
from ray.train.torch import TorchTrainer

from actors.room import RANK_CPUS
from actors.settings import TrainingSettings
from actors.training.loop import Job, Outcome, run_rank
from actors.training.task import Task
from cluster.errors import RequestError
from cluster.stage import Context
from cluster.store import Location


def fit(ctx: Context, make_task: Callable[[ExitStack], Task], settings: TrainingSettings, tokenizer: Location) -> Outcome:
    """Train on `cluster.train_workers` ranks and leave the model in `ctx.output`.

    A lost rank restarts the ranks from the newest checkpoint, `cluster.max_failures` times; a lost driver
    finds the checkpoints below `ctx.work` again. Raises RequestError where ranks cannot share the batch.
    """
    cluster = ctx.cluster
    if settings.batch % cluster.train_workers:
        raise RequestError(
            f"batch {settings.batch} is not divisible by cluster.train_workers {cluster.train_workers}; change one of them"
        )
    job = Job(make_task, settings, ctx.track, tokenizer, ctx.output, cluster.checkpoint_seconds)
    return on_ranks(ctx, lambda: run_rank(job))


def on_ranks(ctx: Context, work: Callable[[], Any]) -> Any:
    """Run `work` on every training rank, again from the newest checkpoint where a rank is lost; returns rank 0's result."""
    cluster = ctx.cluster

    def train() -> Any:
        trainer = TorchTrainer(
            work,  # Ray hands its result back as `return_value`
            scaling_config=ray.train.ScalingConfig(
                num_workers=cluster.train_workers,
                use_gpu=cluster.gpus_per_worker > 0,
                resources_per_worker={
                    "CPU": RANK_CPUS,
                    **({"GPU": cluster.gpus_per_worker} if cluster.gpus_per_worker else {}),
                },
            ),
            run_config=ray.train.RunConfig(
                name="train",
                storage_path=ctx.work.path,
                storage_filesystem=ctx.work.filesystem,
                failure_config=ray.train.FailureConfig(max_failures=cluster.max_failures),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
            ),
        )
        return trainer.fit().return_value

    return interruptible(lambda: though_nodes_are_lost(train, cluster.max_failures, ctx.track.say))


def though_nodes_are_lost(train: Callable[[], Any], most: int, say: Callable[[str], None]) -> Any:
    """Call `train`, up to `most` times more where a node is lost while its ranks start.

    Ray Train counts the loss of a running rank; in the seconds until a lost node is known to be dead, one that starts there
    is its controller's failure, which it never tries again.
    """
    for number in range(1, most + 1):
        try:
            return train()
        except ControllerError as error:
            if not isinstance(error.controller_failure, RayActorError):
                raise
            say(f"a node was lost while ranks started; beginning again from the newest checkpoint ({number} of {most})")
    return train()


def interruptible(call: Callable[[], Any]) -> Any:
    """Run `call` beside the main thread, so that Ctrl-C reaches the main thread at once.

    In the main thread Ray Train puts its own handler in place of Python's, waits for its controller and
    leaves the handler behind. Here the session's end stops the job.
    """
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True, name="fit")
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise errors[0]
    return results[0]
