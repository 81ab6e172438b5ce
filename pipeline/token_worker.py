"""The actor that tokenises a shard of documents and packs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from cluster.store import WORK, Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline.pack import pack
from pipeline.tokenizer import END_OF_TEXT, SPECIAL_TOKENS

BATCH = 64  # documents tokenised together


class TokenWorker:
    """Writes SPLIT-NNNNN.bin (sequences row by row, little-endian) and the spans of it.

    Memory: the shard's tokens about three times (2 or 4 bytes each, 8 while tokenising).
    """

    def __init__(self, tokenizer: Location, length: int, output: Location, track: Track) -> None:
        self.tokenizer = Tokenizer.from_buffer((tokenizer / "tokenizer.json").read_bytes())
        # Text that looks like a special token is text: only the chat template may open a turn.
        self.tokenizer.encode_special_tokens = True
        self.length, self.output, self.track = length, output, track
        self.dtype = token_dtype(self.tokenizer.get_vocab_size())
        self.end_mark = SPECIAL_TOKENS.index(END_OF_TEXT)

    def __call__(self, unit: dict[str, Any]) -> None:
        documents: list[np.ndarray] = []
        doc_ids: list[int] = []
        for batch in pq.ParquetFile(Location.of(unit["uri"]).open()).iter_batches(BATCH, columns=["doc_id", "text"]):
            encoded = self.tokenizer.encode_batch_fast(batch["text"].to_pylist())
            documents += [np.array(each.ids, dtype=self.dtype) for each in encoded]
            doc_ids += batch["doc_id"].to_pylist()
            self.track.advance(sum(map(len, encoded)) + len(encoded), unit="tokens")
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
        (self.output / WORK / spans_name(unit["shard"])).write_bytes(parquet_bytes(spans))
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
