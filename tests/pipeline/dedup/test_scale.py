"""What a few contents on very many pages cost: counted, on arrays, so without their texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.store import Location, shard_records
from pipeline.dedup.exact import Compared, ExactRunWorker, ExactWorker
from pipeline.dedup.near.candidates import CandidateWorker, ShardCandidateWorker
from pipeline.dedup.near.verify import similarities
from pipeline.dedup.runs import run_bytes
from pipeline.dedup.sketch_worker import sketch_name

SHARDS, PAGES = 10, 10_000


def write_sketches(place: Location, hashes: np.ndarray, bands: np.ndarray) -> None:
    """hashes: uint64 [pages, 2], bands: uint64 [pages, bands], over ten shards of equal size."""
    for shard in range(SHARDS):
        rows = slice(shard * PAGES, (shard + 1) * PAGES)
        own = len(hashes[rows])
        columns = {
            "doc_id": (np.int64(shard) << 32) + np.arange(own),
            "priority": np.zeros(own, dtype=np.int32),
            "characters": np.full(own, 100),
            "fetch_time": [""] * own,
        }
        for name, each in (("text", hashes[rows]), ("bands", bands[rows])):
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(each.ravel(), pa.uint64()), each.shape[1])
        (place / sketch_name(shard)).write_bytes(run_bytes(pa.table(columns)))


def test_one_text_copied_100_000_times_costs_one_row_a_shard(tmp_path: Path) -> None:
    sketches, runs, losers = (Location.of(tmp_path / name) for name in ("sketch", "runs", "text"))
    write_sketches(sketches, np.full((SHARDS * PAGES, 2), 7, dtype=np.uint64), np.zeros((SHARDS * PAGES, 14), dtype=np.uint64))
    worker = ExactRunWorker("text", sketches, [], runs)
    for shard in range(SHARDS):
        worker({"shard": shard})
    assert [record["counts"]["copies"] for record in shard_records(runs).values()] == [PAGES - 1] * SHARDS
    across = ExactWorker([(0, runs / sketch_name(shard)) for shard in range(SHARDS)], losers)
    for partition in range(2):
        across({"shard": partition, "partition": partition, "partitions": 2})
    assert sum(record["counts"]["losers"] for record in shard_records(losers).values()) == SHARDS - 1
    ids = np.concatenate([(np.int64(shard) << 32) + np.arange(PAGES) for shard in range(SHARDS)])
    compared = Compared(runs, losers, 2)
    assert set(compared.follow(ids).tolist()) == {0}
    # So that what near duplicates are looked for among is one page.
    near = Location.of(tmp_path / "near")
    for shard in range(SHARDS):
        ShardCandidateWorker(4, sketches, [compared], near)({"shard": shard})
    assert sum(record["counts"]["pairs"] for record in shard_records(near).values()) == 0


@pytest.mark.slow
def test_a_template_over_ten_shards_sends_four_rows_a_shard_and_pairs_stay_linear(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    number = SHARDS * PAGES
    hashes, bands = (chance.integers(0, 2**63, (number, width)).astype(np.uint64) for width in (2, 14))
    bands[:, :3] = bands[0, :3]  # three bands are the template's
    sketches, inside, between = (Location.of(tmp_path / name) for name in ("sketch", "inside", "between"))
    write_sketches(sketches, hashes, bands)
    worker = ShardCandidateWorker(4, sketches, [], inside)
    for shard in range(SHARDS):
        worker({"shard": shard})
    counts = [record["counts"] for record in shard_records(inside).values()]
    assert {each["rows"] for each in counts} == {3 * 4 + 11 * PAGES}
    assert all(each["pairs"] == PAGES - 1 for each in counts)  # one star for all three
    across = CandidateWorker([(0, inside / sketch_name(shard)) for shard in range(SHARDS)], between)
    across({"shard": 0, "partition": 0, "partitions": 1})
    assert shard_records(between)[0]["counts"]["pairs"] <= 3 * 4 * SHARDS


def test_similarities_with_one_page_are_those_of_sets() -> None:
    chance = np.random.default_rng(4)
    sets = [np.unique(chance.integers(0, 60, size).astype(np.uint64)) for size in (0, 1, 5, 30, 80, 200)]
    for centre in sets:
        found = similarities(centre, sets)
        for other, how in zip(sets, found.tolist(), strict=True):
            a, b = set(centre.tolist()), set(other.tolist())
            assert how == (len(a & b) / len(a | b) if a | b else 1.0)
