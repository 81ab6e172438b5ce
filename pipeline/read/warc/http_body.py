"""The body of an HTTP response in an archive, its transfer and content encodings undone.

fastwarc could undo them, but with two of them on a body (chunked and gzip, as servers send and many crawlers archive it)
its iterator ends without an error, and all records behind are lost. So it hands out the bytes as they are archived.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable

import brotli
from fastwarc.warc import HeaderMap, WarcRecord

from pipeline.read.charset import is_utf_8
from pipeline.read.streams import GZIP, ZSTD, Inflated
from pipeline.read.text import is_binary

CUT = "cut off"
CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]{0,1000})?\r\n")
PIECE = 1024  # bytes that are decoded at once: small, so that a header that lies is known by what came out before
MOST_CODINGS = 5  # curl and urllib3 undo as many; a longer list is an attack
INTERIM = 5  # answers such as `100 Continue` in front of the answer


def parse_http(record: WarcRecord, size: int) -> WarcRecord:
    """The record with its HTTP headers read (also with bare LF), or that of the answer behind interim ones.

    size: bytes of the record, at most, to look for another answer in. Raises OSError or ValueError.
    """
    record.parse_http(auto_decode="none", quirks_mode=True)
    for _ in range(INTERIM):
        status = record.http_headers.status_code if record.http_headers is not None else None
        if status is None or not 100 <= status < 200 or status == 101:
            break
        behind = record.reader.read(size)
        if not behind.startswith(b"HTTP/"):
            break
        record = WarcRecord()
        record.is_http = True
        record.set_bytes_content(behind)
        record.parse_http(auto_decode="none", quirks_mode=True)
    return record


def read_http_body(record: WarcRecord, limit: int) -> tuple[bytes, str]:
    """The decoded body, limit + 1 bytes of a longer one, and a note where it ends early. record: by `parse_http`.

    Raises ValueError where a body is damaged inside its encoding.
    """
    codings = codings_of(announced(record.http_headers)) if record.http_headers is not None else []
    if not codings:
        return record.reader.read(limit + 1), ""
    return decoded(record.reader.read(2 * limit), codings, limit)


def announced(headers: HeaderMap) -> list[str]:
    """What the headers say of encodings, in the order in which they were applied."""
    return [*headers.get_multiple("Content-Encoding"), *headers.get_multiple("Transfer-Encoding")]


def codings_of(given: Iterable[str]) -> list[str]:
    """What to undo, the last first. Unknown names (none, UTF-8, ...) stand for nothing, as in browsers."""
    names = [name.strip().lower().removeprefix("x-") for name in ",".join(given).split(",")]
    return [name for name in reversed(names) if name in DECODERS]


def decoded(body: bytes, codings: list[str], limit: int) -> tuple[bytes, str]:
    """`body` without its codings, at most limit + 1 bytes, and a note where it is cut off. Raises ValueError on damage.

    A coding that the body is not in at all is passed over: many an archive holds decoded bodies under the headers
    they were sent with. Of a body that is cut off comes what is there.
    """
    if len(codings) > MOST_CODINGS:
        raise ValueError(f"{len(codings)} encodings, one in the other: more than any server applies")
    note = ""
    for coding in codings:
        found, failure = DECODERS[coding](body, limit)
        if failure and is_plain(body, found, coding):
            continue
        if failure == CUT and not found:
            raise ValueError(f"cut off at the beginning of its {coding} encoding")
        if failure and failure != CUT:
            raise ValueError(f"damaged inside its {coding} encoding: {failure}")
        note = f"cut off inside its {coding} encoding" if failure else note
        body = found[: limit + 1]
        if len(body) > limit:
            break
    return body[: limit + 1], note


def is_plain(body: bytes, found: bytes, coding: str) -> bool:
    """Whether a body that cannot be decoded, but for what was `found`, is not encoded at all."""
    if body.startswith((GZIP, ZSTD)):
        return False
    if coding not in ("br", "deflate"):  # which have no mark of their own: some bytes of a text can pass for them
        return not found
    return not is_binary(body) and (not found or body.isascii() or is_utf_8(body))


def without_chunks(body: bytes, limit: int) -> tuple[bytes, str]:
    """RFC 9112, section 7.1; what follows the last chunk is left out. Any length: it only shrinks."""
    found, at = bytearray(), 0
    while at < len(body):
        size = CHUNK.match(body, at)
        if size is None:
            cut = re.fullmatch(rb"[0-9a-fA-F]+\r?", body[at:]) is not None and found
            return bytes(found), CUT if cut else "no length in front of a chunk"
        start, length = size.end(), int(size[1], 16)
        if not length:
            return bytes(found), ""
        found += body[start : start + length]
        at = start + length
        if body[at : at + 2] not in (b"\r\n", b"\r", b""):
            return bytes(found), "a chunk is longer than it says"
        at += 2
    return bytes(found), CUT


def gunzipped(body: bytes, limit: int) -> tuple[bytes, str]:
    """All members of a gzip stream; what is behind them and no member is left out."""
    found, at = bytearray(), 0
    while body.startswith(GZIP, at):
        member, failure, at = inflated(body, at, 31, limit - len(found))
        found += member
        if failure or len(found) > limit:
            return bytes(found), failure
    return bytes(found), "" if at else "no gzip"


def undeflated(body: bytes, limit: int) -> tuple[bytes, str]:
    """In a zlib stream, as RFC 9110 (section 8.4.1.2) says, or without one, as some servers send it."""
    found, failure, _ = inflated(body, 0, 15, limit)
    if failure and not found:
        found, failure, _ = inflated(body, 0, -15, limit)
    return found, failure


def inflated(body: bytes, at: int, wbits: int, limit: int) -> tuple[bytes, str, int]:
    """What the stream that begins at `at` holds, limit + 1 bytes at most; how it fails, else empty; and where it ends."""
    stream, found = zlib.decompressobj(wbits), bytearray()
    while at < len(body) and not stream.eof and len(found) <= limit:
        piece = body[at : at + PIECE]
        try:
            found += stream.decompress(piece, limit + 1 - len(found))
        except zlib.error as error:
            return bytes(found), str(error), at
        at += len(piece) - len(stream.unconsumed_tail) - len(stream.unused_data)
    return bytes(found), "" if stream.eof or len(found) > limit else CUT, at


def unbrotlied(body: bytes, limit: int) -> tuple[bytes, str]:
    stream, found, at = brotli.Decompressor(), bytearray(), 0
    while at < len(body) and not stream.is_finished() and len(found) <= limit:
        try:
            found += stream.process(body[at : at + PIECE], output_buffer_limit=limit + 1 - len(found))
        except brotli.error as error:
            return bytes(found), str(error)
        at += PIECE
    return bytes(found), "" if stream.is_finished() or len(found) > limit else CUT


def unzstandarded(body: bytes, limit: int) -> tuple[bytes, str]:
    if not body.startswith(ZSTD):
        return b"", "no zstd"
    stream = Inflated(io.BytesIO(body), "zstd")
    try:
        found = stream.read(limit + 1)
    except OSError:
        found = b""
    cut = stream.failure.startswith("Truncated")  # what Arrow says where a stream ends early
    return found, CUT if cut else stream.failure


DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, str]]] = {
    "chunked": without_chunks,
    "gzip": gunzipped,
    "deflate": undeflated,
    "br": unbrotlied,
    "zstd": unzstandarded,
}
