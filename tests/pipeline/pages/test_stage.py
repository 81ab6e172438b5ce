"""The stage: each source is cut at its own share, and what is shown of a rejected page is what it was held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.errors import WorkError
from cluster.report.blocks import Samples
from cluster.stage import Context
from cluster.store import WORK, Artefact, Location, Manifest, Store, parquet_bytes
from pipeline import ledger
from pipeline.classifiers import stage as classifiers
from pipeline.pages.rejected import rejected_pages
from pipeline.pages.settings import PagesSettings
from pipeline.pages.stage import run_pages
from pipeline.records import worker as record_worker
from tests.pipeline.silent import Silent

SHARD = "part-000000.parquet"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


def commit(store: Store, stage: str, table: pa.Table, **counts: int) -> Artefact:
    blank: dict[str, Any] = {"external": [], "version": "1", "pageloom": "", "started": 0, "seconds": 0, "work_seconds": 0}
    place = store.attempt(stage, "k")
    (place / SHARD).write_bytes(parquet_bytes(table))
    return store.commit(place, Manifest(stage, "k", {}, {}, **blank, peak_memory_bytes=0, host="", counts=counts))


def decided(store: Store, rows: list[tuple[str, float, str]], lost: int = 0, **settings: Any) -> tuple[Artefact, Context]:
    """rows: (source, quality, code language) of texts that nothing else is wrong with. Returns their records, and the run.

    lost: records that their stage counted and that are not there.
    """
    records = [
        {
            "doc_id": number,
            "url": f"http://h/{number}",
            "source": source,
            "code_language": code,
            "text": f"text {number}",
            **{"language": "en", "language_score": 0.9, "reason": "", "note": "", "priority": 0},
        }
        for number, (source, _, code) in enumerate(rows)
    ]
    scores = [
        {"doc_id": number, "source": source, "quality": None if code else quality}
        for number, (source, quality, code) in enumerate(rows)
    ]
    inputs = {
        "records": commit(store, "records", pa.Table.from_pylist(records, record_worker.SCHEMA), records=len(rows) + lost),
        "classifiers": commit(store, "classifiers", pa.Table.from_pylist(scores, classifiers.SCHEMA)),
    }
    output: Location = store.attempt("pages", "k")
    nowhere: Any = None
    ctx = Context(PagesSettings(**settings), nowhere, inputs, [], output, output / WORK, Silent(), "", store.root)
    run_pages(ctx)
    return inputs["records"], ctx


def test_sources_with_their_own_share_keep_their_best_and_the_others_theirs_together(store: Store) -> None:
    books = [("books", quality / 10, "") for quality in (1, 2, 3, 4)]  # all of them worse than any other text
    others = [("web", 0.6, ""), ("web", 0.7, ""), ("forum", 0.8, ""), ("forum", 0.9, "")]
    code = [("code", 0.0, "Python")] * 5
    records, ctx = decided(store, [*books, *others, *code], keep_quality=0.5, sources={"books": {"keep_quality": 0.75}})
    shown = list(rejected_pages(records, [ctx.output / SHARD], ["quality"], 9))
    assert [(page.doc_id, page.source, page.measured()) for page in shown] == [
        (0, "books", "0.1 (limit 0.2)"),
        (4, "web", "0.6 (limit 0.8)"),
        (5, "web", "0.7 (limit 0.8)"),
    ]
    assert (ctx.counts["kept"], ctx.counts["rejected"]) == (10, {"quality": 3})
    [examples] = [block for block in ctx.blocks if isinstance(block, Samples)]
    assert examples.rows == [
        ["quality", "0.1 (limit 0.2)", "http://h/0", "text 0"],
        ["quality", "0.6 (limit 0.8)", "http://h/4", "text 4"],
    ]


def test_without_a_share_of_its_own_a_source_is_cut_with_the_others(store: Store) -> None:
    rows = [("books", 0.1, ""), ("books", 0.2, ""), ("web", 0.6, ""), ("web", 0.7, "")]
    _, ctx = decided(store, rows, keep_quality=0.5, sources={"books": {"max_removed_words": None}})
    assert ctx.counts["rejected"] == {"quality": 2}
    assert pq.read_table((ctx.output / SHARD).open())["reason"].to_pylist() == ["quality", "quality", "", ""]


def test_as_many_records_come_out_as_the_records_stage_counted_or_the_stage_fails(store: Store) -> None:
    with pytest.raises(WorkError, match=r"^pages: 3 records went in and 2 came out; please report it$"):
        decided(store, [("web", 0.5, ""), ("web", 0.6, "")], lost=1)


def test_a_shard_whose_records_are_neither_kept_nor_rejected_fails_the_stage(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ledger.entry
    monkeypatch.setattr("pipeline.ledger.entry", lambda *columns, **more: whole(*columns, **more) | {"rejected": {}})
    with pytest.raises(WorkError, match=r"^pages: shard 0 does not add up: 2 records, 1 kept, 0 rejected; this is a fault"):
        decided(store, [("web", 0.5, ""), ("web", 0.6, "")], keep_quality=0.5)
