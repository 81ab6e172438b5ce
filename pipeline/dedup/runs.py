"""Sorted runs: tables sorted by one column, of which a reader fetches a range without reading the rest."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location

ROW_GROUP = 1 << 16  # rows that are read together: some 1 MB


def run_bytes(table: pa.Table) -> bytes:
    """A table, already sorted, as Parquet whose row groups know their range."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP, store_schema=False)
    return sink.getvalue()


def read_range(place: Location, column: str, first: int, last: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows with first <= `column` <= last of a run. Memory: the row groups that reach into the range."""
    with place.open() as stream:
        file = pq.ParquetFile(stream)
        at = file.schema_arrow.get_field_index(column)
        groups = []
        for group in range(file.num_row_groups):
            seen = file.metadata.row_group(group).column(at).statistics
            if seen is not None and seen.min <= last and seen.max >= first:
                groups.append(group)
        table = file.read_row_groups(groups, columns=list(columns) if columns else None)
    values = table[column].to_numpy()
    begin = np.searchsorted(values, values.dtype.type(first), "left")
    end = np.searchsorted(values, values.dtype.type(last), "right")
    return table.slice(begin, end - begin)


def read_ranges(
    places: Iterable[Location], column: str, first: int, last: int, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    for place in places:
        table = read_range(place, column, first, last, columns)
        if table.num_rows:
            yield table


def column(tables: Iterable[pa.Table], name: str, kind: Any) -> np.ndarray:
    """One column of several tables as one array."""
    return np.concatenate([np.zeros(0, dtype=kind), *(table[name].to_numpy() for table in tables)]).astype(kind, copy=False)


def key_range(partition: int, partitions: int) -> tuple[int, int]:
    """First and last key of a partition of all 64-bit keys."""
    return (partition << 64) // partitions, (partition + 1 << 64) // partitions - 1


def partitions_for(size: int, memory_mb: int, wanted: int | None) -> int:
    """How many partitions so that each holds at most `memory_mb`. size: bytes that all need while they are worked on."""
    return wanted or max(1, -(-size // (memory_mb * 1_000_000)))


def lookup(places: Iterable[Location], ids: np.ndarray) -> pa.Table | None:
    """Rows of the runs by doc_id whose doc_id is among `ids` (sorted, distinct), sorted by it; None where there are none."""
    found = []
    if len(ids):
        for table in read_ranges(places, "doc_id", int(ids[0]), int(ids[-1])):
            wanted = np.isin(table["doc_id"].to_numpy(), ids)
            if wanted.any():
                found.append(table.filter(pa.array(wanted)))
    return pa.concat_tables(found).sort_by("doc_id") if found else None
