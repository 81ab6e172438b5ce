"""Deduplication that leaves exact copies in, as an ablation wants it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dedup.settings import DedupSettings
from tests.pipeline.dedup.conftest import Crawl, Decide, decisions_of

WORDS = [f"word{number}" for number in range(120)]
OFF = DedupSettings(exact=False, near=False)


def edited(word: str) -> str:
    return " ".join([*WORDS[:60], word, *WORDS[61:]])


def test_with_exact_and_near_off_every_page_stays_and_is_in_the_index(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path)
    dedup = crawl.run(crawl.pages([" ".join(WORDS)] * 5 + [edited("x")], 2), OFF)
    assert decisions_of(dedup) == {}
    assert (dedup.counts["kept"], dedup.counts["exact_duplicates"], dedup.counts["near_duplicates"]) == (6, 0, 0)
    index = pa.concat_tables(pq.read_table(place.open()) for place in dedup.paths(".parquet") if place.name.startswith("text-"))
    assert sorted(index["doc_id"].to_pylist()) == [0, 1, 2, 1 << 32, (1 << 32) + 1, (1 << 32) + 2]


def test_with_exact_off_near_takes_exact_copies_for_near_ones(decide: Decide) -> None:
    texts = [" ".join(WORDS)] * 100 + [edited("x"), " ".join(f"other{number}" for number in range(120))]
    gone = decide(texts, DedupSettings(exact=False), shards=3)
    assert len(gone) == 100
    assert {reason for _, _, reason in gone.values()} == {"near_duplicate"}
    assert len({to for to, _, _ in gone.values()}) == 1
    assert 101 not in gone


def test_same_url_works_with_exact_off(decide: Decide) -> None:
    gone = decide(
        [" ".join(WORDS)] * 3, DedupSettings(exact=False, near=False, same_url=True), urls=["http://h/a"] * 2 + ["http://h/b"]
    )
    assert [reason for _, _, reason in gone.values()] == ["same_url"]


def test_a_later_crawl_finds_its_exact_copies_in_an_index_that_was_made_with_exact_off(tmp_path: Path) -> None:
    first, second = Crawl(tmp_path / "first"), Crawl(tmp_path / "second")
    earlier = first.run(first.pages([" ".join(WORDS)] * 3, 2), OFF)
    later = DedupSettings(near=False, against=[str(earlier.place)])
    dedup = second.run(second.pages([" ".join(WORDS), edited("x")], 1), later)
    assert [(row["doc_id"], row["reason"]) for row in decisions_of(dedup).values()] == [(0, "exact_duplicate")]
