"""The actor that sketches a shard of pages."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.store import Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import band_keys, exact_hash, normalised_words, shingles, signatures

BATCH = 256  # documents sketched together


def kept_pages(place: Location, columns: list[str]) -> pa.Table:
    """Rows of a `pages` shard that were kept; `columns` without `status`."""
    table = pq.read_table(place.open(), columns=[*columns, "status"])
    return table.filter(pc.equal(table["status"], "kept")).drop_columns("status")


class SketchWorker:
    """Writes (doc_id, priority, characters, fetch_time, exact, bands) for the kept pages of a shard.

    Memory: the texts of one shard, and 8 bytes a word for a batch of documents.
    """

    def __init__(self, settings: DedupSettings, output: Location, track: Track) -> None:
        self.settings, self.output, self.track = settings, output, track

    def __call__(self, unit: dict[str, Any]) -> None:
        settings = self.settings
        table = kept_pages(Location.of(unit["uri"]), ["doc_id", "priority", "fetch_time", "text"])
        exact: list[bytes] = []
        keys: list[list[int]] = []
        for batch in table.select(["text"]).to_batches(max_chunksize=BATCH):
            words = [normalised_words(text, settings.characters) for text in batch["text"].to_pylist()]
            exact += map(exact_hash, words)
            if settings.near:
                documents = [shingles(each, settings.ngram) for each in words]
                matrix = signatures(documents, settings.bands * settings.rows, settings.seed)
                keys += band_keys(matrix, settings.bands).tolist()
            self.track.advance(len(words), unit.get("total"), "pages")
        sketched = pa.table(
            {
                "doc_id": table["doc_id"],
                "priority": table["priority"],
                "characters": pc.cast(pc.utf8_length(table["text"]), pa.int64()),
                "fetch_time": table["fetch_time"],
                "exact": pa.array(exact, pa.binary(16)),
                "bands": pa.array(keys if settings.near else [[]] * len(exact), pa.list_(pa.uint64())),
            }
        )
        shard = unit["shard"]
        write_shard(self.output, shard, f"signatures/part-{shard:06d}.parquet", parquet_bytes(sketched), pages=len(exact))
