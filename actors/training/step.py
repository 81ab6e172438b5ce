"""One optimiser step on one rank."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch
import torch.distributed as dist
from transformers import PreTrainedModel

from actors.data.bits import bits_per_byte
from actors.settings import TrainingSettings
from actors.training.optimiser import clip_gradients, learning_rate, set_learning_rate
from actors.training.ranks import total
from actors.training.task import Batch, Task


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


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """Parts of at most `size` sequences."""
    count = len(next(iter(batch.values())))
    for start in range(0, count, size):
        yield {name: part[start : start + size] for name, part in batch.items()}
