"""Shingles fetched by page, in any order and with any room."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.store import Location
from pipeline.dedup.near.shingle_store import Shingles, bytes_name, index_name
from pipeline.dedup.near.verify import Cache
from pipeline.dedup.runs import run_bytes


def written(place: Path, sets: list[list[np.ndarray]]) -> None:
    """Files of the shingles of several shards, as the stage leaves them."""
    for shard, pages in enumerate(sets):
        counts = np.array(list(map(len, pages)), dtype=np.int64)
        ids = np.array([shard << 32 | row for row in range(len(pages))], dtype=np.int64)
        index = pa.table({"doc_id": ids, "start": np.cumsum(counts) - counts, "count": counts})
        (place / index_name(shard)).write_bytes(run_bytes(index))
        (place / bytes_name(shard)).write_bytes(np.concatenate([np.zeros(0, "<u8"), *pages]).astype("<u8").tobytes())


@given(
    sizes=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=3),
    asked=st.lists(st.lists(st.integers(0, 17), min_size=1, max_size=4), max_size=8),
    gap=st.integers(0, 8),
    ahead=st.integers(1, 30),
    limit=st.integers(1, 40),
)
def test_what_is_asked_for_comes_whatever_was_read_ahead_or_forgotten(
    sizes: list[list[int]], asked: list[list[int]], gap: int, ahead: int, limit: int
) -> None:
    chance = np.random.default_rng(3)
    sets = [[np.sort(chance.integers(0, 2**63, size).astype(np.uint64)) for size in shard] for shard in sizes]
    every = [page for shard in sets for page in shard]
    requests = [[row % len(every) for row in rows] for rows in asked]
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.dedup.near.shingle_store.GAP", gap)
        patch.setattr("pipeline.dedup.near.verify.AHEAD", ahead)
        written(Path(directory), sets)
        store = Shingles(Location.of(directory))
        ids = [shard << 32 | row for shard, pages in enumerate(sets) for row in range(len(pages))]
        index = store.rows(np.array(ids, dtype=np.int64))
        cache = Cache(store, index, limit, np.array([row for rows in requests for row in rows], dtype=np.int64))
        largest = max((sum(len(every[row]) for row in set(rows)) for rows in requests), default=0)
        for rows in requests:
            for found, row in zip(cache[rows], rows, strict=True):
                assert found.tolist() == every[row].tolist()
            # At most what may stay, what is read ahead, and what is asked for at once.
            assert cache.held <= limit + min(ahead, limit) + 2 * largest
            assert cache.held == sum(map(len, cache.kept.values()))
