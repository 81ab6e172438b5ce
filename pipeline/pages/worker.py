"""The actor that decides which records become pages, from what was measured of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.store import Location, parquet_bytes, write_shard
from cluster.track.events import Track
from pipeline import ledger
from pipeline.classifiers.stage import KINDS
from pipeline.pages.settings import PageRules, PagesSettings
from pipeline.pages.shard import SCHEMA
from pipeline.pages.thresholds import decide
from pipeline.records.source_code import is_code
from pipeline.rights.forget import REASON, Forgotten
from pipeline.shards import part_name


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

    least_quality: the scores below which texts go, by the source that is cut apart, under "" of all others; a source
    without scores is not in it. Memory: the shard's texts.
    """

    def __init__(
        self,
        settings: PagesSettings,
        least_quality: Mapping[str, float],
        forgotten: Forgotten,
        output: Location,
        track: Track,
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
        write_shard(self.output, shard, part_name(shard), parquet_bytes(pages), **line)
        self.track.advance(len(kept), unit.get("total"), "records")

    def decisions(self, records: pa.Table, scores: str) -> Decisions:
        """In the order of the rules: no text, forgotten, language, line rules, heuristics, quality, toxicity."""
        found = Decisions.begin(records)
        self.forget(records, found)
        records = with_scores(records, scores)
        for source, rows in self.by_source(records):
            apart = source if source in self.settings.cut_apart() else ""
            self.judge(records, rows, self.settings.rules_of(source), self.least_quality.get(apart), found)
        return found

    def by_source(self, records: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
        """The rows of each source with rules of its own and, under "", of all others: bool [rows]; source code is in none."""
        others = ~is_code(records)
        for name in self.settings.sources:
            own = others & pc.fill_null(pc.equal(records["source"], name), False).to_numpy()
            others &= ~own
            yield name, own
        yield "", others

    def judge(self, records: pa.Table, rows: np.ndarray, rules: PageRules, least: float | None, found: Decisions) -> None:
        """Hold some rows against rules. least: the quality that they need, None where there are no scores."""
        language, score = records["language"].to_numpy(), records["language_score"].to_numpy()
        if rules.language.keep:
            found.reject(rows & ~np.isin(language.astype(str), rules.language.keep), "language")
        found.reject(rows & (score < rules.language.min_score), "language_score", score, rules.language.min_score)
        if rules.max_removed_words is not None:
            removed = records["removed_words"].to_numpy()
            found.reject(rows & (removed > rules.max_removed_words), "removed_words", removed, rules.max_removed_words)
        if rules.heuristics is not None:
            broken = decide(records, rules.heuristics)
            reason, value, limit = (broken[name].to_numpy() for name in ("reason", "value", "threshold"))
            found.reject(rows & (reason != ""), reason, value, limit)
        if least is not None:
            quality = records["quality"].to_numpy().astype(np.float64)
            found.reject(rows & (quality < least), "quality", quality, least)
        if rules.max_toxicity is not None:
            toxicity = records["toxicity"].to_numpy().astype(np.float64)
            found.reject(rows & (toxicity > rules.max_toxicity), "toxicity", toxicity, rules.max_toxicity)

    def forget(self, records: pa.Table, found: Decisions) -> None:
        if not self.forgotten:
            return
        where = (records[name].to_pylist() for name in ("url", "warc_file", "warc_offset"))
        matches = np.array([self.forgotten.match(*each) for each in zip(*where, strict=True)], dtype=object)
        # Also what had been rejected: a person's wish is the reason that a reader of the ledger looks for.
        found.reason[matches != ""], found.value[matches != ""], found.threshold[matches != ""] = REASON, np.nan, np.nan
        found.note[matches != ""] = matches[matches != ""]

    def groups(self, pages: pa.Table) -> list[dict[str, Any]]:
        """Rows by source, language and status: [{source, language, status, rows, characters}]."""
        counted = pages.group_by(["source", "language", "status"]).aggregate([("doc_id", "count"), ("characters", "sum")])
        names = {"doc_id_count": "rows", "characters_sum": "characters"}
        return [{names.get(name, name): value for name, value in row.items()} for row in counted.to_pylist()]


def with_scores(records: pa.Table, scores: str) -> pa.Table:
    """The records with a column for each kind of score, null where a text has none. scores: a file, or "" for none."""
    if not scores:
        columns = {kind: pa.nulls(records.num_rows, pa.float32()) for kind in KINDS}
    else:
        scored = pq.read_table(Location.of(scores).open())
        place = pc.index_in(records["doc_id"], scored["doc_id"].combine_chunks())
        columns = {kind: scored[kind].take(place) for kind in KINDS}
    for kind, column in columns.items():
        records = records.append_column(kind, column)
    return records
