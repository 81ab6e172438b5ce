"""What a shard of `pages` holds, for those that read one."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.store import Artefact, Location
from pipeline.records.shard import SCHEMA as RECORDS
from pipeline.shards import in_order

FROM_RECORDS = (  # columns as `records` has them
    *("doc_id", "source", "priority", "url", "host", "warc_file", "warc_offset", "fetch_time", "licence"),
    *("code_language", "language", "language_score", "content_hash"),
)
DECISION = ("reason", "value", "threshold", "note")  # in `records` why there is no text, here why there is no page
SCHEMA = pa.schema(
    [
        *map(RECORDS.field, FROM_RECORDS),
        ("characters", pa.int64()),
        RECORDS.field("text"),
        ("status", pa.string()),
        *map(RECORDS.field, DECISION),
    ]
)


def page_shards(pages: Artefact) -> list[Location]:
    """In the order of their numbers: doc_id >> 32 is the place in this list."""
    return in_order(pages.paths(".parquet"))


def kept_pages(place: Location, columns: list[str]) -> pa.Table:
    """Rows of a `pages` shard that were kept; `columns` without `status`."""
    table = pq.read_table(place.open(), columns=[*columns, "status"])
    return table.filter(pc.equal(table["status"], "kept")).drop_columns("status")
