"""Which sequences a training step sees: a pure function of the seed and the step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pipeline.tokens import INDEX

ROUNDS = 6


class TokenReader:
    """Reads a split of a `tokens` artefact by step. Holds no state: any rank can ask for any step in any order.

    Each epoch is another permutation of all sequences, so every sequence is seen once an epoch, whatever the batch
    size; a batch may reach over the end of an epoch. The permutation is computed, not stored (Feistel network with
    cycle walking, Black and Rogaway 2002). Memory: mapped files only.
    """

    def __init__(self, directory: Path, split: str, seed: int) -> None:
        """directory: the artefact as a local path. split: train or heldout. seed: of the order."""
        index = json.loads((Path(directory) / INDEX).read_text())
        self.sequence_length: int = index["sequence_length"]
        self.seed = seed
        dtype = np.dtype(index["dtype"])
        shards = [shard for shard in index["splits"][split] if shard["sequences"]]
        self.shards = [
            np.memmap(Path(directory) / f"{shard['name']}.bin", dtype, "r", shape=(shard["sequences"], self.sequence_length))
            for shard in shards
        ]
        self.names = [shard["name"] for shard in shards]
        self.firsts = np.cumsum([0, *(shard["sequences"] for shard in shards)])
        self.count = int(self.firsts[-1])

    def sequence_ids(self, step: int, global_batch: int) -> np.ndarray:
        """The sequences of a step, in batch order: int64 [global_batch], each in 0..count-1."""
        positions = np.arange(step * global_batch, (step + 1) * global_batch, dtype=np.int64)
        return self._permuted(positions % self.count, positions // self.count, inverse=False)

    def batch(self, step: int, global_batch: int, rank: int, world: int) -> np.ndarray:
        """A rank's part of a step: token ids, int64 [global_batch / world, sequence_length].

        The parts of all ranks, in order, are the step's sequences at any world size.
        Raises ValueError where `world` does not divide `global_batch`.
        """
        if global_batch % world:
            raise ValueError(f"a batch of {global_batch} sequences cannot be dealt out evenly to {world} ranks")
        mine = global_batch // world
        return self.read(self.sequence_ids(step, global_batch)[rank * mine : (rank + 1) * mine])

    def read(self, sequences: np.ndarray) -> np.ndarray:
        """Token ids of given sequences: int64 [len(sequences), sequence_length]."""
        out = np.empty((len(sequences), self.sequence_length), dtype=np.int64)
        shards = np.searchsorted(self.firsts, sequences, side="right") - 1
        for row, (shard, sequence) in enumerate(zip(shards, sequences, strict=True)):
            out[row] = self.shards[shard][sequence - self.firsts[shard]]
        return out

    def steps_of(self, sequence: int, steps: int, global_batch: int) -> list[int]:
        """The training steps among 0..steps-1 that see a sequence, ascending."""
        epochs = np.arange(-(-steps * global_batch // self.count), dtype=np.int64)
        positions = self._permuted(np.full(len(epochs), sequence, dtype=np.int64), epochs, inverse=True)
        found = (epochs * self.count + positions) // global_batch
        return [int(step) for step in found if step < steps]

    def sequence_of(self, shard: str, row: int) -> int:
        """The number of the `row`-th sequence of a shard (as `spans.parquet` names it) within the split."""
        return int(self.firsts[self.names.index(shard)]) + row

    def _permuted(self, values: np.ndarray, epochs: np.ndarray, inverse: bool) -> np.ndarray:
        """A permutation of 0..count-1 for each epoch, applied to `values` (or undone)."""
        half = max(1, ((self.count - 1).bit_length() + 1) // 2)
        mask = np.uint64((1 << half) - 1)
        keys = [
            mixed(np.uint64(self.seed) + mixed(epochs.astype(np.uint64) * np.uint64(ROUNDS) + np.uint64(r)))
            for r in range(ROUNDS)
        ]
        values = values.astype(np.uint64)
        walking = np.ones(len(values), dtype=bool)
        while walking.any():  # at most 4 times as many numbers as sequences: a few rounds
            left, right = values[walking] >> np.uint64(half), values[walking] & mask
            for key in reversed(keys) if inverse else keys:
                if inverse:
                    left, right = right ^ (mixed(left + key[walking]) & mask), left
                else:
                    left, right = right, left ^ (mixed(right + key[walking]) & mask)
            values[walking] = left << np.uint64(half) | right
            walking &= values >= np.uint64(self.count)
        return values.astype(np.int64)


def mixed(values: np.ndarray) -> np.ndarray:
    """Spread every input bit over all 64 (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
