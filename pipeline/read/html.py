"""A file of one HTML page."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.store import Location
from pipeline.read.record import Part, Record, oversize
from pipeline.read.streams import open_content


def read_html(place: Location, part: Part, limit: int) -> Iterator[Record]:
    with open_content(place) as stream:
        body = stream.read(limit + 1)
    row = Record(part.name, 0, url=file_url(part.uri), body=body)
    yield oversize(row, len(body), limit) if len(body) > limit else row


def file_url(uri: str) -> str:
    return uri if "://" in uri else f"file://{uri}"
