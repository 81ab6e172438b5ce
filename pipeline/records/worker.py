"""The actor that turns archived records into rows: judged by the rights of their owners, decoded, extracted, measured."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pyarrow as pa
import xxhash

from cluster.store import Location, parquet_bytes, write_shard
from cluster.track.events import Track
from pipeline import ledger
from pipeline.extract.careful import CarefulExtractor, ExtractorDied
from pipeline.extract.page import Limits, nesting, tidy
from pipeline.measure.language import LanguageDetector
from pipeline.measure.line_rules import clean_lines
from pipeline.measure.signals import signals
from pipeline.measure.spam import parked_phrases
from pipeline.measure.words import Vocabulary
from pipeline.read import Part, Record, first_line, read_part
from pipeline.read.charset import decode, repaired
from pipeline.read.record import END
from pipeline.records.settings import RecordsSettings
from pipeline.records.shard import SCHEMA
from pipeline.rights.host_files import host_file_kind
from pipeline.rights.verdict import Rights
from pipeline.shards import part_name
from pipeline.url import host_name

logger = logging.getLogger(__name__)
HTML = ("text/html", "application/xhtml+xml")


class RecordWorker:
    """Reads a unit's parts and commits one shard of rows in SCHEMA, a row a record.

    `reason` says why a record has no text that could be a page; where it is empty, every signal is there. A record that
    its owner does not want used keeps no text, only the hash of its body and what was said. One that an error in here ends
    is rejected as `failed`; the note says by what, and the worker's log has the traceback. Source code keeps the text that
    its file has, character for character: two blank lines, tabs and broken encodings in it are there on purpose.
    Memory: one record's HTML, the extractor's process (`extract_memory_mb` at most) and the shard's texts.
    """

    def __init__(self, settings: RecordsSettings, rights: Rights, output: Location, track: Track) -> None:
        self.settings, self.rights, self.output, self.track = settings, rights, output, track
        self.language = LanguageDetector(settings.language_characters)
        self.vocabulary = Vocabulary()
        self.extractor = CarefulExtractor(
            Limits(settings.ask_trafilatura_below),
            settings.extract_seconds,
            settings.extract_memory_mb,
            settings.extract_recycle_pages,
        )

    def __call__(self, unit: dict[str, Any]) -> None:
        rows, about, unread = list[dict[str, Any]](), 0, Counter[str]()
        said = 0
        for part in unit["parts"]:
            for record in read_part(Part(**part), int(self.settings.max_html_mb * 1e6)):
                if record.about:
                    about += 1
                    continue
                unread[record.file] += record.problem == "unreadable"
                rows.append(self.row(record))
                if len(rows) - said >= 50:
                    self.track.advance(len(rows) - said, unit="records")
                    said = len(rows)
        self.track.advance(len(rows) - said, unit="records")
        self.commit(unit["shard"], rows, about=about, unreadable=dict(+unread), set_aside=[])

    def set_aside(self, unit: dict[str, Any], why: str) -> None:
        """The shard of a unit whose records cannot be told, as reading them ends the worker: a row for each of its parts."""
        parts = [Part(**part) for part in unit["parts"]]
        records = [
            Record(part.name, part.start, problem="set_aside", note=why, source=part.source, priority=part.priority)
            for part in parts
        ]
        rows = [self.row(record) for record in records]
        named = [[part.name, part.start, None if part.end == END else part.end] for part in parts]
        self.commit(unit["shard"], rows, about=0, unreadable={}, set_aside=named)

    def commit(self, shard: int, rows: list[dict[str, Any]], **counts: Any) -> None:
        numbered = [{"doc_id": shard << 32 | number, **row} for number, row in enumerate(rows)]
        statuses = ("rejected" if row["reason"] else "kept" for row in rows)
        line = ledger.entry(statuses, (row["reason"] for row in rows), **counts)
        data = parquet_bytes(pa.Table.from_pylist(numbered, schema=SCHEMA))
        write_shard(self.output, shard, part_name(shard), data, **line)

    def row(self, record: Record) -> dict[str, Any]:
        """A record's row, without its doc_id."""
        row = {
            "source": record.source,
            "priority": record.priority,
            "url": record.url,
            "host": host_name(record.url),
            "warc_file": record.file,
            "warc_offset": record.offset,
            "fetch_time": record.time,
            "http_status": record.status,
            "mime": record.mime,
            "code_language": record.language,
            "note": record.note,
            "text": "",
            "reason": "",
        }
        try:
            return row | (self.refused(record) or self.reserved(record, row) or self.measured(record, row))
        except MemoryError:
            raise
        except Exception as error:  # nobody foresaw this record: it must not end the run of all others
            logger.exception("%s, record at %s: %s", record.file, record.offset, record.url)
            return row | {"reason": "failed", "note": f"{type(error).__name__}: {first_line(error)}"}

    def refused(self, record: Record) -> dict[str, Any] | None:
        """Why a record is not even looked at, None where it is."""
        if record.problem:
            return {"reason": record.problem, "value": record.value, "threshold": record.limit}
        if kind := host_file_kind(record.url):
            return {"reason": "host_file", "note": kind}
        if record.status != 200:
            return {"reason": "http_status", "value": float(record.status), "threshold": 200.0}
        if isinstance(record.body, bytes) and record.mime not in HTML:
            return {"reason": "not_html"}
        if not record.body.strip():
            return {"reason": "empty"}
        return None

    def reserved(self, record: Record, row: dict[str, Any]) -> dict[str, Any] | None:
        """The rejection of a record whose owner opted out, None for others. Evidence and licence go into `row`."""
        html = record.body if isinstance(record.body, bytes) else b""
        verdict = self.rights.of_page(record.url, record.headers, html)
        row |= {"opt_outs": list(verdict.evidence), "licence": verdict.licence}
        if not verdict.reason:
            return None
        body = record.body if isinstance(record.body, bytes) else record.body.encode()
        return {
            "reason": verdict.reason,
            "note": "; ".join(verdict.evidence),
            "content_hash": xxhash.xxh3_128_hexdigest(body),
        }

    def measured(self, record: Record, row: dict[str, Any]) -> dict[str, Any]:
        """Text and signals, or why there is no text."""
        if isinstance(record.body, str):
            row |= {"charset": "utf-8", "charset_source": "given", "extractor": "given"}
            text = record.body if record.language else tidy(record.body)
        else:
            html, problem = self.decoded(record, record.body, row)
            if problem:
                return problem
            try:
                found = self.extractor(html, self.settings.skip_elements)
            except ExtractorDied as died:
                limits = {"extract_timeout": self.settings.extract_seconds, "extract_memory": self.settings.extract_memory_mb}
                return {"reason": died.reason, "threshold": limits.get(died.reason), "note": died.note}
            row |= {"extractor": found.extractor, "extraction_score": found.score, "spam_link_density": found.link_density}
            text = found.text
        if not record.language:
            text, row["mojibake"] = repaired(text)
            lines = self.settings.lines
            if lines.refinedweb or lines.c4 or lines.citations:
                cleaned = clean_lines(text, lines)
                text, row["removed_words"] = cleaned.text, cleaned.share
        if not text:
            return {"reason": "no_text"}
        row["language"], row["language_score"] = self.language(text)
        return {
            "text": text,
            "content_hash": xxhash.xxh3_128_hexdigest(text.encode()),
            "spam_parked_phrases": float(parked_phrases(text)),
            **signals(text, self.vocabulary),
        }

    def decoded(self, record: Record, body: bytes, row: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        """The HTML as text, and why it cannot be extracted (None: it can)."""
        settings, decoded = self.settings, decode(body, record.charset)
        row |= {"charset": decoded.charset, "charset_source": decoded.source, "replaced": decoded.replaced}
        if decoded.replaced > settings.max_replaced:
            return "", {"reason": "undecodable", "value": decoded.replaced, "threshold": settings.max_replaced}
        if (depth := nesting(decoded.text, settings.max_nesting)) > settings.max_nesting:
            return "", {"reason": "nesting", "value": float(depth), "threshold": float(settings.max_nesting)}
        return decoded.text, None
