"""The actor that tokenises a shard of documents and packs it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from cluster.store import WORK, Location, parquet_bytes, write_shard
from cluster.track.events import Track
from pipeline.tokens.pack import Packed, pack
from pipeline.tokens.tokenizer import END_OF_TEXT, SPECIAL_TOKENS

BATCH = 64  # documents tokenised together
SPANS_SCHEMA = pa.schema(
    [("shard", pa.string()), ("sequence", pa.int64()), ("start", pa.int32()), ("end", pa.int32()), ("doc_id", pa.int64())]
)


class TokenWorker:
    """Writes SPLIT-NNNNN.bin (sequences row by row, little-endian) and the spans of it.

    Each source is packed by itself, in name order, one behind the other: a sequence holds documents of one source.
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
        documents = defaultdict[str, list[np.ndarray]](list)
        doc_ids = defaultdict[str, list[int]](list)
        columns = ["doc_id", "source", "text"]
        for batch in pq.ParquetFile(Location.of(unit["uri"]).open()).iter_batches(BATCH, columns=columns):
            encoded = self.tokenizer.encode_batch_fast(batch["text"].to_pylist())
            for source, doc_id, each in zip(batch["source"].to_pylist(), batch["doc_id"].to_pylist(), encoded, strict=True):
                documents[source].append(np.array(each.ids, dtype=self.dtype))
                doc_ids[source].append(doc_id)
            self.track.advance(sum(map(len, encoded)) + len(encoded), unit="tokens")
        data, spans = list[bytes](), [SPANS_SCHEMA.empty_table()]
        sources: dict[str, dict[str, int]] = {}
        first = 0
        for source in sorted(documents):
            packed = pack(documents.pop(source), doc_ids[source], self.length, self.end_mark, self.dtype)
            data.append(packed.sequences.tobytes())
            spans.append(spans_of(packed, unit["name"], first))
            first += len(packed.sequences)
            sources[source] = {
                "documents": len(doc_ids[source]),
                "sequences": len(packed.sequences),
                "tokens": int(packed.sequences.size),
                "dropped": packed.dropped,
            }
        table = pa.concat_tables(spans).combine_chunks()
        (self.output / WORK / spans_name(unit["shard"])).write_bytes(parquet_bytes(table))
        write_shard(
            self.output,
            unit["shard"],
            f"{unit['name']}.bin",
            b"".join(data),
            shard=unit["name"],
            split=unit["split"],
            sources=sources,
        )


def spans_of(packed: Packed, shard: str, first: int) -> pa.Table:
    """The spans of one source as rows of SPANS_SCHEMA. first: the row in the shard of its first sequence."""
    names = pa.array([shard] * len(packed.sequence), pa.string())
    columns = [names, packed.sequence + first, packed.start.astype(np.int32), packed.end.astype(np.int32), packed.doc_id]
    return pa.table(columns, schema=SPANS_SCHEMA)


def spans_name(shard: int) -> str:
    return f"spans/{shard:06d}.parquet"


def token_dtype(vocabulary: int) -> np.dtype:
    """The smaller of uint16 and uint32 that holds every id."""
    return np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")
