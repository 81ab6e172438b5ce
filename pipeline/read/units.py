"""Work units over the inventory: how its files are dealt out to tasks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location
from pipeline.read.record import END, Part
from pipeline.read.streams import AT_ONCE, compression
from pipeline.read.warc.boundaries import boundaries

SHARES = 16  # units a small input is cut into at least, so that a few workers end at about the same time
LEAST = 1_000_000  # bytes; below that a task costs more than it reads


def plan_units(files: Sequence[Mapping[str, Any]], task_bytes: int) -> list[list[Part]]:
    """Deal the inventory's files out to units of about `task_bytes`, or less where all are few, in its order.

    files: [{uri, name, format, bytes}], also source, priority, options. The units follow from the files and the
    setting alone, never from the number of workers: a page's doc_id holds its unit's number.
    Large WARC, JSONL and separated text files are cut into ranges, Parquet files into row groups; small files go together.
    """
    task_bytes = fine_task(sum(file["bytes"] for file in files), task_bytes)
    units: list[list[Part]] = []
    room = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pieces = pool.map(lambda file: list(cut(file, task_bytes)), files)
        for part, size in itertools.chain.from_iterable(pieces):
            if size > room or not units:
                units.append([])
                room = task_bytes
            units[-1].append(part)
            room -= size
    return units


def fine_task(total: int, task_bytes: int) -> int:
    """Bytes of a task: a SHARES-th of a small input, but not below LEAST, and never above the setting."""
    return min(task_bytes, max(LEAST, total // SHARES))


def cut(file: Mapping[str, Any], task_bytes: int) -> Iterator[tuple[Part, int]]:
    size, kind = file["bytes"], file["format"]
    if kind == "parquet":
        yield from cut_parquet(file, task_bytes)
    elif size <= task_bytes * 3 // 2 or not can_be_cut(file):
        yield part_of(file), size
    else:
        number = round(size / task_bytes)
        edges = [size * each // number for each in range(number)] + [END]
        for start, end in itertools.pairwise(edges):
            yield part_of(file, start, end), size // number


def part_of(file: Mapping[str, Any], start: int = 0, end: int = END) -> Part:
    return Part(
        file["uri"],
        file["name"],
        file["format"],
        start,
        end,
        source=file.get("source", "input"),
        priority=file.get("priority", 0),
        options=file.get("options", {}),
    )


def can_be_cut(file: Mapping[str, Any]) -> bool:
    """Files of lines if they are not compressed, and WARC files unless one member or frame holds all of it."""
    try:
        with Location.of(file["uri"]).open() as stream:
            if file["format"] == "warc":
                return boundaries(stream).can_be_cut
            if file["format"] == "jsonl" or (file["format"] == "text" and file.get("options", {}).get("separator")):
                return compression(stream.read(4)) is None
    except OSError:
        pass  # its reader will say what is wrong with it
    return False


def cut_parquet(file: Mapping[str, Any], task_bytes: int) -> Iterator[tuple[Part, int]]:
    try:
        with pq.ParquetFile(Location.of(file["uri"]).open()) as table:
            sizes = [
                (table.metadata.row_group(each).num_rows, table.metadata.row_group(each).total_byte_size)
                for each in range(table.num_row_groups)
            ]
    except (OSError, pa.ArrowException):
        yield part_of(file), file["bytes"]  # its reader will say what is wrong with it
        return
    part, filled, row = part_of(file), 0, 0
    for group, (rows, width) in enumerate(sizes):
        if filled and filled + width > task_bytes:
            yield part, filled
            part, filled = part_of(file, row), 0
        part.groups.append(group)
        filled, row = filled + width, row + rows
    if part.groups:
        yield part, filled
