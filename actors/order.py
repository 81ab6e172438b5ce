"""Which examples a step uses: endless seeded permutations, a pure function of the step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xxhash


def examples_of(step: int, batch: int, rank: int, world: int, count: int, seed: int) -> np.ndarray:
    """Indices int64 [batch / world] into `count` examples. Every example comes once an epoch, over all ranks.

    The global batch of a step does not depend on the number of ranks.
    """
    size = batch // world
    first = step * batch + rank * size
    return np.array([permutation(count, seed, draw // count)[draw % count] for draw in range(first, first + size)])


@lru_cache(maxsize=2)  # a batch may reach from one epoch into the next
def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)


def held_out(prompt: str, share: float) -> bool:
    """Whether a prompt belongs to the held-out split. By its hash: the same in every stage and every run."""
    return xxhash.xxh3_64_intdigest(prompt.encode()) < share * 2**64


def even(count: int, world: int) -> int:
    """The largest number of examples up to `count` that ranks can share evenly; at least one each."""
    return max(world, count // world * world)
