"""Pairs of pages that share a band key, without a hot spot: what a key may cost is bounded by the number of shards.

Within a shard all pages of a key are compared; `representatives` of them go on, one row each, to the range of keys
where the shards meet. A key that more than 32 pages share (a template) gives a star around the smallest id: one edge a
page, not the square.

What that costs in recall: pairs of a large group that are alike, but not like the centre, are missed under this key.
They have their other bands; and where several kinds of pages share a template, the representatives are spread over the
order of another band, so that each kind is likely among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location, write_shard
from pipeline.dedup.exact import Compared
from pipeline.dedup.identity import crawl_of, named, place_of
from pipeline.dedup.runs import key_range, read_range, run_bytes
from pipeline.dedup.sketch_worker import hashes_of, sketch_name
from pipeline.groups import begins, group_starts

ALL_PAIRS = 32  # up to this many pages under one key every pair is looked at: 496 at most
WORKING = 64  # bytes that a row (key, id) takes while it is sorted and paired

NO_PAIRS = np.zeros((0, 2), dtype=np.int64)


def group_pairs(groups: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Candidate pairs: int64 [pairs, 2], smaller id first, distinct, sorted by the larger one.

    groups: sorted, any dtype; ids: int64, distinct within a group.
    """
    if len(ids) < 2:
        return NO_PAIRS
    starts = group_starts(groups)
    sizes = np.diff(np.append(starts, len(ids)))
    group = np.repeat(np.arange(len(starts)), sizes)
    large = sizes[group] > ALL_PAIRS
    found = [NO_PAIRS]
    at = np.flatnonzero(~large)
    for distance in range(1, ALL_PAIRS):
        at = at[at + distance < len(ids)]
        at = at[group[at + distance] == group[at]]
        if not len(at):
            break
        found.append(np.stack([ids[at], ids[at + distance]], axis=1))
    if large.any():
        centre = np.minimum.reduceat(ids, starts)[group]
        star = large & (ids != centre)
        found.append(np.stack([centre[star], ids[star]], axis=1))
    return distinct_pairs(np.concatenate(found))


def distinct_pairs(pairs: np.ndarray) -> np.ndarray:
    """int64 [n, 2] -> smaller id first, distinct, sorted by the larger id."""
    low, high = pairs.min(axis=1, initial=np.iinfo(np.int64).max), pairs.max(axis=1, initial=-1)
    order = np.lexsort((low, high))
    low, high = low[order], high[order]
    new = begins(low, high)
    return np.stack([low[new], high[new]], axis=1)


def representatives_of(groups: np.ndarray, ids: np.ndarray, number: int) -> np.ndarray:
    """Row numbers of at most `number` rows of each group: the smallest id's, the others spread over the group's order.

    groups: sorted.
    """
    starts = group_starts(groups)
    sizes = np.diff(np.append(starts, len(ids)))
    few = np.repeat(sizes <= number, sizes)
    chosen = [np.flatnonzero(few)]
    for start, size in zip(starts[sizes > number].tolist(), sizes[sizes > number].tolist(), strict=True):
        rows = [start + size * each // number for each in range(number)]
        smallest = start + int(ids[start : start + size].argmin())
        chosen.append(np.array([smallest, *[row for row in rows if row != smallest][-(number - 1) or number :]][:number]))
    return np.sort(np.concatenate(chosen))


def band_order(keys: np.ndarray, ids: np.ndarray, band: int) -> np.ndarray:
    """Rows by the key of a band, within a key by that of the next one: pages that are alike stand together."""
    return np.lexsort((ids, keys[:, (band + 1) % keys.shape[1]], keys[:, band]))


def shard_pairs(keys: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Candidate pairs within a shard: int64 [n, 2]. keys: uint64 [documents, bands]. Memory: 64 bytes a document and band."""
    pairs = [NO_PAIRS]
    for band in range(keys.shape[1]):
        order = np.argsort(keys[:, band], kind="stable")
        pairs.append(group_pairs(keys[order, band], ids[order]))
    return distinct_pairs(np.concatenate(pairs))


def shard_run(keys: np.ndarray, ids: np.ndarray, number: int) -> pa.Table:
    """The rows that a shard sends on: key uint64 (sorted), representative int64, at most `number` of each key.

    keys: uint64 [documents, bands].
    """
    sent, of = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for band in range(keys.shape[1]):
        order = band_order(keys, ids, band)
        rows = order[representatives_of(keys[order, band], ids[order], number)]
        sent.append(keys[rows, band])
        of.append(ids[rows])
    every_key, every_id = np.concatenate(sent), np.concatenate(of)
    order = np.lexsort((every_id, every_key))
    return pa.table({"key": every_key[order], "representative": every_id[order]})


def write_pairs(output: Location, name: str, shard: int, pairs: np.ndarray, **counts: Any) -> None:
    """The pages that occur, then the pairs, sorted by the larger id: both are read by place later."""
    (output / f"nodes-{name}").write_bytes(run_bytes(pa.table({"id": np.unique(pairs)})))
    table = pa.table({"low": pairs[:, 0], "high": pairs[:, 1]})
    write_shard(output, shard, f"pairs-{name}", run_bytes(table), pairs=len(pairs), **counts)


class ShardCandidateWorker:
    """Pairs within a shard, among pages that no exact duplicate replaces, and the shard's run of (key, representative)."""

    def __init__(self, representatives: int, sketches: Location, exact: Sequence[Compared], output: Location) -> None:
        self.representatives, self.sketches, self.exact, self.output = representatives, sketches, exact, output

    def __call__(self, unit: dict[str, Any]) -> None:
        name = sketch_name(unit["shard"])
        sketch = pq.read_table((self.sketches / name).open(), columns=["doc_id", "bands"])
        ids, keys = sketch["doc_id"].to_numpy(), hashes_of(sketch, "bands")
        for compared in self.exact:
            alive = compared.stays(ids)
            ids, keys = ids[alive], keys[alive]
        run = shard_run(keys, ids, self.representatives)
        (self.output / name).write_bytes(run_bytes(run))
        write_pairs(self.output, name, unit["shard"], shard_pairs(keys, ids), rows=run.num_rows)


class CandidateWorker:
    """Pairs between shards, and between this crawl and earlier ones, for a range of keys.

    runs: (crawl, run of key and representative) of every shard. Memory: 64 bytes a row of the range.
    """

    def __init__(self, runs: Sequence[tuple[int, Location]], output: Location) -> None:
        self.runs, self.output = runs, output

    def __call__(self, unit: dict[str, Any]) -> None:
        first, last = key_range(unit["partition"], unit["partitions"])
        keys, ids = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
        for crawl, run in self.runs:
            table = read_range(run, "key", first, last)
            keys.append(table["key"].to_numpy())
            ids.append(named(crawl, table["representative"].to_numpy()))
        every_key, every_id = np.concatenate(keys), np.concatenate(ids)
        order = np.lexsort((every_id, every_key))
        pairs = group_pairs(every_key[order], every_id[order])
        apart = place_of(pairs[:, 0]) != place_of(pairs[:, 1])  # the others their shard has looked at
        new = (crawl_of(pairs) == 0).any(axis=1)  # two pages of earlier crawls both stay
        write_pairs(self.output, sketch_name(unit["shard"]), unit["shard"], pairs[apart & new], rows=len(order))
