"""Pages with the same hash (of the normalised text, or of the canonical URL): the best of them stays.

First within a shard, which sends its best page for each hash on; then, for a range of hashes, among the shards. So a
text that was copied a hundred thousand times costs one row a shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location, write_shard
from pipeline.dedup.identity import crawl_of, named, place_of
from pipeline.dedup.runs import key_range, lookup, read_range, run_bytes
from pipeline.dedup.sketch_worker import hashes_of, sketch_name
from pipeline.groups import group_starts

PREFERRED = ("priority", "characters", "fetch_time")


def preference_order(table: pa.Table, *first: np.ndarray) -> np.ndarray:
    """Rows by `first` (the last of them first), then: an earlier crawl, source priority, length, earliest time, id.

    table: doc_id, priority, characters, fetch_time (ISO, so that they sort as text; none sorts last).
    """
    ids = table["doc_id"].to_numpy()
    times = np.array([each or "~" for each in table["fetch_time"].to_pylist()], dtype=str)
    priority, characters = (table[name].to_numpy().astype(np.int64) for name in ("priority", "characters"))
    return np.lexsort((ids, times, -characters, -priority, crawl_of(ids) == 0, *first))


def best_of(high: np.ndarray, low: np.ndarray, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers sorted by hash and preference, and for each the row number of the best with its hash."""
    order = preference_order(table, low, high)
    starts = group_starts(high[order], low[order])
    return order, order[np.repeat(starts, np.diff(np.append(starts, len(order))))]


@dataclass(frozen=True)
class Compared:
    """Where the two phases over one kind of hash have left who gives way to whom: within shards, then among them."""

    runs: Location
    losers: Location
    partitions: int

    def follow(self, ids: np.ndarray) -> np.ndarray:
        """For pages of any shard, the pages that stand for them as far as this hash goes: int64 [len(ids)]."""
        shards = np.unique(place_of(ids[crawl_of(ids) == 0])).tolist()
        ids, _ = replaced(ids, [self.runs / copies_name(shard) for shard in shards])
        ids, _ = replaced(ids, [self.losers / sketch_name(partition) for partition in range(self.partitions)])
        return ids

    def stays(self, ids: np.ndarray) -> np.ndarray:
        return self.follow(ids) == ids


def replaced(ids: np.ndarray, places: Sequence[Location]) -> tuple[np.ndarray, pa.Table | None]:
    """ids with those that the runs (doc_id, canonical_id) name replaced, and the rows that were found."""
    found = lookup(places, np.unique(ids))
    if found is None:
        return ids, None
    losers, winners = found["doc_id"].to_numpy(), found["canonical_id"].to_numpy()
    at = np.searchsorted(losers, ids).clip(max=len(losers) - 1)
    return np.where(losers[at] == ids, winners[at], ids), found


class ExactRunWorker:
    """A shard's best page for each hash, sorted by hash, and beside it which page each of the others gives way to.

    name: the sketch's column of hashes. before: losers of what was compared before, which do not take part.
    """

    def __init__(self, name: str, sketches: Location, before: Sequence[Compared], output: Location) -> None:
        self.name, self.sketches, self.before, self.output = name, sketches, before, output

    def __call__(self, unit: dict[str, Any]) -> None:
        shard = unit["shard"]
        sketch = pq.read_table((self.sketches / sketch_name(shard)).open(), columns=["doc_id", *PREFERRED, self.name])
        for compared in self.before:
            sketch = sketch.filter(pa.array(compared.stays(sketch["doc_id"].to_numpy())))
        hashes = hashes_of(sketch, self.name)
        order, best = best_of(hashes[:, 0], hashes[:, 1], sketch)
        ids = sketch["doc_id"].to_numpy()
        copies = pa.table({"doc_id": ids[order], "canonical_id": ids[best]}).filter(pa.array(order != best))
        (self.output / copies_name(shard)).write_bytes(run_bytes(copies.sort_by("doc_id")))
        chosen = order[order == best]
        run = pa.table({"high": hashes[chosen, 0], "low": hashes[chosen, 1]})
        for name in ("doc_id", *PREFERRED):
            run = run.append_column(name, sketch[name].take(pa.array(chosen)))
        write_shard(self.output, shard, sketch_name(shard), run_bytes(run), copies=copies.num_rows)


def copies_name(shard: int) -> str:
    return f"copies-{shard:06d}.parquet"


class ExactWorker:
    """A range of hashes over all shards and earlier crawls: which pages of this crawl give way to which.

    runs: (crawl, run) of every shard. Memory: one row for each distinct hash of the range and shard.
    """

    def __init__(self, runs: Sequence[tuple[int, Location]], output: Location) -> None:
        self.runs, self.output = runs, output

    def __call__(self, unit: dict[str, Any]) -> None:
        first, last = key_range(unit["partition"], unit["partitions"])
        tables = []
        for crawl, run in self.runs:
            table = read_range(run, "high", first, last)
            ids = named(crawl, table["doc_id"].to_numpy())
            tables.append(table.set_column(table.schema.get_field_index("doc_id"), "doc_id", pa.array(ids)))
        rows = pa.concat_tables(tables)
        order, best = best_of(rows["high"].to_numpy(), rows["low"].to_numpy(), rows)
        ids = rows["doc_id"].to_numpy()
        gone = (order != best) & (crawl_of(ids[order]) == 0)
        losers = pa.table({"doc_id": ids[order][gone], "canonical_id": ids[best][gone]}).sort_by("doc_id")
        write_shard(self.output, unit["shard"], sketch_name(unit["shard"]), run_bytes(losers), losers=losers.num_rows)
