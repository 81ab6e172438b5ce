"""What format a file is in: by what it begins with, and by its name where that says nothing."""

from __future__ import annotations

import io
import re
import zlib

from cluster.store import Location
from pipeline.read.code.languages import language_of
from pipeline.read.sniff import begins_html, behind_prolog
from pipeline.read.streams import GZIP, ZSTD, Inflated
from pipeline.read.text import is_binary
from pipeline.read.warc.boundaries import DICTIONARY

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
    ".txt": "text",
    ".text": "text",
}
POSTS = re.compile(rb"<posts[\s>]|<!DOCTYPE posts\b")
ARCHIVES = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"PK\x03\x04", "zip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"Rar!", "rar"))
NONE_OF_THEM = "neither WARC, WET, HTML, JSONL, Parquet, text, source code nor a Stack Exchange dump"


def read_head(place: Location) -> bytes:
    """The first 64 KiB, decompressed where the file is gzip or zstd. Raises OSError or zlib.error where it cannot be read."""
    with place.filesystem.open_input_stream(place.path, compression=None) as stream:
        head: bytes = stream.read(HEAD)
    if head[:2] == GZIP:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    if head[:4] == ZSTD:
        return Inflated(io.BytesIO(head), "zstd").read(HEAD)
    return head


def guess_format(uri: str, head: bytes) -> str:
    """warc, html, jsonl, parquet, text, code, stackexchange or unknown. head: the content's first bytes."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    named = name_format(uri)
    if head.startswith(b"WARC/"):
        return "warc"
    if head.startswith(b"PAR1"):
        return "parquet"
    if POSTS.match(start, behind_prolog(start)):
        return "stackexchange"
    if head.startswith(DICTIONARY) and named == "warc":
        return "warc"
    # A bracket alone begins many a program and some texts too: there the name knows better.
    if named != "code" and (begins_html(start) or (named != "text" and start.startswith(b"<"))):
        return "html"
    if named not in ("code", "text") and start.startswith(b"{"):
        return "jsonl"
    # The other formats begin as said above.
    return named if named in ("html", "text", "code") and not is_binary(head) else "unknown"


def name_format(uri: str) -> str:
    name = uri.rsplit("/", 1)[-1].lower()
    for suffix in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(suffix)
    by_suffix = next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), "")
    return by_suffix or ("code" if language_of(name) else "unknown")


def why_unknown(head: bytes) -> str:
    """The reason to give for a file whose format is unknown."""
    packed = next((kind for mark, kind in ARCHIVES if head.startswith(mark)), "")
    return f"a {packed} archive, which must be unpacked first" if packed else NONE_OF_THEM
