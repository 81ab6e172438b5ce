"""Shards: how a long stage resumes inside itself."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.location import Location, digest_bytes, in_parallel

WORK = "_work"  # resumable state inside an attempt: never part of the artefact
RECORDS = f"{WORK}/shards"


def write_shard(place: Location, index: int, name: str, data: bytes, **counts: Any) -> None:
    """Commit one shard of an attempt: the file, then its record. A shard with a record is never redone.

    place: the attempt's directory (`ctx.output`); name: file name inside it, the same at every attempt.
    counts: JSON values that the stage wants back from `shard_records`.
    """
    (place / name).write_bytes(data)
    record = {"path": name, "bytes": len(data), "digest": digest_bytes(data), "counts": counts}
    (place / RECORDS / f"{index:06d}.json").write_json(record)


def shard_records(place: Location) -> dict[int, dict[str, Any]]:
    """The shards that an attempt has finished: index -> {path, bytes, digest, counts}."""
    return read_records(place, [f"{RECORDS}/{name}" for name in (place / RECORDS).files()])


def read_records(place: Location, names: list[str]) -> dict[int, dict[str, Any]]:
    """As `shard_records`, of an attempt whose files are `names`."""
    told = {number: name for name in names if (number := shard_number(name)) is not None}
    if place.is_local:
        return {number: (place / name).read_json() for number, name in told.items()}
    return dict(zip(told, in_parallel(lambda name: (place / name).read_json(), told.values()), strict=True))


def shard_number(name: str) -> int | None:
    """Of which shard a file of an attempt is the record; None for other files."""
    stem = name.removeprefix(f"{RECORDS}/").removesuffix(".json")
    return int(stem) if name == f"{RECORDS}/{stem}.json" and stem.isdigit() else None


def missing_or_cut(record: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether a record's file is not there as it was written. sizes: path -> bytes."""
    return sizes.get(record["path"]) != record["bytes"]


def parquet_bytes(table: pa.Table) -> bytes:
    """A pyarrow Table as one Parquet file (zstd), the same bytes for the same rows."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=True)
    return sink.getvalue()
