"""Groups of pages that verified pairs connect: by union-find in one task, or by stars that are shuffled.

Both give every member but the smallest of its group the smallest id of the group. Arrays only; `component_phases`
does the reading and writing.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.groups import begins, group_starts
from pipeline.hashing import MULTIPLIER, mixed

Edges = tuple[np.ndarray, np.ndarray]  # two int64 arrays of one length: a page, and one that it is connected with


def union_find(low: np.ndarray, high: np.ndarray) -> Edges:
    """Members and the smallest id of each one's group, sorted by member; the smallest itself is left out.

    By scipy's connected components (breadth-first over a sparse matrix). Memory: about 80 bytes an edge.
    """
    ids, at = np.unique(np.concatenate([low, high]), return_inverse=True)
    if not len(ids):
        return ids.astype(np.int64), ids.astype(np.int64)
    one, other = at[: len(low)], at[len(low) :]
    graph = coo_array((np.ones(len(low), dtype=np.int8), (one, other)), shape=(len(ids), len(ids)))
    _, label = connected_components(graph, directed=False)
    smallest = np.full(label.max() + 1, len(ids))
    np.minimum.at(smallest, label, np.arange(len(ids)))
    root = ids[smallest[label]]
    return ids[root != ids], root[root != ids]


def distinct(node: np.ndarray, neighbour: np.ndarray) -> Edges:
    """Sorted by node and neighbour, each once."""
    order = np.lexsort((neighbour, node))
    node, neighbour = node[order], neighbour[order]
    new = begins(node, neighbour)
    return node[new], neighbour[new]


def smallest_around(node: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """For each row of distinct(...), the smallest among its node and all the node's neighbours."""
    starts = group_starts(node)
    return np.repeat(np.minimum(node[starts], neighbour[starts]), np.diff(np.append(starts, len(node))))


def large_star(node: np.ndarray, neighbour: np.ndarray) -> Edges:
    """Connect every larger neighbour of a node with the smallest page around it.

    node, neighbour: distinct, sorted, every edge from both of its ends. Returns edges (larger, smaller).
    Source: Kiveris et al. 2014, Connected Components in MapReduce and Beyond, algorithm 2.
    """
    smallest = smallest_around(node, neighbour)
    larger = neighbour > node
    return distinct(neighbour[larger], smallest[larger])


def small_star(node: np.ndarray, neighbour: np.ndarray) -> Edges:
    """Connect a node and its smaller neighbours with the smallest of them.

    node, neighbour: distinct, sorted, every edge once, from its larger end. Returns edges (larger, smaller).
    Source: Kiveris et al. 2014, algorithm 1.
    """
    smallest = smallest_around(node, neighbour)
    others = neighbour != smallest
    return distinct(np.concatenate([neighbour[others], node]), np.concatenate([smallest[others], smallest]))


def fingerprint(node: np.ndarray, neighbour: np.ndarray) -> int:
    """A number that tells sets of edges apart, whatever their order: the sum of 64-bit hashes, modulo 2^64."""
    with np.errstate(over="ignore"):
        hashes = mixed(mixed(node.astype(np.uint64)) * MULTIPLIER + neighbour.astype(np.uint64))
        return int(hashes.sum(dtype=np.uint64))


def bucket_of(ids: np.ndarray, buckets: int) -> np.ndarray:
    """Which of the edge files an id belongs to: int32 [n], evenly, whatever pattern the ids have."""
    return (mixed(ids.astype(np.uint64)) % np.uint64(buckets)).astype(np.int32)
