"""What a shard of `records` holds, for those that read one."""

from __future__ import annotations

import pyarrow as pa

from cluster.store import Artefact, Location
from pipeline.measure.signals import SIGNALS
from pipeline.shards import in_order


def record_shards(records: Artefact) -> list[Location]:
    """In the order of their numbers: doc_id >> 32 is the place in this list."""
    return in_order(place for place in records.paths(".parquet") if place.name.startswith("part-"))


PAGE_SIGNALS = ("spam_link_density", "spam_parked_phrases")  # the first needs the HTML: null where there is none
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
        ("http_status", pa.int32()),
        ("mime", pa.string()),
        ("charset", pa.string()),
        ("charset_source", pa.string()),
        ("replaced", pa.float64()),  # share of characters that could not be decoded
        ("mojibake", pa.bool_()),
        ("extractor", pa.string()),
        ("extraction_score", pa.float32()),
        ("licence", pa.string()),
        ("opt_outs", pa.list_(pa.string())),
        ("code_language", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("removed_words", pa.float64()),  # share of the text's words that line rules took out
        ("content_hash", pa.string()),
        ("text", pa.large_string()),
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("note", pa.string()),
        *((name, pa.float64()) for name in (*SIGNALS, *PAGE_SIGNALS)),
    ]
)
