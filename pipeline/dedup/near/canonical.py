"""Which page of a group stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.store import Location, write_shard
from pipeline.dedup.exact import preference_order
from pipeline.dedup.identity import crawl_of
from pipeline.dedup.near.component_phases import read_edges
from pipeline.dedup.near.shingle_store import Shingles, batches
from pipeline.dedup.near.verify import Cache, similarities
from pipeline.dedup.runs import run_bytes
from pipeline.dedup.sketch_worker import sketch_name
from pipeline.groups import group_starts

MOST_CANONICALS = 1000  # of one group, after which the rest of it is left alone: chains cost no square of their length


def choose(
    group: Sequence[int], alike: Callable[[int, Sequence[int]], np.ndarray], threshold: float, fixed: Callable[[int], bool]
) -> list[tuple[int, int, float]]:
    """Give each member the page that stands for it: [(member, canonical, similarity)], in the order of choosing.

    group: most preferred first. alike(one, others): their true similarities. fixed: pages that stay in any case.
    The first stands for those that are themselves similar to it; the others, which only a chain of neighbours connects
    to it, choose again among themselves. So nothing is dropped for a page it does not resemble.
    """
    chosen: list[tuple[int, int, float]] = []
    left = list(group)
    for _ in range(MOST_CANONICALS):
        if not left:
            break
        canonical, others = left[0], left[1:]
        chosen.append((canonical, canonical, 1.0))
        how = alike(canonical, others) if others else np.zeros(0)
        goes = [how[at] >= threshold and not fixed(member) for at, member in enumerate(others)]
        chosen += [(member, canonical, float(how[at])) for at, member in enumerate(others) if goes[at]]
        left = [member for at, member in enumerate(others) if not goes[at]]
    return chosen + [(member, member, 1.0) for member in left]


class CanonicalWorker:
    """The groups of one bucket: which pages of this crawl give way to which, and how similar they are.

    members: files of (bucket, member, smallest of its group). Memory: the bucket's members, `memory_mb` of shingles.
    """

    def __init__(
        self, jaccard: float, memory_mb: int, members: Sequence[Location], shingles: Location, output: Location
    ) -> None:
        self.jaccard, self.limit = jaccard, memory_mb * 1_000_000 // 32
        self.members, self.shingles, self.output = members, Shingles(shingles), output

    def __call__(self, unit: dict[str, Any]) -> None:
        member, smallest = read_edges(self.members, unit["shard"])
        order = np.argsort(smallest, kind="stable")
        member, smallest = member[order], smallest[order]
        starts = group_starts(smallest)
        gone = list[tuple[int, int, float]]()
        for part in batches(np.diff(np.append(starts, len(member))).tolist(), 1 << 16):
            first, last = starts[part.start], starts[part.stop] if part.stop < len(starts) else len(member)
            groups = np.split(member[first:last], starts[part][1:] - first)
            gone += self.decide([np.append(root, of) for root, of in zip(smallest[starts[part]], groups, strict=True)])
        gone.sort()
        table = pa.table(
            {
                "doc_id": pa.array([each[0] for each in gone], pa.int64()),
                "canonical_id": pa.array([each[1] for each in gone], pa.int64()),
                "similarity": pa.array([each[2] for each in gone], pa.float32()),
            }
        )
        write_shard(self.output, unit["shard"], sketch_name(unit["shard"]), run_bytes(table), groups=len(starts))

    def decide(self, groups: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
        """Those of some groups that give way: (page, canonical, similarity)."""
        index = self.shingles.rows(np.unique(np.concatenate(groups)))
        ids, counts = index["doc_id"].to_numpy(), index["count"].to_numpy()
        rank = np.empty(len(ids), dtype=np.int64)
        rank[preference_order(index)] = np.arange(len(ids))
        earlier = crawl_of(ids) > 0
        ordered = [rows[np.argsort(rank[rows])] for rows in (np.searchsorted(ids, group) for group in groups)]
        store = Cache(self.shingles, index, self.limit, np.concatenate(ordered))

        def alike(one: int, others: Sequence[int]) -> np.ndarray:
            found = []
            for part in batches(counts[list(others)].tolist(), self.limit):
                found.append(similarities(store[[one]][0], store[others[part]]))
            return np.concatenate(found) if found else np.zeros(0)

        gone = []
        for rows in ordered:
            for member, canonical, how in choose(rows.tolist(), alike, self.jaccard, lambda row: bool(earlier[row])):
                if member != canonical:
                    gone.append((int(ids[member]), int(ids[canonical]), how))
        return gone
