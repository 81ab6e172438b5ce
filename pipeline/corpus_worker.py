"""The actor that turns a shard of pages into a shard of training documents and one of held-out ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.store import Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline.corpus_settings import CorpusSettings
from pipeline.dedup.worker import kept_pages
from pipeline.personal import redact

SCHEMA = pa.schema([("doc_id", pa.int64()), ("url", pa.string()), ("text", pa.large_string())])
SPLITS = ("train", "heldout")


class CorpusWorker:
    """Joins one pages shard with its decisions, redacts, writes the unit's split. Memory: the shard's texts twice."""

    def __init__(self, settings: CorpusSettings, decisions: Location, output: Location, track: Track) -> None:
        self.settings, self.output, self.track = settings, output, track
        table = pq.read_table(decisions.open(), columns=["doc_id", "kept"])
        self.kept = table.filter(table["kept"])["doc_id"]

    def __call__(self, unit: dict[str, Any]) -> None:
        pages = kept_pages(Location.of(unit["uri"]), ["doc_id", "url", "text"])
        heldout = pc.is_in(pages["doc_id"], pa.array(unit["heldout"], pa.int64()))
        wanted = pc.and_(pc.is_in(pages["doc_id"], self.kept), heldout if unit["split"] == "heldout" else pc.invert(heldout))
        pages = pages.filter(wanted)
        texts, spans = [], Counter[str]()
        for text in pages["text"].to_pylist():
            redacted, found = redact(text, self.settings.redact, self.settings.phone_regions)
            texts.append(redacted)
            spans.update(found)
        documents = pages.set_column(pages.schema.get_field_index("text"), "text", pa.array(texts, pa.large_string()))
        name = f"{unit['split']}-{unit['part']:06d}.parquet"
        write_shard(
            self.output,
            unit["shard"],
            name,
            parquet_bytes(documents.select(SCHEMA.names).cast(SCHEMA)),
            split=unit["split"],
            documents=len(texts),
            characters=sum(map(len, texts)),
            bytes=sum(len(text.encode()) for text in texts),
            spans=dict(spans),
        )
        self.track.advance(len(texts), unit["total"], "documents")
