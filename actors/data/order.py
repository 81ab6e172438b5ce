"""Which examples a step uses: pure functions of the step."""

from __future__ import annotations

import numpy as np

from pipeline.tokens.order import SequenceOrder


def examples_of(step: int, batch: int, rank: int, world: int, count: int, seed: int) -> np.ndarray:
    """Indices int64 [batch / world] into `count` examples. Every example comes once an epoch, over all ranks.

    The global batch of a step does not depend on the number of ranks.
    """
    size = batch // world
    return SequenceOrder(count, seed).sequence_ids(step, batch)[rank * size : (rank + 1) * size]


def held_out_rows(wanted: int, rank: int, world: int, count: int, seed: int) -> np.ndarray:
    """This rank's share of at most `wanted` of `count` held-out examples, the same at every evaluation, as many on each."""
    return examples_of(0, even(min(wanted, count), world), rank, world, count, seed)


def even(count: int, world: int) -> int:
    """The largest number of examples up to `count` that ranks can share evenly; at least one each."""
    return max(world, count // world * world)
