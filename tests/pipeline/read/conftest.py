"""Archives in every packing, and reading them in one part or in many."""

from __future__ import annotations

import gzip
import io
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from warcio.archiveiterator import ArchiveIterator

from pipeline.crawl.archive import WarcFile
from pipeline.read import Part, Record, plan_units, read_part

PACKINGS = ("plain", "gzip", "zstd", "one gzip member", "one zstd frame")


class Archive:
    """The same 40 exchanges in every packing, with where each record begins and ends (by warcio)."""

    def __init__(self) -> None:
        chance, file = random.Random(3), WarcFile("x.warc.gz", "test", "test")
        self.pages: dict[str, bytes] = {}
        for number in range(40):
            words = " ".join(chance.choices("alpha beta gamma delta epsilon".split(), k=chance.randrange(5, 300)))  # noqa: SIM905
            body = f"<html><p>page {number} {words}".encode()
            headers = [("Content-Type", "text/html"), ("Content-Length", str(len(body)))]
            url = f"http://h/{number}"
            file.add(url, "2026-01-02T03:04:05Z", ("GET / HTTP/1.1", [("Host", "x")]), "HTTP/1.1 200 OK", headers, body)
            self.pages[url] = body
        packed = file.close()
        plain = gzip.decompress(packed)
        edges = record_edges(plain)
        frames = [pa.compress(plain[start:end], "zstd", asbytes=True) for start, end in itertools.pairwise(edges)]
        self.data = {
            "plain": plain,
            "gzip": packed,
            "zstd": b"".join(frames),
            "one gzip member": gzip.compress(plain),
            "one zstd frame": pa.compress(plain, "zstd", asbytes=True),
        }
        ends = [0]
        for frame in frames:
            ends.append(ends[-1] + len(frame))
        self.edges = {"plain": edges, "gzip": record_edges(packed), "zstd": ends}
        # What each record is: the warcinfo, then a response and its request for each page.
        self.urls = ["", *[url for page in self.pages for url in (page, "")]]


def record_edges(data: bytes) -> list[int]:
    """Where each record begins, and the end."""
    archive = ArchiveIterator(io.BytesIO(data))
    return [archive.get_record_offset() for _ in archive] + [len(data)]


@pytest.fixture(scope="session")
def archive() -> Archive:
    return Archive()


@pytest.fixture
def read_file() -> Callable[..., list[Record]]:
    """Read a file in tasks of so many bytes; no tasks: as one part."""

    def read(
        path: Path, kind: str = "warc", /, task_bytes: int | None = None, limit: int = 10**6, **options: Any
    ) -> list[Record]:
        file = {"uri": str(path), "name": path.name, "format": kind, "bytes": path.stat().st_size, "options": options}
        units = [[Part(str(path), path.name, kind, options=options)]] if task_bytes is None else plan_units([file], task_bytes)
        return [record for unit in units for part in unit for record in read_part(part, limit)]

    return read
