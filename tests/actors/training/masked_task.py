"""A task on given sequences whose learned positions are very uneven over the ranks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from actors.models.families import new_model
from actors.settings import ModelSettings, OptimiserSettings, TrainingSettings

TINY = ModelSettings(layers=2, hidden=64, heads=2, kv_heads=1, intermediate=96, context=32)
SETTINGS = TrainingSettings(
    steps=3,
    batch=4,
    micro_batch=1,
    # epsilon and clip so large that the size of a gradient counts, not only its sign or direction
    optimiser=OptimiserSettings(learning_rate=1e-1, warmup_steps=0, clip=100.0, epsilon=0.1, schedule="cosine"),
)
LEARNED = [15, 1, 2, 0]  # positions that each sequence of a batch is learned at


def sequences(step: int) -> torch.Tensor:
    return torch.randint(0, 50, (4, 16), generator=torch.Generator().manual_seed(step))


def masks() -> torch.Tensor:
    return torch.arange(15) < torch.tensor(LEARNED)[:, None]


def losses(model, ids: torch.Tensor) -> torch.Tensor:
    """Loss of each position: [sequences, 15]."""
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")


@dataclass
class MaskedTask:
    poisoned: bool = False

    def model(self):
        return new_model(TINY, 50, seed=0)

    def batch(self, step, rank, world):
        size = 4 // world
        mine = slice(rank * size, (rank + 1) * size)
        return {"ids": sequences(step)[mine], "mask": masks()[mine]}

    def sizes(self, batch):
        return {"units": int(batch["mask"].sum()), "tokens": batch["ids"].numel()}

    def loss(self, model, batch):
        loss = (losses(model, batch["ids"]) * batch["mask"]).sum()
        return loss * float("inf") if self.poisoned else loss

    def evaluate(self, model, rank, world):
        return {"loss": 0.0}
