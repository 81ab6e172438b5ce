"""The actor that decides which records become pages, from what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.store import Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline import ledger
from pipeline.decide import decide
from pipeline.forget import REASON, Forgotten
from pipeline.page_settings import PagesSettings

SCHEMA = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("source", pa.string()),
        ("priority", pa.int32()),
        ("url", pa.string()),
        ("host", pa.string()),
        ("warc_file", pa.string()),
        ("warc_offset", pa.int64()),
        ("fetch_time", pa.string()),
        ("licence", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("content_hash", pa.string()),
        ("characters", pa.int64()),
        ("text", pa.large_string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("note", pa.string()),
    ]
)


@dataclass
class Decisions:
    """The verdict on each row so far: the first one that was given stands. reason: object [rows], "" for none."""

    reason: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    note: np.ndarray

    @classmethod
    def begin(cls, table: pa.Table) -> Decisions:
        """From the records that have no text to judge."""
        value, threshold = (table[name].to_numpy().astype(np.float64) for name in ("value", "threshold"))
        return cls(table["reason"].to_numpy().astype(object), value, threshold, table["note"].to_numpy().astype(object))

    def reject(self, rows: np.ndarray, reason: Any, value: Any = np.nan, threshold: Any = np.nan, note: Any = "") -> None:
        """rows: bool [rows]; the other arguments are one value for all of them, or an array of one a row."""
        new = rows & (self.reason == "")
        for column, given in ((self.reason, reason), (self.value, value), (self.threshold, threshold), (self.note, note)):
            column[new] = given[new] if isinstance(given, np.ndarray) else given


class PageWorker:
    """Writes a shard of pages from a shard of records and its scores. A rejected row keeps where it is from, but no text.

    least_quality: the score below which texts go, None where there is no classifier. Memory: the shard's texts.
    """

    def __init__(
        self, settings: PagesSettings, least_quality: float | None, forgotten: Forgotten, output: Location, track: Track
    ) -> None:
        self.settings, self.least_quality, self.forgotten = settings, least_quality, forgotten
        self.output, self.track = output, track

    def __call__(self, unit: dict[str, Any]) -> None:
        records = pq.read_table(Location.of(unit["uri"]).open())
        decisions = self.decisions(records, unit["scores"])
        kept = decisions.reason == ""
        columns = {
            **{name: records[name] for name in SCHEMA.names if name in records.column_names},
            "characters": pc.utf8_length(records["text"]),
            "text": pc.if_else(pa.array(kept), records["text"], ""),
            "status": pa.array(np.where(kept, "kept", "rejected"), pa.string()),
            "reason": pa.array(decisions.reason, pa.string()),
            "value": pa.array(decisions.value, pa.float64(), from_pandas=True),
            "threshold": pa.array(decisions.threshold, pa.float64(), from_pandas=True),
            "note": pa.array(decisions.note, pa.string()),
        }
        pages = pa.table(columns).select(SCHEMA.names).cast(SCHEMA)
        line = ledger.entry(pages["status"].to_pylist(), decisions.reason.tolist(), groups=self.groups(pages))
        shard = unit["shard"]
        write_shard(self.output, shard, f"part-{shard:06d}.parquet", parquet_bytes(pages), **line)
        self.track.advance(len(kept), unit.get("total"), "records")

    def decisions(self, records: pa.Table, scores: str) -> Decisions:
        """In the order of the rules: no text, forgotten, language, line rules, heuristics, quality, toxicity."""
        settings, found = self.settings, Decisions.begin(records)
        self.forget(records, found)
        language, score = records["language"].to_numpy(), records["language_score"].to_numpy()
        if settings.language.keep:
            found.reject(~np.isin(language.astype(str), settings.language.keep), "language")
        least = settings.language.min_score
        found.reject(score < least, "language_score", score, least)
        if settings.max_removed_words is not None:
            removed = records["removed_words"].to_numpy()
            found.reject(removed > settings.max_removed_words, "removed_words", removed, settings.max_removed_words)
        broken = decide(records, settings.heuristics)
        reason, value, limit = (broken[name].to_numpy() for name in ("reason", "value", "threshold"))
        found.reject(reason != "", reason, value, limit)
        if scores:
            self.by_score(records, pq.read_table(Location.of(scores).open()), found)
        return found

    def forget(self, records: pa.Table, found: Decisions) -> None:
        if not self.forgotten:
            return
        where = (records[name].to_pylist() for name in ("url", "warc_file", "warc_offset"))
        matches = np.array([self.forgotten.match(*each) for each in zip(*where, strict=True)], dtype=object)
        # Also what had been rejected: a person's wish is the reason that a reader of the ledger looks for.
        found.reason[matches != ""], found.value[matches != ""], found.threshold[matches != ""] = REASON, np.nan, np.nan
        found.note[matches != ""] = matches[matches != ""]

    def by_score(self, records: pa.Table, scored: pa.Table, found: Decisions) -> None:
        place = pc.index_in(records["doc_id"], scored["doc_id"].combine_chunks())
        if self.least_quality is not None:
            quality = scored["quality"].take(place).to_numpy().astype(np.float64)
            found.reject(quality < self.least_quality, "quality", quality, self.least_quality)
        if self.settings.max_toxicity is not None:
            toxicity = scored["toxicity"].take(place).to_numpy().astype(np.float64)
            found.reject(toxicity > self.settings.max_toxicity, "toxicity", toxicity, self.settings.max_toxicity)

    def groups(self, pages: pa.Table) -> list[dict[str, Any]]:
        """Rows by source, language and status: [{source, language, status, rows, characters}]."""
        counted = pages.group_by(["source", "language", "status"]).aggregate([("doc_id", "count"), ("characters", "sum")])
        names = {"doc_id_count": "rows", "characters_sum": "characters"}
        return [{names.get(name, name): value for name, value in row.items()} for row in counted.to_pylist()]
