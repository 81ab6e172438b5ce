"""The one training loop: what each rank of pretraining, fine-tuning and reward modelling does.

A task says what is learned; the loop knows steps, ranks, checkpoints and metrics. Everything that a
step uses follows from its number, so a run continued from a checkpoint is the run undisturbed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

import ray.train
import ray.train.torch
import torch
from transformers import PreTrainedModel

from actors.models.export import export_model
from actors.parallel.shard import data_mesh, full_state_dict, shard
from actors.settings import TrainingSettings
from actors.training import checkpoint
from actors.training.optimiser import make_optimiser
from actors.training.ranks import agreed
from actors.training.step import train_step
from actors.training.task import Task
from cluster.cgroup import threads_each
from cluster.store import Location
from cluster.track.events import Track

CURVE_POINTS = 200  # of the training loss in the report, each the mean of its stretch of steps
SAY_SECONDS = 1.0  # between words about progress


@dataclass
class Job:
    """What a rank is told. Pickled to every rank."""

    make_task: Callable[[ExitStack], Task]  # files that the task opens stay open as long as the stack
    settings: TrainingSettings
    track: Track
    tokenizer: Location
    output: Location
    checkpoint_seconds: float


@dataclass
class Progress:
    """How far a run is: saved with every checkpoint."""

    step: int = 0
    tokens: float = 0.0
    skipped: int = 0
    recent: list[float] = field(default_factory=list)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: {"training": [], "held-out": []})

    def advance(self, metrics: Mapping[str, float], steps: int) -> None:
        """Count a step and draw what it measured."""
        self.step += 1
        self.tokens += metrics["tokens"]
        self.skipped += int(metrics["skipped"])
        self.recent.append(metrics["loss"])
        if self.step % max(1, steps // CURVE_POINTS) == 0:
            self.curves["training"].append((self.step, sum(self.recent) / len(self.recent)))
            self.recent = []
        if "held_out_loss" in metrics:
            self.curves["held-out"].append((self.step, metrics["held_out_loss"]))


@dataclass
class Outcome:
    """What a finished run tells: its progress, its last held-out metrics, its number of parameters."""

    progress: Progress
    held_out: dict[str, float]
    parameters: int


def run_rank(job: Job) -> Outcome:
    """Train to the last step from wherever the newest checkpoint is; rank 0 writes the model to `job.output`."""
    settings, context = job.settings, ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    torch.set_num_threads(threads_each(context.get_local_world_size()))
    with ExitStack() as files:
        task = job.make_task(files)
        model: PreTrainedModel = task.model()
        model.to(device)  # type: ignore[arg-type]  # transformers wraps the method of torch
        parameters = model.num_parameters()
        shard(model, data_mesh(device), settings.precision)
        optimiser = make_optimiser(model, settings.optimiser)
        progress = Progress(**(checkpoint.restore(model, optimiser) or {}))
        journal = Journal(job.track if rank == 0 else None, settings.steps)
        held_out: dict[str, float] = {}
        saved = time.time()
        for step in range(progress.step, settings.steps):
            batch = {name: part.to(device) for name, part in task.batch(step, rank, world).items()}
            metrics = train_step(task, model, optimiser, batch, settings, step)
            if settings.evaluates(step):
                held_out = evaluate(task, model, rank, world)
                metrics |= {f"held_out_{name}": value for name, value in held_out.items()}
            progress.advance(metrics, settings.steps)
            journal.step(step, metrics)
            if agreed(time.time() - saved > job.checkpoint_seconds, device):
                journal.settle()
                checkpoint.save(model, optimiser, asdict(progress))
                saved = time.time()
        held_out = held_out or evaluate(task, model, rank, world)
        weights = full_state_dict(model)
        if rank == 0:
            export_model(weights, model.config, job.tokenizer, job.output)
        journal.end()
        journal.settle()
    return Outcome(progress, held_out, parameters)


@torch.no_grad()
def evaluate(task: Task, model: PreTrainedModel, rank: int, world: int) -> dict[str, float]:
    model.eval()
    return task.evaluate(model, rank, world)


class Journal:
    """What rank 0 says while it trains: metrics of every step, progress and working time once a second."""

    def __init__(self, track: Track | None, steps: int) -> None:
        self.track, self.steps = track, steps
        self.said = time.time()

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        if self.track is None:
            return
        self.track(metrics, step)
        if time.time() - self.said > SAY_SECONDS or step + 1 == self.steps:
            self.track.progress(step + 1, self.steps, "steps")
            self.end()

    def settle(self) -> None:
        if self.track is not None:
            self.track.settle()

    def end(self) -> None:
        """Claim the time since the last word as work."""
        if self.track is not None:
            now = time.time()
            self.track.worked(self.said, now)
            self.said = now
