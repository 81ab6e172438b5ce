"""The actor that tokenises a shard of documents and packs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline.pack import pack

BATCH = 64  # documents tokenised together


class TokenWorker:
    """Writes SPLIT-NNNNN.bin (sequences row by row, little-endian) and the spans of it.

    Memory: the shard's tokens about three times (2 or 4 bytes each, 8 while tokenising).
    """

    def __init__(self, tokenizer: Location, length: int, output: Location, track: Track) -> None:
        from transformers import AutoTokenizer

        with tokenizer.as_local() as directory:
            self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.length, self.output, self.track = length, output, track
        self.dtype = token_dtype(len(self.tokenizer))
        self.end_mark: int = self.tokenizer.eos_token_id

    def __call__(self, unit: dict[str, Any]) -> None:
        documents: list[np.ndarray] = []
        doc_ids: list[int] = []
        for batch in pq.ParquetFile(Location.of(unit["uri"]).open()).iter_batches(BATCH, columns=["doc_id", "text"]):
            # Text that looks like a special token is text: only the template may open a turn.
            ids = self.tokenizer(batch["text"].to_pylist(), add_special_tokens=False, split_special_tokens=True)["input_ids"]
            documents += [np.array(each, dtype=self.dtype) for each in ids]
            doc_ids += batch["doc_id"].to_pylist()
            self.track.advance(sum(map(len, ids)) + len(ids), unit="tokens")
        packed = pack(documents, doc_ids, self.length, self.end_mark, self.dtype)
        spans = pa.table(
            {
                "shard": pa.array([unit["name"]] * len(packed.sequence), pa.string()),
                "sequence": packed.sequence,
                "start": packed.start.astype(np.int32),
                "end": packed.end.astype(np.int32),
                "doc_id": packed.doc_id,
            }
        )
        (self.output / "_work" / spans_name(unit["shard"])).write_bytes(parquet_bytes(spans))
        write_shard(
            self.output,
            unit["shard"],
            f"{unit['name']}.bin",
            packed.sequences.tobytes(),
            shard=unit["name"],
            split=unit["split"],
            sequences=len(packed.sequences),
            tokens=int(packed.sequences.size),
            dropped=packed.dropped,
            documents=len(documents),
        )


def spans_name(shard: int) -> str:
    return f"spans/{shard:06d}.parquet"


def token_dtype(vocabulary: int) -> np.dtype:
    """The smaller of uint16 and uint32 that holds every id."""
    return np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")
