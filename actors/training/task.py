"""What a task must say for the loop to learn it."""

from __future__ import annotations

from typing import Protocol

import torch
from transformers import PreTrainedModel

Batch = dict[str, torch.Tensor]  # every tensor's first dimension is the sequences (or pairs) of one rank


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
