"""The order of a training with weighted sources: each has its share at every step, computed from the step alone.

The weights as whole numbers, say 3 and 1, make a cycle of 4 places that says whose turn is when: A A B A. The turns of a
source, cycle after cycle, walk through its sequences by its own permutation, epoch after epoch, so a small source with a
large weight begins its next epoch while a large one is still in its first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.crawl.weights import whole_weights
from pipeline.tokens.order import SequenceOrder

STREAM = 0x9E3779B97F4A7C15  # between the seeds of two sources: how SplitMix64 (Steele et al. 2014) numbers its streams


class MixtureOrder:
    """Which sequences a step sees, with weights. Holds nothing that changes; asking costs the batch times the sources.

    Among the first n sequences of a training are n x weight / (sum of weights) of a source, give or take less than one,
    at any n: so at the end of every step, whatever the batch, and wherever a training is resumed.
    Memory: 20 bytes a place of the cycle (`pipeline.crawl.weights.LONGEST_CYCLE`).
    """

    def __init__(self, runs: Sequence[tuple[str, int]], weights: Mapping[str, float], seed: int) -> None:
        """runs: (source, sequences) in the order of the ids: the first run has ids 0.., the next goes on behind it.

        weights: for every source of the runs; 0 leaves it out. One source alone is ordered as SequenceOrder does it.
        Raises ValueError where a weighted source has no sequence.
        """
        self.cycle, chosen = cycle(weights)
        self.turns = np.empty(len(self.cycle), dtype=np.int64)
        self.sources: dict[str, WeightedSource] = {}
        streams = {name: number for number, name in enumerate(sorted(weights))}
        for number, name in enumerate(chosen):
            places = np.flatnonzero(self.cycle == number)
            self.turns[places] = np.arange(len(places))
            self.sources[name] = WeightedSource(runs, name, places, (seed + streams[name] * STREAM) % 2**64)

    def sequence_ids(self, step: int, global_batch: int) -> np.ndarray:
        """The sequences of a step, in batch order: int64 [global_batch]."""
        cycles, places = np.divmod(np.arange(step * global_batch, (step + 1) * global_batch), len(self.cycle))
        ids = np.empty(global_batch, dtype=np.int64)
        for number, source in enumerate(self.sources.values()):
            mine = self.cycle[places] == number
            ids[mine] = source.ids(cycles[mine] * len(source.places) + self.turns[places[mine]])
        return ids

    def steps_of(self, sequence: int, steps: int, global_batch: int) -> list[int]:
        """The steps among 0..steps-1 that see a sequence, ascending; none where its source is left out."""
        for name, source in self.sources.items():
            if (local := source.local(sequence)) is not None:
                turns = source.order.visits(local, self.drawn(name, steps * global_batch))
                cycles, places = np.divmod(turns, len(source.places))
                return ((cycles * len(self.cycle) + source.places[places]) // global_batch).tolist()
        return []

    def drawn(self, name: str, sequences: int) -> int:
        """How many of the first `sequences` of a training are of a source."""
        if name not in self.sources:
            return 0
        places = self.sources[name].places
        cycles, rest = divmod(sequences, len(self.cycle))
        return cycles * len(places) + int(np.searchsorted(places, rest))


class WeightedSource:
    """The sequences of one source: where they lie among all, and in which order its turns come to them.

    places: int64, of the cycle that are this source's.
    """

    def __init__(self, runs: Sequence[tuple[str, int]], name: str, places: np.ndarray, seed: int) -> None:
        ends = np.cumsum([sequences for _, sequences in runs])
        sizes = np.array([sequences if source == name else 0 for source, sequences in runs], dtype=np.int64)
        own = sizes > 0
        if not own.any():
            raise ValueError(f"source {name} has a weight and no sequence")
        self.sizes, self.firsts = sizes[own], (ends - sizes)[own]
        self.before = np.cumsum(self.sizes) - self.sizes  # sequences of this source in its earlier runs
        self.places = places
        self.order = SequenceOrder(int(self.sizes.sum()), seed)

    def ids(self, turns: np.ndarray) -> np.ndarray:
        """The sequences that its turns 0, 1, 2, ... come to, as ids among all sources': int64, as long as `turns`."""
        local = self.order.walk(turns)
        run = np.searchsorted(self.before, local, side="right") - 1
        return self.firsts[run] + local - self.before[run]

    def local(self, sequence: int) -> int | None:
        """The number within this source of a sequence, None where it is another's."""
        run = int(np.searchsorted(self.firsts, sequence, side="right")) - 1
        inside = sequence - int(self.firsts[run]) if run >= 0 else -1
        return int(self.before[run]) + inside if 0 <= inside < self.sizes[run] else None


def cycle(weights: Mapping[str, float]) -> tuple[np.ndarray, list[str]]:
    """Whose turn is at which place until the weights come out even, and the names behind the numbers.

    Returns int32 [sum of whole weights], and the sources of weights above 0 in name order. After n places each source has
    had its exact share of n, give or take at most 1 - 1 / (2 sources - 2): the least that can be promised for any weights.
    Rounding each share of n by itself would not do: its sums miss n, or a source would have to give a turn back.
    Source: Tijdeman 1980, "The chairman assignment problem". Raises ValueError as `whole_weights` does.
    """
    whole = {name: weight for name, weight in sorted(whole_weights(weights).items()) if weight}
    shares, length, slack = list(whole.values()), sum(whole.values()), max(1, 2 * len(whole) - 2)
    owed = [0] * len(shares)  # of each source, in 1 / (length x slack) of a turn: exact, so the same on every machine
    turns = np.empty(length, dtype=np.int32)
    for place in range(length):
        chosen, chosen_time = -1, 0
        for number, share in enumerate(shares):
            owed[number] += share * slack
            # Who is owed enough and would soonest be owed too much; the time until then is this over the share.
            time = length * (slack - 1) - owed[number]
            if owed[number] >= length and (chosen < 0 or time * shares[chosen] < chosen_time * share):
                chosen, chosen_time = number, time
        owed[chosen] -= length * slack
        turns[place] = chosen
    return turns, list(whole)
