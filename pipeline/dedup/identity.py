"""The numbers that name pages of this crawl and of earlier ones together.

A page of this crawl keeps its doc_id (shard << 32 | row). One of the i-th artefact of `dedup.against` (from 1) carries
i in the bits above, so ids never collide and those of earlier crawls are the larger ones.
"""

from __future__ import annotations

import numpy as np

from cluster.errors import WorkError

ROW_BITS, CRAWL_BITS = 32, 52
MOST_SHARDS, MOST_CRAWLS = 1 << (CRAWL_BITS - ROW_BITS), 1 << (63 - CRAWL_BITS)


def named(crawl: int, doc_ids: np.ndarray) -> np.ndarray:
    """doc_ids: int64 of one crawl. Raises WorkError where a number leaves its bits."""
    if crawl >= MOST_CRAWLS or (len(doc_ids) and int(doc_ids.max()) >> CRAWL_BITS):
        raise WorkError(f"dedup: more than {MOST_SHARDS} shards or {MOST_CRAWLS} crawls at once; split the crawl")
    return doc_ids | np.int64(crawl << CRAWL_BITS)


def crawl_of(ids: np.ndarray) -> np.ndarray:
    """0 for pages of this crawl, else which of the earlier artefacts."""
    return ids >> CRAWL_BITS


def place_number(crawl: int, shard: int) -> int:
    return crawl << (CRAWL_BITS - ROW_BITS) | shard


def place_of(ids: np.ndarray) -> np.ndarray:
    """Which pages file holds each: equal for pages of one shard of one crawl."""
    return ids >> ROW_BITS


def id_range(place: int) -> tuple[int, int]:
    """First and last id of a place."""
    return place << ROW_BITS, (place + 1 << ROW_BITS) - 1
