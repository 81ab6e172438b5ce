from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from cluster.store import Location, shard_records
from pipeline.corpus.settings import CorpusSettings
from pipeline.corpus.stage import by_source, choose_heldout, told_sources
from pipeline.corpus.worker import CorpusWorker
from pipeline.dedup.decisions import SCHEMA as DROPPED
from tests.pipeline.silent import Silent


def pages(number: int, seed: int = 0) -> pa.Table:
    hashes = [xxhash.xxh3_128_hexdigest(f"{seed}/{each}".encode()) for each in range(number)]
    return pa.table({"doc_id": pa.array(range(number), pa.int64()), "content_hash": hashes})


@given(number=st.integers(2, 60), share=st.floats(0.001, 0.9), least=st.integers(1, 80))
def test_some_documents_are_held_out_and_some_are_not(number: int, share: float, least: int) -> None:
    heldout = choose_heldout(pages(number), share, least)
    assert 1 <= len(heldout) <= number - 1
    assert len(heldout) >= min(least, number - 1)
    assert heldout == sorted(set(heldout))


def test_the_share_is_kept() -> None:
    assert len(choose_heldout(pages(20_000), 0.03, 1)) == pytest.approx(600, abs=100)  # four standard deviations are 97


def test_a_page_keeps_its_side_whatever_else_is_crawled() -> None:
    some, more = pages(4000), pages(9000)
    before, after = set(choose_heldout(some, 0.03, 1)), set(choose_heldout(more, 0.03, 1))
    assert before == {doc_id for doc_id in after if doc_id < 4000}


def test_the_order_of_the_pages_does_not_matter() -> None:
    table = pages(500)
    order = list(range(500))
    random.Random(1).shuffle(order)
    assert choose_heldout(table.take(order), 0.05, 1) == choose_heldout(table, 0.05, 1)


def write_dropped(place: Path, ids: list[int]) -> None:
    """Dedup's decisions on shard 0: these pages give way to page 0."""
    (place / "decisions").mkdir()
    rows = [{"doc_id": each, "canonical_id": 0, "similarity": 1.0, "reason": "exact_duplicate"} for each in ids]
    pq.write_table(pa.Table.from_pylist(rows, DROPPED), place / "decisions/part-000000.parquet")


def test_only_kept_pages_come_through_redacted_and_on_their_side(tmp_path: Path) -> None:
    texts = ["write to a@example.org", "a duplicate", "rejected", "held out: b@example.org"]
    pq.write_table(
        pa.table(
            {
                "doc_id": [0, 1, 2, 3],
                "source": ["web", "web", "web", "books"],
                "url": ["u0", "u1", "u2", "u3"],
                "code_language": ["", "", "", ""],
                "text": pa.array(texts, pa.large_string()),
                "status": ["kept", "kept", "rejected", "kept"],
            }
        ),
        tmp_path / "part-000000.parquet",
    )
    write_dropped(tmp_path, [1])
    output = Location.of(tmp_path / "out")
    worker = CorpusWorker(CorpusSettings(), Location.of(tmp_path), output, Silent())
    unit = {"uri": str(tmp_path / "part-000000.parquet"), "part": 0, "heldout": [3], "total": 2}
    worker({"shard": 0, "split": "train", **unit})
    worker({"shard": 1, "split": "heldout", **unit})
    train = pq.read_table(tmp_path / "out/train-000000.parquet").to_pylist()
    heldout = pq.read_table(tmp_path / "out/heldout-000000.parquet").to_pylist()
    assert train == [
        {
            "doc_id": 0,
            "source": "web",
            "url": "u0",
            "text": "write to <EMAIL>",
            "personal": [{"start": 9, "end": 22, "kind": "email"}],
        }
    ]
    (document,) = heldout
    assert (document["doc_id"], document["url"], document["text"]) == (3, "u3", "held out: <EMAIL>")
    assert [texts[3][span["start"] : span["end"]] for span in document["personal"]] == ["b@example.org"]
    assert shard_records(output)[0]["counts"] == {
        "split": "train",
        "documents": 1,
        "characters": 16,
        "bytes": 16,
        "spans": {"email": 1},
        "contaminated": 0,
        "emptied": 0,
        "hits": [],
        "sources": {"web": {"documents": 1, "characters": 16}},
    }


def test_what_is_a_benchmark_s_leaves_the_corpus_and_is_listed_and_of_source_code_the_whole_file(tmp_path: Path) -> None:
    question = "Which of the following best explains why the harbour of the old town was moved to the north in spring?"
    (tmp_path / "benchmark.jsonl").write_text(json.dumps({"question": question}) + "\n")
    function = "def answer():\n    return 42\n\n\ndef other():\n    pass\n"
    texts = [f"A page of its own.\n\n{question}\n\nIts last words.", question, f"# {question}\n{function}", function]
    columns = {
        "doc_id": [0, 1, 2, 3],
        "source": ["web", "web", "code", "code"],
        "url": ["u0", "u1", "u2", "u3"],
        "code_language": ["", "", "Python", "Python"],
        "text": pa.array(texts, pa.large_string()),
        "status": ["kept", "kept", "kept", "kept"],
    }
    pq.write_table(pa.table(columns), tmp_path / "part-000000.parquet")
    write_dropped(tmp_path, [])
    settings = CorpusSettings(benchmarks=[str(tmp_path / "benchmark.jsonl")])
    output = Location.of(tmp_path / "out")
    worker = CorpusWorker(settings, Location.of(tmp_path), output, Silent())
    part = {"uri": str(tmp_path / "part-000000.parquet"), "part": 0, "heldout": [], "total": 4}
    worker({"shard": 0, "split": "train", **part})
    left = pq.read_table(tmp_path / "out/train-000000.parquet").to_pylist()
    assert [(row["doc_id"], row["text"]) for row in left] == [(0, "A page of its own.\n\nIts last words."), (3, function)]
    counts = shard_records(output)[0]["counts"]
    assert (counts["documents"], counts["contaminated"]) == (2, 2)
    ngrams = len(question.split()) - 13 + 1
    assert counts["hits"] == [[page, "benchmark.jsonl", 0, ngrams, 1.0] for page in (0, 1, 2)]


def test_documents_and_characters_of_each_source_add_up_over_shards_and_splits() -> None:
    lines = [
        {"split": "train", "sources": {"web": {"documents": 5, "characters": 50}, "books": {"documents": 1, "characters": 90}}},
        {"split": "heldout", "sources": {"web": {"documents": 2, "characters": 20}}},
        {"split": "train", "sources": {}},
    ]
    counted = by_source(lines)
    assert counted == {
        "books": {"documents": 1, "heldout": 0, "characters": 90},
        "web": {"documents": 7, "heldout": 2, "characters": 70},
    }
    [table] = told_sources(counted)
    assert table.rows == [["books", 1, 0, 90], ["web", 7, 2, 70]]
    assert told_sources({"web": counted["web"]}) == []
