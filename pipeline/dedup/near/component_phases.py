"""Components over files of edges: which page each member of a group belongs to, in buckets of the groups' smallest ids.

Every round of the stars is a phase with shards of its own, so a killed run goes on with the round it was in. The rounds
end when one changed no edge, which is checked by count and hash over all of them; then every edge leads from a member to
the smallest of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.errors import WorkError
from cluster.store import Location, write_shard
from pipeline.dedup.near.components import Edges, bucket_of, distinct, fingerprint, large_star, small_star, union_find
from pipeline.dedup.runs import column, read_ranges, run_bytes
from pipeline.dedup.sketch_worker import sketch_name

# name of the phase, units, worker and its arguments before the output -> (where its files are, the shards' records)
Phase = Callable[..., tuple[Location, dict[int, dict[str, Any]]]]


def write_edges(output: Location, shard: int, bucket: np.ndarray, edges: Edges, **counts: Any) -> None:
    """Edges sorted by bucket, then as they are: columns bucket int32, node, neighbour int64."""
    order = np.argsort(bucket, kind="stable")
    table = pa.table({"bucket": bucket[order], "node": edges[0][order], "neighbour": edges[1][order]})
    write_shard(output, shard, sketch_name(shard), run_bytes(table), edges=len(order), **counts)


def read_edges(files: Sequence[Location], bucket: int) -> Edges:
    tables = list(read_ranges(files, "bucket", bucket, bucket))
    return column(tables, "node", np.int64), column(tables, "neighbour", np.int64)


def both_ends(edges: Edges) -> Edges:
    return np.concatenate(edges), np.concatenate(edges[::-1])


class UnionFindWorker:
    """All edges in one task. Memory: about 80 bytes an edge; `dedup.union_find_edges` bounds it."""

    def __init__(self, edges: Sequence[Location], output: Location) -> None:
        self.edges, self.output = edges, output

    def __call__(self, unit: dict[str, Any]) -> None:
        tables = list(read_ranges(self.edges, "high", 0, np.iinfo(np.int64).max))
        members = union_find(column(tables, "low", np.int64), column(tables, "high", np.int64))
        write_edges(self.output, unit["shard"], bucket_of(members[1], unit["buckets"]), members)


class SeedWorker:
    """One file of verified pairs as edges from both ends, by the bucket of the end."""

    def __init__(self, edges: Sequence[Location], output: Location) -> None:
        self.edges, self.output = edges, output

    def __call__(self, unit: dict[str, Any]) -> None:
        tables = list(read_ranges([self.edges[unit["shard"]]], "high", 0, np.iinfo(np.int64).max))
        edges = distinct(*both_ends((column(tables, "low", np.int64), column(tables, "high", np.int64))))
        write_edges(self.output, unit["shard"], bucket_of(edges[0], unit["buckets"]), edges)


Changed = tuple[np.ndarray, Edges, dict[str, Any]]  # ids that say which bucket each edge goes to, edges, what to count


class BucketWorker:
    """A bucket of nodes with their neighbours, each edge once, through one of the functions below."""

    def __init__(
        self, change: Callable[[np.ndarray, np.ndarray], Changed], edges: Sequence[Location], output: Location
    ) -> None:
        self.change, self.edges, self.output = change, edges, output

    def __call__(self, unit: dict[str, Any]) -> None:
        by, edges, counts = self.change(*distinct(*read_edges(self.edges, unit["shard"])))
        write_edges(self.output, unit["shard"], bucket_of(by, unit["buckets"]), edges, **counts)


def enlarged(node: np.ndarray, neighbour: np.ndarray) -> Changed:
    """Nodes with all their neighbours. Counts the fingerprint of the edges that it was given."""
    down = node > neighbour  # each edge is counted at its larger end
    found = large_star(node, neighbour)
    return found[0], found, {"given": [int(down.sum()), fingerprint(node[down], neighbour[down])]}


def shrunk(node: np.ndarray, neighbour: np.ndarray) -> Changed:
    """Nodes with their smaller neighbours."""
    found = both_ends(small_star(node, neighbour))
    return found[0], found, {}


def labelled(node: np.ndarray, neighbour: np.ndarray) -> Changed:
    """Members by their group's smallest id. Raises WorkError where one has two groups."""
    node, neighbour = node[node > neighbour], neighbour[node > neighbour]
    if (node[1:] == node[:-1]).any():
        raise WorkError("dedup: a page is in two components though the rounds have ended; please report it")
    return neighbour, (node, neighbour), {}


def components(run: Phase, edges: Sequence[Location], number: int, buckets: int, most: int, max_rounds: int) -> list[Location]:
    """Files of (bucket, node, neighbour): every member of a group but the smallest, with the smallest.

    edges: the files of verified pairs, which hold `number` of them; most: up to so many, one task does it.
    Raises WorkError where the stars still change after `max_rounds` rounds.
    """
    if number <= most:
        place, records = run("components", [{"shard": 0, "buckets": buckets}], UnionFindWorker, edges)
        return files_of(place, records)
    units = [{"shard": bucket, "buckets": buckets} for bucket in range(buckets)]
    current = files_of(*run("seed", [{"shard": at, "buckets": buckets} for at in range(len(edges))], SeedWorker, edges))
    before: tuple[int, int] | None = None
    for turn in range(max_rounds):
        place, records = run(f"large-{turn:03d}", units, BucketWorker, enlarged, current)
        given = [record["counts"]["given"] for record in records.values()]
        state = (sum(count for count, _ in given), sum(digest for _, digest in given) % 2**64)
        if state == before:
            return files_of(*run("labels", units, BucketWorker, labelled, current))
        before = state
        current = files_of(*run(f"small-{turn:03d}", units, BucketWorker, shrunk, files_of(place, records)))
    raise WorkError(
        f"dedup: {before[0] if before else 0} edges of components still change after {max_rounds} rounds; "
        "raise dedup.max_rounds, finished rounds stay"
    )


def files_of(place: Location, records: dict[int, dict[str, Any]]) -> list[Location]:
    return [place / records[shard]["path"] for shard in sorted(records)]
