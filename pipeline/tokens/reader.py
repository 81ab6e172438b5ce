"""Batches of token ids for a training step, on any rank, in any order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.tokens.index import INDEX, TokenIndex
from pipeline.tokens.order import SequenceOrder


class TokenReader:
    """Reads a split of a `tokens` artefact by step. Holds no state, so resuming at a step is exact.

    Memory: the shards are mapped, not read.
    """

    def __init__(self, directory: Path, split: str, seed: int, weights: Mapping[str, float] | None = None) -> None:
        """directory: the artefact as a local path. split: train or heldout. seed: of the order.

        weights: of the sources, instead of those the index names; held-out sequences are never weighted.
        Raises RequestError where weights and sources do not match.
        """
        self.split = split
        self.index = index = TokenIndex.model_validate_json((Path(directory) / INDEX).read_bytes())
        self.sequence_length = index.sequence_length
        shards = [shard for shard in index.splits[split] if shard.sequences]
        self.shards = [
            np.memmap(
                Path(directory) / f"{shard.name}.bin",
                np.dtype(index.dtype),
                "r",
                shape=(shard.sequences, self.sequence_length),
            )
            for shard in shards
        ]
        self.firsts = np.cumsum([0, *(shard.sequences for shard in shards)])
        self.count = int(self.firsts[-1])
        self.order = index.training_order(seed, weights) if split == "train" else SequenceOrder(self.count, seed)

    def sequence_ids(self, step: int, global_batch: int) -> np.ndarray:
        """The sequences of a step, in batch order: int64 [global_batch], each in 0..count-1."""
        return self.order.sequence_ids(step, global_batch)

    def sources(self, sequences: np.ndarray) -> list[str]:
        """The source of each of these sequences."""
        return self.index.sources_of(self.split, sequences)

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
        return self.order.steps_of(sequence, steps, global_batch)
