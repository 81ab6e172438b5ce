"""What a shard of `pages` holds, for those that read one."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.store import Artefact, Location
from pipeline.shards import in_order

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
        ("code_language", pa.string()),
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


def page_shards(pages: Artefact) -> list[Location]:
    """In the order of their numbers: doc_id >> 32 is the place in this list."""
    return in_order(pages.paths(".parquet"))


def kept_pages(place: Location, columns: list[str]) -> pa.Table:
    """Rows of a `pages` shard that were kept; `columns` without `status`."""
    table = pq.read_table(place.open(), columns=[*columns, "status"])
    return table.filter(pc.equal(table["status"], "kept")).drop_columns("status")
