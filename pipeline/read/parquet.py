"""Parquet files with a row a page: `text` or `html`, and `url` where it is known."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.parquet as pq

from cluster.store import Location
from pipeline.read.jsonl import field_record
from pipeline.read.record import Part, Record


def read_parquet(place: Location, part: Part, limit: int) -> Iterator[Record]:
    with pq.ParquetFile(place.open()) as file:
        columns = [name for name in ("url", "html", "text") if name in file.schema_arrow.names]
        offset = part.start
        for batch in file.iter_batches(256, row_groups=part.groups, columns=columns):
            for fields in batch.to_pylist():
                yield field_record(fields, part.name, offset, limit)
                offset += 1
