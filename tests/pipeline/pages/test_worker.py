"""Decisions over columns: the first rule that a row breaks is its reason, and nothing but the decision changes."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.store import Location, shard_records
from pipeline.classifiers.stage import SCHEMA as SCORES
from pipeline.measure.signals import signals
from pipeline.measure.words import Vocabulary
from pipeline.pages.settings import PagesSettings
from pipeline.pages.worker import PageWorker
from pipeline.records.shard import PAGE_SIGNALS, SCHEMA
from pipeline.rights.forget import Forgotten, entry
from tests.pipeline.silent import Silent


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
    least_quality: dict[str, float] | None = None,
    forgotten: Forgotten | None = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    place.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records, schema=SCHEMA), place / "records.parquet")
    if scores:
        rows = [
            {"doc_id": row["doc_id"], "source": row["source"], "quality": pair[0], "toxicity": pair[1]}
            for row, pair in zip(records, scores, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCORES), place / "scores.parquet")
    chosen = PagesSettings(**settings)
    worker = PageWorker(chosen, least_quality or {}, forgotten or Forgotten([]), Location.of(place / "out"), Silent())
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
    assert outcome(decided(tmp_path / "strict", records, heuristics=None)) == [("rejected", "language_score", 0.5, 0.65)]
    loose = decided(tmp_path / "loose", records, heuristics=None, language={"min_score": 0.4})
    assert outcome(loose) == [("kept", "", None, None)]


@pytest.mark.parametrize(("keep", "reasons"), [(["de"], ["language", ""]), ([], ["", ""]), (["en", "de"], ["", ""])])
def test_the_languages_that_are_kept_are_a_setting(tmp_path: Path, prose: str, keep: list[str], reasons: list[str]) -> None:
    rows = decided(tmp_path, [record(0, prose), record(1, prose, language="de")], language={"keep": keep})
    assert [row["reason"] for row in rows] == reasons


def test_scores_cut_at_the_quantile_and_the_limit_and_a_missing_score_cuts_nobody(tmp_path: Path, prose: str) -> None:
    records = [record(number, prose) for number in range(4)]
    scores = [(0.9, 0.1), (0.2, 0.1), (0.9, 0.8), (None, None)]
    rows = decided(tmp_path, records, scores, least_quality={"": 0.5}, max_toxicity=0.5)
    assert [row["reason"] for row in rows] == ["", "quality", "toxicity", ""]
    assert rows[1]["value"] == pytest.approx(0.2)
    assert rows[1]["threshold"] == 0.5


def test_a_source_is_held_against_its_own_rules_and_the_others_against_the_section_s(tmp_path: Path, prose: str) -> None:
    stub = "It was late in the harbour, and the boats of that winter have to be with the pilot."  # 18 words
    records = [
        *(record(number, stub, source=source) for number, source in enumerate(["web", "forum", "books"])),
        record(3, prose, source="forum", language="de"),
        record(4, prose, source="forum", language_score=0.4),
        record(5, prose, source="books", language="de"),
        record(6, prose, source="books", removed_words=0.2),
        record(7, prose, source="web", removed_words=0.2),
        record(8, "", source="books", reason="empty"),
    ]
    sources = {
        "forum": {"heuristics": {"min_words": 20}, "language": {"keep": ["en", "de"]}},
        "books": {"heuristics": None, "max_removed_words": None},
    }
    assert outcome(decided(tmp_path, records, sources=sources)) == [
        ("rejected", "gopher_word_count", 18.0, 50.0),
        ("rejected", "gopher_word_count", 18.0, 20.0),
        ("kept", "", None, None),
        ("kept", "", None, None),
        ("rejected", "language_score", 0.4, 0.65),
        ("rejected", "language", None, None),
        ("kept", "", None, None),
        ("rejected", "removed_words", 0.2, 0.05),
        ("rejected", "empty", None, None),
    ]


def test_a_source_with_its_own_share_of_quality_is_cut_by_its_own_scores(tmp_path: Path, prose: str) -> None:
    sources = ["web", "books", "forum", "web", "books", "forum"]
    records = [record(number, prose, source=source) for number, source in enumerate(sources)]
    scores = [(0.3, 0.1), (0.3, 0.1), (0.3, 0.9), (0.6, 0.9), (0.2, 0.1), (None, 0.1)]
    own = {"books": {"keep_quality": 0.9}, "forum": {"keep_quality": 0.1, "max_toxicity": 0.95}}
    rows = decided(tmp_path, records, scores, least_quality={"": 0.5, "books": 0.25}, max_toxicity=0.8, sources=own)
    assert [(row["reason"], row["threshold"]) for row in rows] == [
        ("quality", 0.5),
        ("", None),
        ("", None),  # no limit of its own was found, so none holds; it is not cut by the others'
        ("toxicity", 0.8),
        ("quality", 0.25),
        ("", None),
    ]


def test_a_book_is_too_long_for_the_rules_of_web_pages_and_stays_where_they_are_off(tmp_path: Path, prose: str) -> None:
    words = prose.split()
    book = textwrap.fill(" ".join(words * (100_000 // len(words) + 1)))
    records = [record(0, book, source="books")]
    [rejected] = outcome(decided(tmp_path / "default", records))
    assert rejected == ("rejected", "gopher_word_count", len(re.findall(r"\w+", book)), 100_000)
    [row] = decided(tmp_path / "own", records, sources={"books": {"heuristics": None}})
    assert (row["status"], row["text"]) == ("kept", book)


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
