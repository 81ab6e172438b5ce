from __future__ import annotations

import random
from pathlib import Path

from cluster.store import Artefact, Location, shard_records, write_shard
from pipeline.crawl.crawler import FILES_PER_ACTOR
from pipeline.pages.shard import page_shards
from pipeline.records.shard import record_shards
from pipeline.shards import in_order, part_name, shard_of

NUMBERS = [0, 7, 99_999, 100_000, 100_001, 999_999, 1_000_000, 1_000_001, 1_000_009, 10_000_000]


def test_shards_come_in_the_order_of_their_numbers_also_beyond_six_digits() -> None:
    files = [{"path": part_name(number)} for number in NUMBERS]
    random.Random(0).shuffle(files)
    artefact = Artefact(Location.of("/nowhere"), {"files": sorted(files, key=lambda file: file["path"])})
    for listed in (page_shards(artefact), record_shards(artefact)):
        assert [shard_of(place) for place in listed] == NUMBERS


def test_shards_of_different_kinds_stay_together() -> None:
    names = ["train-1000000.parquet", "heldout-000002.parquet", "train-000003.parquet", "spans.parquet"]
    found = [place.name for place in in_order(Location.of("/nowhere") / name for name in names)]
    assert found == ["heldout-000002.parquet", "spans.parquet", "train-000003.parquet", "train-1000000.parquet"]


def test_files_of_many_crawlers_share_no_number(tmp_path: Path) -> None:
    place = Location.of(tmp_path)
    numbers = [number * FILES_PER_ACTOR + file for number in (0, 1, 99, 100, 101, 1000) for file in (0, 1)]
    for number in numbers:
        write_shard(place, number, f"crawl-{number:06d}", b"")
    assert sorted(shard_records(place)) == numbers
