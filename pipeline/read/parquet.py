"""Parquet files with a row a page: `text` or `html`, and `url` where it is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location
from pipeline.read.jsonl import field_record
from pipeline.read.record import Part, Record


def read_parquet(place: Location, part: Part, limit: int) -> Iterator[Record]:
    with pq.ParquetFile(place.open()) as file:
        columns = [name for name in ("url", "html", "text") if name in file.schema_arrow.names]
        offset = part.start
        for batch in file.iter_batches(256, row_groups=part.groups, columns=columns):
            for fields in rows_of(batch):
                yield field_record(fields, part.name, offset, limit)
                offset += 1


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as Python values; a string that is no UTF-8, which Parquet forbids but nothing checks, as its bytes."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*map(values_of, batch.columns), strict=True)]


def values_of(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return [None if value is None else as_text(value) for value in column.cast(pa.large_binary()).to_pylist()]
    try:
        return column.to_pylist()
    except UnicodeDecodeError:  # strings inside of lists and the like, which are no page
        return [None] * len(column)


def as_text(value: bytes) -> str | bytes:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value
