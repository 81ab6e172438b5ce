"""The order in which training sees its sequences: computed from the seed and the step, never stored."""

from __future__ import annotations

import numpy as np

from pipeline.hashing import splitmix

ROUNDS = 6


class SequenceOrder:
    """Every epoch another permutation of the sequences 0..count-1, one after the other, dealt out in batches.

    So each sequence is seen once an epoch whatever the batch size, and a batch may reach over the end of an epoch.
    The permutation is a Feistel network with cycle walking (Black and Rogaway 2002): no state, no memory.
    """

    def __init__(self, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError("there are no sequences to order")
        self.count, self.seed = count, seed
        self.half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
        self.mask = np.uint64((1 << int(self.half)) - 1)

    def sequence_ids(self, step: int, global_batch: int) -> np.ndarray:
        """The sequences of a step, in batch order: int64 [global_batch], each in 0..count-1."""
        return self.walk(np.arange(step * global_batch, (step + 1) * global_batch, dtype=np.int64))

    def steps_of(self, sequence: int, steps: int, global_batch: int) -> list[int]:
        """The steps among 0..steps-1 that see a sequence, ascending."""
        return (self.visits(sequence, steps * global_batch) // global_batch).tolist()

    def walk(self, turns: np.ndarray) -> np.ndarray:
        """The sequences at turns 0, 1, 2, ... of all epochs laid end to end: int64, as long as `turns`."""
        return self.permuted(turns % self.count, turns // self.count)

    def visits(self, sequence: int, turns: int) -> np.ndarray:
        """The turns among 0..turns-1 that come to a sequence: int64, ascending, one an epoch."""
        epochs = np.arange(-(-turns // self.count), dtype=np.int64)
        found = epochs * self.count + self.permuted(np.full(len(epochs), sequence, dtype=np.int64), epochs, inverse=True)
        return found[found < turns]

    def permuted(self, values: np.ndarray, epochs: np.ndarray, inverse: bool = False) -> np.ndarray:
        """`values` (0..count-1) under the permutation of their epoch, or its inverse: int64, as long as `values`."""
        keys = self._keys(epochs.astype(np.uint64))
        out = values.astype(np.uint64)
        walking = np.ones(len(out), dtype=bool)
        while walking.any():  # the network's range is at most four times the count, so this takes a few rounds
            left, right = out[walking] >> self.half, out[walking] & self.mask
            for key in reversed(keys) if inverse else keys:
                if inverse:
                    left, right = right ^ (splitmix(left + key[walking]) & self.mask), left
                else:
                    left, right = right, left ^ (splitmix(right + key[walking]) & self.mask)
            out[walking] = left << self.half | right
            walking &= out >= np.uint64(self.count)
        return out.astype(np.int64)

    def _keys(self, epochs: np.ndarray) -> list[np.ndarray]:
        seed = splitmix(np.array([self.seed], dtype=np.uint64))
        return [splitmix(seed ^ splitmix(epochs * np.uint64(ROUNDS) + np.uint64(number))) for number in range(ROUNDS)]
