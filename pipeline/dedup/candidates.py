"""Pairs of pages that share a band of their signatures."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np

ALL_PAIRS = 32  # up to this many pages under one key every pair is looked at: 496 at most


def candidate_pairs(keys: np.ndarray) -> np.ndarray:
    """keys: uint64 [documents, bands]. Returns int64 [pairs, 2], distinct, first < second, sorted.

    A key that many pages share (a template) gives a chain and a star, not all pairs: twice as many edges as
    pages instead of their square. Memory: 16 bytes a document and band for sorting, one band at a time.
    """
    pairs: set[tuple[int, int]] = set()
    for band in keys.T:
        order = np.argsort(band, kind="stable")
        edges = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, edges):
            if len(bucket) > 1:
                pairs.update(bucket_pairs(bucket.tolist()))
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def bucket_pairs(bucket: list[int]) -> set[tuple[int, int]]:
    """bucket: ascending. All pairs of a small one; of a large one each with the first and with the one before."""
    if len(bucket) <= ALL_PAIRS:
        return set(combinations(bucket, 2))
    first = bucket[0]
    return {(first, each) for each in bucket[1:]} | set(pairwise(bucket[1:]))
