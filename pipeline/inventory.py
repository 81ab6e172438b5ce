"""Which files hold the pages, and in what format: looked at once, before any work is dealt out."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from typing import Any

from cluster.store import Location

HEAD = 1 << 16
SUFFIXES = {
    ".warc": "warc",
    ".wet": "warc",  # WET files are WARC files of conversion records
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


def inventory(external: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Sort files into what can be read and what cannot.

    external: [{uri, bytes}]. Returns (files, unreadable): files [{uri, format, bytes}], format one of warc,
    html, jsonl, parquet; unreadable [{uri, bytes, reason}].
    """
    files, unreadable = [], []
    for each in external:
        entry = {"uri": each["uri"], "bytes": each["bytes"]}
        if each["bytes"] == 0:
            unreadable.append({**entry, "reason": "empty file"})
            continue
        try:
            kind = guess_format(each["uri"], read_head(Location.of(each["uri"])))
        except (OSError, zlib.error) as error:
            unreadable.append({**entry, "reason": f"cannot be read: {first_line(error)}"})
            continue
        if kind == "unknown":
            unreadable.append({**entry, "reason": "neither WARC, WET, HTML, JSONL nor Parquet"})
        else:
            files.append({**entry, "format": kind})
    return files, unreadable


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def read_head(place: Location) -> bytes:
    """The first 64 KiB, decompressed where the file is gzip or zstd."""
    with place.filesystem.open_input_stream(place.path, compression=None) as stream:
        head = stream.read(HEAD)
    if head[:2] == b"\x1f\x8b":
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    if head[:4] == b"\x28\xb5\x2f\xfd":
        import pyarrow as pa

        return pa.CompressedInputStream(io.BytesIO(head), "zstd").read(min(HEAD, 1024))
    return head


def guess_format(uri: str, head: bytes) -> str:
    """By what the file begins with; by its name where that says nothing."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512]
    if head.startswith(b"WARC/"):
        return "warc"
    if head.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"{"):
        return "jsonl"
    if start.startswith(b"<"):
        return "html"
    # Only text can be an HTML page that does not begin with a tag; the other formats begin as said above.
    return "html" if name_format(uri) == "html" and b"\0" not in start else "unknown"


def name_format(uri: str) -> str:
    name = uri.rsplit("/", 1)[-1].lower()
    for suffix in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(suffix)
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), "unknown")
