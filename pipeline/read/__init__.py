"""Files of pages in every form they come in: how they are dealt out to tasks, and the records in them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import pyarrow as pa

from cluster.errors import RequestError, first_line
from cluster.store import Location
from pipeline.read.code.files import read_code
from pipeline.read.html import read_html
from pipeline.read.jsonl import read_jsonl
from pipeline.read.parquet import read_parquet
from pipeline.read.record import Part, Record
from pipeline.read.stackexchange import read_stackexchange
from pipeline.read.text import read_text
from pipeline.read.units import plan_units
from pipeline.read.warc.records import read_warc

__all__ = ["Part", "Record", "first_line", "plan_units", "read_part"]

READERS: dict[str, Callable[[Location, Part, int], Iterator[Record]]] = {
    "code": read_code,
    "html": read_html,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "stackexchange": read_stackexchange,
    "text": read_text,
    "warc": read_warc,
}


def read_part(part: Part, limit: int) -> Iterator[Record]:
    """The records of a part. What cannot be read becomes a Record with a problem, and reading goes on behind it.

    limit: bytes of a decoded body; longer ones are `oversize` and come without their body.
    """
    try:
        for record in READERS[part.format](Location.of(part.uri), part, limit):
            record.source, record.priority = part.source, part.priority
            yield record
    except (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError, RequestError) as error:
        yield Record(
            part.name, part.start, problem="unreadable", note=first_line(error), source=part.source, priority=part.priority
        )
