"""The actor that turns a shard of pages into a shard of training documents and one of held-out ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cluster.store import Location, parquet_bytes, write_shard
from cluster.track.events import Track
from pipeline.corpus.decontaminate import Hit, benchmark, decontaminate, read_benchmarks
from pipeline.corpus.personal import PersonalData, redact
from pipeline.corpus.settings import CorpusSettings
from pipeline.dedup.decisions import dropped
from pipeline.dedup.paragraphs import removed_lines, without_lines
from pipeline.pages.shard import kept_pages
from pipeline.records.source_code import is_code

SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("kind", pa.string())])
# personal: where in the page's text (not in the document's) what was replaced stood; never what it was.
SCHEMA = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("text", pa.large_string()),
        ("personal", pa.list_(SPAN)),
    ]
)
SPLITS = ("train", "heldout")


class CorpusWorker:
    """Joins one pages shard with its decisions, takes benchmarks and personal data out, writes the unit's split.

    Memory: the shard's texts twice, and the index of the benchmarks (20 to 28 bytes an n-gram).
    """

    def __init__(self, settings: CorpusSettings, decisions: Location, output: Location, track: Track) -> None:
        self.settings, self.output, self.track = settings, output, track
        self.decisions = decisions
        self.personal = PersonalData(settings.redact, settings.phone_regions, settings.id_regions)
        self.benchmarks = benchmark(read_benchmarks(settings.benchmarks)) if settings.benchmarks else None

    def __call__(self, unit: dict[str, Any]) -> None:
        pages = kept_pages(Location.of(unit["uri"]), ["doc_id", "source", "url", "text", "code_language"])
        heldout = pc.is_in(pages["doc_id"], pa.array(unit["heldout"], pa.int64()))
        stays = pc.invert(pc.is_in(pages["doc_id"], dropped(self.decisions, unit["part"])["doc_id"]))
        wanted = pc.and_(stays, heldout if unit["split"] == "heldout" else pc.invert(heldout))
        pages = pages.filter(wanted)
        texts, personal, spans = list[str](), list[list[dict[str, Any]]](), Counter[str]()
        hits: list[list[Any]] = []
        lines = removed_lines(self.decisions, unit["part"])
        emptied = 0
        for doc_id, text, code in zip(pages["doc_id"].to_pylist(), pages["text"].to_pylist(), is_code(pages), strict=True):
            whole = without_lines(text, lines[doc_id]) if doc_id in lines else text
            emptied += not whole
            clean, found = self.clean(whole, code)
            hits += ([doc_id, hit.file, hit.item, hit.ngrams, hit.overlap] for hit in found)
            spotted = self.personal.spans(clean)
            texts.append(redact(clean, spotted))
            personal.append([{"start": start, "end": end, "kind": kind} for start, end, kind in spotted])
            spans.update(kind for _, _, kind in spotted)
        documents = pages.drop_columns("text")
        documents = documents.append_column("text", pa.array(texts, pa.large_string()))
        documents = documents.append_column("personal", pa.array(personal, pa.list_(SPAN)))
        documents = documents.filter(pc.not_equal(documents["text"], ""))  # nothing but a benchmark, or lines of others
        name = f"{unit['split']}-{unit['part']:06d}.parquet"
        write_shard(
            self.output,
            unit["shard"],
            name,
            parquet_bytes(documents.select(SCHEMA.names).cast(SCHEMA)),
            split=unit["split"],
            documents=documents.num_rows,
            contaminated=len(texts) - documents.num_rows - emptied,
            emptied=emptied,
            hits=hits,
            characters=sum(map(len, texts)),
            bytes=sum(len(text.encode()) for text in texts),
            spans=dict(spans),
            sources=by_source(documents),
        )
        self.track.advance(len(texts), unit["total"], "documents")

    def clean(self, text: str, code: bool) -> tuple[str, list[Hit]]:
        """The text without paragraphs of benchmarks, and what was found of them. Source code that has any goes as a whole."""
        if self.benchmarks is None:
            return text, []
        cleaned = decontaminate(text, self.benchmarks, self.settings.benchmark_overlap)
        return "" if code and cleaned.dropped else cleaned.text, cleaned.hits


def by_source(documents: pa.Table) -> dict[str, dict[str, int]]:
    """Documents and characters of each source, in name order."""
    sized = pa.table({"source": documents["source"], "characters": pc.utf8_length(documents["text"])})
    grouped = sized.group_by("source").aggregate([("source", "count"), ("characters", "sum")]).sort_by("source")
    return {
        row["source"]: {"documents": row["source_count"], "characters": row["characters_sum"]} for row in grouped.to_pylist()
    }
