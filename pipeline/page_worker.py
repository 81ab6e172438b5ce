"""The actor that turns archived records into pages: decoded, extracted, in a known language, judged."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import xxhash
from yarl import URL

from cluster.store import Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline import ledger
from pipeline.careful import CarefulExtractor, ExtractorDied
from pipeline.charset import decode
from pipeline.extract import Limits, nesting, tidy
from pipeline.heuristics import judge
from pipeline.language import LanguageDetector
from pipeline.page_settings import PagesSettings
from pipeline.read import Part, Record, read_part

SCHEMA = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("url", pa.string()),
        ("host", pa.string()),
        ("warc_file", pa.string()),
        ("warc_offset", pa.int64()),
        ("fetch_time", pa.string()),
        ("http_status", pa.int32()),
        ("mime", pa.string()),
        ("charset", pa.string()),
        ("charset_source", pa.string()),
        ("extractor", pa.string()),
        ("extraction_score", pa.float32()),
        ("text", pa.large_string()),
        ("language", pa.string()),
        ("language_score", pa.float32()),
        ("content_hash", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("note", pa.string()),
    ]
)
HTML = ("text/html", "application/xhtml+xml")


class PageWorker:
    """Reads a unit's parts and commits one shard of rows in SCHEMA, a row a record.

    Memory: one record's HTML and tree at a time, and the shard's texts.
    """

    def __init__(self, settings: PagesSettings, output: Location, track: Track) -> None:
        self.settings, self.output, self.track = settings, output, track
        self.language = LanguageDetector(settings.language.characters)
        self.extractor = CarefulExtractor(
            Limits(settings.ask_trafilatura_below),
            settings.extract_seconds,
            settings.extract_memory_mb,
            settings.extract_recycle_pages,
        )

    def __call__(self, unit: dict[str, Any]) -> None:
        shard, rows, about, unread = unit["shard"], list[dict[str, Any]](), 0, Counter[str]()
        said = 0
        for part in unit["parts"]:
            for record in read_part(Part(**part), int(self.settings.max_html_mb * 1e6)):
                if record.about:
                    about += 1
                    continue
                unread[record.file] += record.problem == "unreadable"
                rows.append({"doc_id": shard << 32 | len(rows), **self.page(record)})
                if len(rows) - said >= 50:
                    self.track.advance(len(rows) - said, unit="pages")
                    said = len(rows)
        self.track.advance(len(rows) - said, unit="pages")
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        line = ledger.entry(
            (row["status"] for row in rows), (row["reason"] for row in rows), about=about, unreadable=dict(+unread)
        )
        write_shard(self.output, shard, f"part-{shard:06d}.parquet", parquet_bytes(table), **line)

    def page(self, record: Record) -> dict[str, Any]:
        """A record's row, without its doc_id."""
        row = {
            "url": record.url,
            "host": host(record.url),
            "warc_file": record.file,
            "warc_offset": record.offset,
            "fetch_time": record.time,
            "http_status": record.status,
            "mime": record.mime,
            "note": record.note,
        }
        row |= self.refused_unread(record) or self.annotated(record)
        return {"status": "rejected" if row.get("reason") else "kept", "reason": "", "text": "", **row}

    def refused_unread(self, record: Record) -> dict[str, Any] | None:
        """Why a record is not even decoded, None where it is."""
        if record.problem:
            return {"reason": record.problem, "value": record.value, "threshold": record.limit}
        if record.url.endswith("/robots.txt") and record.url.count("/") == 3:
            return {"reason": "robots_txt"}
        if record.status != 200:
            return {"reason": "http_status", "value": float(record.status), "threshold": 200.0}
        if isinstance(record.body, bytes) and record.mime not in HTML:
            return {"reason": "not_html"}
        if not record.body.strip():
            return {"reason": "empty"}
        return None

    def annotated(self, record: Record) -> dict[str, Any]:
        settings = self.settings
        if isinstance(record.body, str):
            row: dict[str, Any] = {
                "charset": "utf-8",
                "charset_source": "given",
                "extractor": "given",
                "text": tidy(record.body),
            }
        else:
            decoded = decode(record.body, record.charset)
            row = {"charset": decoded.charset, "charset_source": decoded.source}
            if decoded.replaced > settings.max_replaced:
                return row | {"reason": "undecodable", "value": decoded.replaced, "threshold": settings.max_replaced}
            if (depth := nesting(decoded.text)) > settings.max_nesting:
                return row | {"reason": "nesting", "value": float(depth), "threshold": float(settings.max_nesting)}
            try:
                found = self.extractor(decoded.text, settings.skip_elements)
            except ExtractorDied as died:
                limits = {"extract_timeout": settings.extract_seconds, "extract_memory": settings.extract_memory_mb}
                return row | {"reason": died.reason, "threshold": limits.get(died.reason), "note": died.note}
            row |= {"text": found.text, "extractor": found.extractor, "extraction_score": found.score}
        text = row["text"]
        if not text:
            return row | {"reason": "no_text"}
        row["content_hash"] = xxhash.xxh3_128_hexdigest(text.encode())
        row["language"], score = self.language(text)
        row["language_score"] = score
        if settings.language.keep and row["language"] not in settings.language.keep:
            return row | {"reason": "language"}
        if score < settings.language.min_score:
            return row | {"reason": "language_score", "value": score, "threshold": settings.language.min_score}
        if verdict := judge(text, settings.heuristics):
            return row | {"reason": verdict.reason, "value": verdict.value, "threshold": verdict.threshold}
        return row


def host(url: str) -> str:
    try:
        return URL(url).host or ""
    except ValueError:
        return ""
