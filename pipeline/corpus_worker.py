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
from pipeline.personal import PersonalData, redact

SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("kind", pa.string())])
# personal: where in the page's text (not in the document's) what was replaced stood; never what it was.
SCHEMA = pa.schema([("doc_id", pa.int64()), ("url", pa.string()), ("text", pa.large_string()), ("personal", pa.list_(SPAN))])
SPLITS = ("train", "heldout")


class CorpusWorker:
    """Joins one pages shard with its decisions, redacts, writes the unit's split. Memory: the shard's texts twice."""

    def __init__(self, settings: CorpusSettings, decisions: Location, output: Location, track: Track) -> None:
        self.settings, self.output, self.track = settings, output, track
        table = pq.read_table(decisions.open(), columns=["doc_id", "kept"])
        self.kept = table.filter(table["kept"])["doc_id"]
        self.personal = PersonalData(settings.redact, settings.phone_regions, settings.id_regions)

    def __call__(self, unit: dict[str, Any]) -> None:
        pages = kept_pages(Location.of(unit["uri"]), ["doc_id", "url", "text"])
        heldout = pc.is_in(pages["doc_id"], pa.array(unit["heldout"], pa.int64()))
        wanted = pc.and_(pc.is_in(pages["doc_id"], self.kept), heldout if unit["split"] == "heldout" else pc.invert(heldout))
        pages = pages.filter(wanted)
        texts, personal, spans = [], list[list[dict[str, Any]]](), Counter[str]()
        for text in pages["text"].to_pylist():
            found = self.personal.spans(text)
            texts.append(redact(text, found))
            personal.append([{"start": start, "end": end, "kind": kind} for start, end, kind in found])
            spans.update(kind for _, _, kind in found)
        documents = pages.drop_columns("text")
        documents = documents.append_column("text", pa.array(texts, pa.large_string()))
        documents = documents.append_column("personal", pa.array(personal, pa.list_(SPAN)))
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
