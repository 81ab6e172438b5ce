"""The one training loop: what each rank of pretraining, fine-tuning and reward modelling does.

A task says what is learned; the loop knows steps, ranks, checkpoints and metrics. Everything that a
step uses follows from its number, so a run continued from a checkpoint is the run undisturbed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Protocol

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from transformers import PreTrainedModel

from actors import checkpoint
from actors.bits import bits_per_byte
from actors.model import export_model
from actors.optimiser import clip_gradients, learning_rate, make_optimiser, set_learning_rate
from actors.settings import TrainingSettings
from actors.shard import data_mesh, full_state_dict, shard
from cluster.store import Location
from cluster.tracking import Track

Batch = dict[str, torch.Tensor]  # every tensor's first dimension is the sequences (or pairs) of one rank

CURVE_POINTS = 200  # of the training loss in the report, each the mean of its stretch of steps
SAY_SECONDS = 1.0  # between words about progress


class Task(Protocol):
    """What is learned. Built on every rank; between calls it keeps nothing that decides a result."""

    def model(self) -> PreTrainedModel:
        """The model to start from, the same on every rank."""

    def batch(self, step: int, rank: int, world: int) -> Batch:
        """This rank's part of the global batch of `step`: the same number of sequences on every rank."""

    def sizes(self, batch: Batch) -> dict[str, float]:
        """What the batch holds: `units` that its loss is a mean over, `tokens`, and `bytes` where known."""

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Loss summed over the batch's units, a scalar."""

    def evaluate(self, model: PreTrainedModel, rank: int, world: int) -> dict[str, float]:
        """Held-out metrics, the same on every rank. All ranks call it at once, without gradients."""


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
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // context.get_local_world_size()))
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
    return Outcome(progress, held_out, parameters)


def train_step(
    task: Task, model: PreTrainedModel, optimiser: torch.optim.Optimizer, batch: Batch, settings: TrainingSettings, step: int
) -> dict[str, float]:
    """One optimiser step on this rank's part of the global batch; returns metrics of the global batch.

    The gradient is that of (loss summed over all ranks) / (units of all ranks). FSDP averages over
    ranks, so each rank's sum is divided by the global count and multiplied by the number of ranks;
    averaging means of ranks would weigh a unit by how empty its rank's batch is. A step whose
    gradient is not finite changes nothing and counts as skipped.
    """
    started = time.time()
    device, world = next(iter(batch.values())).device, dist.get_world_size()
    rate = learning_rate(settings.optimiser, step, settings.steps)
    sizes = total(task.sizes(batch), device)
    summed = torch.zeros((), device=device)
    model.train()
    for part in split(batch, settings.micro_batch):
        loss = task.loss(model, part)
        (loss * (world / sizes["units"])).backward()
        summed += loss.detach()
    norm = clip_gradients(model, settings.optimiser.clip)
    if finite := math.isfinite(norm):
        set_learning_rate(optimiser, rate)
        optimiser.step()
    optimiser.zero_grad()
    nats = total({"loss": float(summed)}, device)["loss"]
    metrics = {
        "loss": nats / sizes["units"],
        "gradient_norm": norm,
        "learning_rate": rate,
        "tokens": sizes["tokens"],
        "skipped": float(not finite),
        "tokens_per_second": sizes["tokens"] / (time.time() - started),
    }
    if "bytes" in sizes:
        metrics["bits_per_byte"] = bits_per_byte(nats, sizes["bytes"])
    return metrics


@torch.no_grad()
def evaluate(task: Task, model: PreTrainedModel, rank: int, world: int) -> dict[str, float]:
    model.eval()
    return task.evaluate(model, rank, world)


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """Parts of at most `size` sequences."""
    count = len(next(iter(batch.values())))
    for start in range(0, count, size):
        yield {name: part[start : start + size] for name, part in batch.items()}


def total(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Sums over all ranks, in float64. Every rank must call it with the same names."""
    summed = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
    dist.all_reduce(summed)
    return dict(zip(values, summed.tolist(), strict=True))


def agreed(decision: bool, device: torch.device) -> bool:
    """Rank 0's decision on every rank: clocks differ, and a checkpoint needs all ranks at one step."""
    flag = torch.tensor(int(decision), device=device)
    dist.broadcast(flag, src=0)
    return bool(flag)


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
