"""What a `tokens` artefact says of itself: its shards, which source each sequence is of, in which order they are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel

from cluster.errors import RequestError
from pipeline.tokens.mixture import MixtureOrder
from pipeline.tokens.order import SequenceOrder

INDEX = "tokens.json"


class TokenShard(BaseModel):
    """SPLIT-NNNNN.bin: its sequences, those of one source behind those of another.

    sources: how many are of each, in the order in which they lie there; empty in artefacts older than weights.
    """

    name: str
    sequences: int
    sources: dict[str, int] = {}


class TokenIndex(BaseModel):
    """The content of `tokens.json`. A sequence's id is its place among all of its split, shard behind shard.

    dtype: of the shards, as numpy spells it. weights: of the sources in training, as the recipe's `crawl.sources` has them;
    None where it has none.
    """

    sequence_length: int
    dtype: str
    vocabulary: int
    splits: dict[str, list[TokenShard]]
    weights: dict[str, float] | None = None

    def sequences(self, split: str) -> dict[str, int]:
        """Sequences of each source, in name order."""
        found = Counter[str]()
        for shard in self.splits[split]:
            found.update(shard.sources)
        return dict(sorted(found.items()))

    def runs(self, split: str) -> list[tuple[str, int]]:
        """(source, sequences) in the order of the ids; a source has a run in every shard that holds any of it."""
        return [(source, number) for shard in self.splits[split] for source, number in shard.sources.items()]

    def sources_of(self, split: str, sequences: np.ndarray) -> list[str]:
        """The source of each of these ids."""
        runs = self.runs(split)
        found = np.searchsorted(np.cumsum([number for _, number in runs]), sequences, side="right")
        return [runs[run][0] for run in found.tolist()]

    def first_sequences(self, split: str) -> dict[str, int]:
        """The id of each shard's first sequence."""
        firsts, count = {}, 0
        for shard in self.splits[split]:
            firsts[shard.name] = count
            count += shard.sequences
        return firsts

    def training_order(self, seed: int, weights: Mapping[str, float] | None = None) -> SequenceOrder | MixtureOrder:
        """The order of the training split. weights: those of the training's own settings, which replace the index's.

        Without any, sources come in their natural proportions: every sequence is seen once an epoch.
        Raises RequestError where the weights and the sources do not match.
        """
        sources = self.sequences("train")
        chosen = self.weights if weights is None else weights
        if chosen is None:
            return SequenceOrder(sum(shard.sequences for shard in self.splits["train"]), seed)
        check_weights(chosen, sources, self.sequence_length)
        return MixtureOrder(self.runs("train"), chosen, seed)


def check_weights(weights: Mapping[str, float], sources: Mapping[str, int], length: int) -> None:
    """Refuse weights that some source lacks, or that would wait for sequences that are not there."""
    if missing := [name for name in sources if name not in weights]:
        raise RequestError(f"source {missing[0]} has no weight, others have; give it one in pretrain.weights (0 leaves it out)")
    if empty := [name for name, weight in weights.items() if weight and not sources.get(name)]:
        raise RequestError(
            f"source {empty[0]} has a weight and no training sequence of {length} tokens (there are sequences of "
            f"{', '.join(sources)}); give it more pages, lower tokens.sequence_length, or leave it out in pretrain.weights"
        )
