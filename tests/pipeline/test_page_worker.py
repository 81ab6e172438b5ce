"""Decisions over columns: the first rule that a row breaks is its reason, and nothing but the decision changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.store import Location, shard_records
from pipeline.classifiers import SCHEMA as SCORES
from pipeline.forget import Forgotten, entry
from pipeline.page_settings import PagesSettings
from pipeline.page_worker import PageWorker
from pipeline.record_worker import PAGE_SIGNALS, SCHEMA
from pipeline.signals import signals
from pipeline.words import Vocabulary


class Silent:
    def advance(self, *_: object, **__: object) -> None:
        """Where no Ray runs nobody follows the progress."""


def record(number: int, text: str, **fields: Any) -> dict[str, Any]:
    text = text.strip()
    measured = signals(text, Vocabulary()) | dict.fromkeys(PAGE_SIGNALS, 0.0) if text else {}
    known = {"language": "en", "language_score": 0.9, "reason": "", "note": "", "source": "crawl", "priority": 0}
    where = {"doc_id": number, "url": f"http://h/{number}", "host": "h", "warc_file": "a.warc.gz", "warc_offset": number}
    return {**where, **known, **measured, "text": text, **fields}


def decided(
    place: Path,
    records: list[dict[str, Any]],
    scores: list[tuple[float | None, float | None]] | None = None,
    least_quality: float | None = None,
    forgotten: Forgotten | None = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    place.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records, schema=SCHEMA), place / "records.parquet")
    if scores:
        rows = [
            {"doc_id": row["doc_id"], "quality": pair[0], "toxicity": pair[1]}
            for row, pair in zip(records, scores, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCORES), place / "scores.parquet")
    chosen = PagesSettings(**settings)
    worker = PageWorker(chosen, least_quality, forgotten or Forgotten([]), Location.of(place / "out"), Silent())  # type: ignore[arg-type]
    worker({"shard": 0, "uri": str(place / "records.parquet"), "scores": str(place / "scores.parquet") if scores else ""})
    line = shard_records(Location.of(place / "out"))[0]["counts"]
    assert line["records"] == line["kept"] + sum(line["rejected"].values()) == len(records)
    return pq.read_table(place / "out/part-000000.parquet").to_pylist()


def outcome(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["status"], row["reason"], row["value"], row["threshold"]) for row in rows]


def test_each_row_has_the_first_reason_in_the_order_of_the_rules(tmp_path: Path, prose: str) -> None:
    rows = decided(
        tmp_path,
        [
            record(0, prose),
            record(1, "", reason="http_status", value=404.0, threshold=200.0),
            record(2, prose, language="de"),
            record(3, prose, language_score=0.5),
            record(4, prose, removed_words=0.2),
            record(5, "too short"),
            record(6, "too short", language="de"),
        ],
    )
    assert outcome(rows) == [
        ("kept", "", None, None),
        ("rejected", "http_status", 404.0, 200.0),
        ("rejected", "language", None, None),
        ("rejected", "language_score", 0.5, 0.65),
        ("rejected", "removed_words", 0.2, 0.05),
        ("rejected", "gopher_word_count", 2.0, 50.0),
        ("rejected", "language", None, None),
    ]
    assert [bool(row["text"]) for row in rows] == [True] + [False] * 6
    length = len(prose.strip())
    assert [row["characters"] for row in rows] == [length, 0, length, length, length, 9, 9]


def test_a_looser_threshold_keeps_what_a_stricter_one_rejects_from_the_same_records(tmp_path: Path) -> None:
    records = [record(0, "a river and the sea " * 6, language_score=0.5)]
    off = {name: None for name in PagesSettings().heuristics.model_dump()}
    assert outcome(decided(tmp_path / "strict", records, heuristics=off)) == [("rejected", "language_score", 0.5, 0.65)]
    loose = decided(tmp_path / "loose", records, heuristics=off, language={"min_score": 0.4})
    assert outcome(loose) == [("kept", "", None, None)]


@pytest.mark.parametrize(("keep", "reasons"), [(["de"], ["language", ""]), ([], ["", ""]), (["en", "de"], ["", ""])])
def test_the_languages_that_are_kept_are_a_setting(tmp_path: Path, prose: str, keep: list[str], reasons: list[str]) -> None:
    rows = decided(tmp_path, [record(0, prose), record(1, prose, language="de")], language={"keep": keep})
    assert [row["reason"] for row in rows] == reasons


def test_scores_cut_at_the_quantile_and_the_limit_and_a_missing_score_cuts_nobody(tmp_path: Path, prose: str) -> None:
    records = [record(number, prose) for number in range(4)]
    scores = [(0.9, 0.1), (0.2, 0.1), (0.9, 0.8), (None, None)]
    rows = decided(tmp_path, records, scores, least_quality=0.5, max_toxicity=0.5)
    assert [row["reason"] for row in rows] == ["", "quality", "toxicity", ""]
    assert rows[1]["value"] == pytest.approx(0.2)
    assert rows[1]["threshold"] == 0.5


def test_forgotten_pages_go_whatever_else_was_wrong_with_them(tmp_path: Path, prose: str) -> None:
    records = [record(0, prose), record(1, prose), record(2, "", reason="http_status", value=404.0, threshold=200.0)]
    listed = Forgotten([entry("url", "http://h/1"), entry("warc_record", "a.warc.gz@2")])
    rows = decided(tmp_path, records, forgotten=listed)
    assert [(row["reason"], row["note"], bool(row["text"])) for row in rows] == [
        ("", "", True),
        ("forgotten", "url h/1", False),
        ("forgotten", "warc record a.warc.gz@2", False),
    ]
    assert rows[2]["value"] is None


def test_no_record_at_all_is_no_error(tmp_path: Path) -> None:
    assert decided(tmp_path, []) == []
