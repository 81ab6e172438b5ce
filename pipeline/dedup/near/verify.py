"""Which candidate pairs are alike indeed: the true Jaccard similarity of their shingles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.store import Location, write_shard
from pipeline.dedup.identity import id_range
from pipeline.dedup.near.candidates import distinct_pairs
from pipeline.dedup.near.shingle_store import Shingles, batches, index_name
from pipeline.dedup.runs import column, read_ranges, run_bytes


def similarities(centre: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Jaccard of one set of shingles with several: float64 [len(others)]. Each sorted, distinct; two empty ones are the same.

    Time: (all shingles of the others) x log(centre). Memory: 25 bytes a shingle of the others.
    """
    sizes = np.array([len(other) for other in others], dtype=np.int64)
    common = np.zeros(len(others), dtype=np.int64)
    if len(centre) and sizes.any():
        flat = np.concatenate(others)
        at = np.searchsorted(centre, flat)
        at[at == len(centre)] = 0
        running = np.append(0, np.cumsum(centre[at] == flat))
        ends = np.cumsum(sizes)
        common = running[ends] - running[ends - sizes]
    union = sizes + len(centre) - common
    return np.where(union == 0, 1.0, common / np.maximum(union, 1))


AHEAD = 1 << 21  # shingles, 16 MB


class Connected:
    """Union-find with path halving (Tarjan and van Leeuwen 1984), for pairs that come one by one."""

    def __init__(self) -> None:
        self.parent: dict[int, int] = {}

    def root(self, member: int) -> int:
        parent = self.parent
        while (up := parent.setdefault(member, member)) != member:
            parent[member] = member = parent[up]
        return member

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.parent[high] = low


class VerifyWorker:
    """The verified pairs whose larger id is at one place.

    pairs: runs of the candidate pairs between shards; inside: where those within a shard are. Pairs around the page that
    has most of them come first; one whose pages are connected by then is passed over, which changes no component.
    Memory: the pairs of the place, and `memory_mb` of shingles at a time.
    """

    def __init__(
        self,
        jaccard: float,
        memory_mb: int,
        shingles: Location,
        inside: Location,
        between: Sequence[Location],
        output: Location,
    ) -> None:
        self.jaccard, self.limit = jaccard, memory_mb * 1_000_000 // 32
        self.shingles, self.inside, self.between, self.output = Shingles(shingles), inside, between, output

    def __call__(self, unit: dict[str, Any]) -> None:
        place = unit["place"]
        sources = [*self.between, *([self.inside / f"pairs-{unit['run']}"] if unit["run"] else [])]
        tables = list(read_ranges(sources, "high", *id_range(place)))
        pairs = distinct_pairs(np.stack([column(tables, name, np.int64) for name in ("low", "high")], axis=1))
        alike, looked = self.verified(pairs) if len(pairs) else (np.zeros((0, 2), dtype=np.int64), 0)
        table = pa.table({"low": alike[:, 0], "high": alike[:, 1]})
        name = index_name(place)
        write_shard(self.output, unit["shard"], name, run_bytes(table), pairs=len(pairs), compared=looked, edges=len(alike))

    def verified(self, pairs: np.ndarray) -> tuple[np.ndarray, int]:
        """The pairs that are alike and connect what was not connected, and how many were compared."""
        index = self.shingles.rows(np.unique(pairs))
        ids, counts = index["doc_id"].to_numpy(), index["count"].to_numpy()
        low, high = np.searchsorted(ids, pairs[:, 0]), np.searchsorted(ids, pairs[:, 1])
        # A set cannot share more than the smaller one has: no need to look where that is too little already.
        possible = np.minimum(counts[low], counts[high]) >= self.jaccard * np.maximum(counts[low], counts[high])
        low, high = low[possible], high[possible]
        if not len(low):
            return np.zeros((0, 2), dtype=np.int64), 0
        degree = np.bincount(np.concatenate([low, high]), minlength=len(ids))
        swap = degree[high] > degree[low]
        centre, other = np.where(swap, high, low), np.where(swap, low, high)
        order = np.lexsort((other, centre, -degree[centre]))
        centre, other = centre[order], other[order]
        starts = np.flatnonzero(centre[1:] != centre[:-1]) + 1
        connected, looked, found = Connected(), 0, list[tuple[int, int]]()
        store = Cache(self.shingles, index, self.limit, np.insert(other, np.append(0, starts), centre[np.append(0, starts)]))
        at = 0
        for members in np.split(other, starts):
            middle = int(centre[at])
            at += len(members)
            left = np.array(
                [each for each in members.tolist() if connected.root(each) != connected.root(middle)], dtype=np.int64
            )
            for part in batches(counts[left].tolist(), self.limit):
                rows = left[part]
                looked += len(rows)
                how = similarities(store[[middle]][0], store[rows.tolist()])
                for each in rows[how >= self.jaccard].tolist():
                    connected.join(middle, each)
                    found.append((int(ids[middle]), int(ids[each])))
        return distinct_pairs(np.array(found, dtype=np.int64).reshape(-1, 2)), looked


class Cache:
    """Shingles by row of an index, read many at a time; forgets all of them when there are more than `limit`.

    upcoming: the rows in about the order in which they will be asked for; a row that is not there is read with those that
    come next, AHEAD shingles of them.
    """

    def __init__(self, store: Shingles, index: pa.Table, limit: int, upcoming: np.ndarray) -> None:
        self.store, self.index, self.limit = store, index, limit
        self.kept: dict[int, np.ndarray] = {}
        self.held = 0
        distinct, first = np.unique(upcoming, return_index=True)
        self.upcoming = distinct[np.argsort(first)]
        self.place = np.empty(len(index), dtype=np.int64)
        self.place[self.upcoming] = np.arange(len(self.upcoming))
        self.ends = np.cumsum(index["count"].to_numpy()[self.upcoming])

    def __getitem__(self, rows: Sequence[int]) -> list[np.ndarray]:
        if any(row not in self.kept for row in rows):
            needed = {row: self.kept.pop(row) for row in rows if row in self.kept}
            if self.held > self.limit:
                self.kept, self.held = {}, sum(map(len, needed.values()))
            self.kept |= needed
            self.read([row for row in rows if row not in self.kept])
        return [self.kept[row] for row in rows]

    def read(self, missing: Sequence[int]) -> None:
        begin = min(self.place[row] for row in missing)
        until = np.searchsorted(self.ends, self.ends[begin] + min(AHEAD, self.limit), "right")
        ahead = [row for row in self.upcoming[begin:until].tolist() if row not in self.kept]
        wanted = np.unique(np.array([*missing, *ahead], dtype=np.int64))
        found = self.store.fetch(self.index.take(pa.array(wanted)))
        self.kept |= dict(zip(wanted.tolist(), found, strict=True))
        self.held += sum(map(len, found))
