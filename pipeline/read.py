"""Work units over the inventory, and the records in them: WARC, WET, HTML, JSONL, Parquet."""

from __future__ import annotations

import io
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from cluster.store import Location
from pipeline.inventory import first_line

PAGE_TYPES = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion | WarcRecordType.revisit
GZIP_MEMBER = b"\x1f\x8b\x08"
PLAIN_RECORD = b"\r\n\r\nWARC/1."
ZSTD = b"\x28\xb5\x2f\xfd"
WINDOW = 1 << 20


@dataclass
class Record:
    """One record of a file. `problem` is the reason why it cannot become a page, else empty.

    body: bytes of an HTML page, or text where the file already holds extracted text. about: not a page but
    a record about one (request, metadata, warcinfo): counted, never a row.
    """

    file: str
    offset: int
    url: str = ""
    time: str = ""
    status: int = 200
    mime: str = "text/html"
    charset: str | None = None
    body: bytes | str = b""
    problem: str = ""
    value: float | None = None
    limit: float | None = None
    note: str = ""
    about: bool = False


@dataclass
class Part:
    """A file, or the part of one whose records start at or after `start` and before `end` (bytes; rows in Parquet).

    name: what the rows call the file; not its place, which differs between roots that hold the same bytes.
    """

    uri: str
    name: str
    format: str
    start: int = 0
    end: int = 1 << 62
    groups: list[int] = field(default_factory=list)


def read_part(part: Part, limit: int) -> Iterator[Record]:
    """The records of a part. What cannot be read becomes a Record with a problem, and reading goes on behind it.

    limit: bytes of a decoded body; longer ones are `oversize` and come without their body.
    """
    place = Location.of(part.uri)
    reader = {"warc": read_warc, "html": read_html, "jsonl": read_jsonl, "parquet": read_parquet}[part.format]
    try:
        yield from reader(place, part, limit)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        yield Record(part.name, part.start, problem="unreadable", note=first_line(error))


# WARC and WET


def read_warc(place: Location, part: Part, limit: int) -> Iterator[Record]:
    with place.open() as stream:
        magic, size = stream.read(4), stream.size()
        gzipped, zstd = magic[:3] == GZIP_MEMBER, magic == ZSTD
        began: int | None = part.start if part.start == 0 else next_record(stream, part.start, part.end, gzipped)
        while began is not None:
            at, held = began, None  # `at`: where the record begins that is being read
            stream.seek(began)
            try:
                for record in ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False):
                    if record.stream_pos >= part.end:
                        break
                    if held is not None:
                        yield held
                    held, at = None, record.stream_pos
                    held = warc_record(record, part.name, limit)
                else:
                    # The iterator hands out what is there of a last record that was cut off.
                    if held is not None and part.end >= size and not zstd and is_cut_off(stream, began, at, gzipped):
                        held = Record(part.name, at, held.url, problem="unreadable", note="the file ends inside this record")
                if held is not None:
                    yield held
                return
            except OSError as error:
                if held is not None:  # then it was the record behind it that failed
                    yield held
                    behind = member_end(stream, at) if gzipped else next_record(stream, at + 1, part.end, gzipped)
                    at = behind or at + 1
                yield Record(part.name, at, problem="unreadable", note=first_line(error))
                began = next_record(stream, at + 1, part.end, gzipped)


def warc_record(record: WarcRecord, file: str, limit: int) -> Record:
    headers = record.headers
    row = Record(
        file,
        record.stream_pos,
        url=(headers.get("WARC-Target-URI") or "").strip("<>"),
        time=headers.get("WARC-Date") or "",
        about=not record.record_type & PAGE_TYPES,
    )
    if row.about:
        return row
    if record.record_type & WarcRecordType.revisit:
        row.problem = "revisit"
        return row
    if record.content_length > 2 * limit:
        row.problem, row.value, row.limit = "oversize", float(record.content_length), float(limit)
        return row
    if record.record_type & WarcRecordType.conversion:
        row.mime = "text/plain"
        row.body = record.reader.read().decode("utf-8", errors="replace")
        return row
    if record.is_http:
        record.parse_http(auto_decode="all")
        if record.http_headers is not None:
            row.status = record.http_headers.status_code or 0
            row.mime, row.charset = (record.http_content_type or "").lower(), record.http_charset
    else:
        row.mime = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    row.body = record.reader.read(limit + 1)
    if len(row.body) > limit:
        row.problem, row.value, row.limit, row.body = "oversize", float(len(row.body)), float(limit), b""
    return row


def next_record(stream: Any, start: int, end: int, gzipped: bool) -> int | None:
    """Offset of the first record at or after `start` and before `end`, found by what a record begins with."""
    mark = GZIP_MEMBER if gzipped else PLAIN_RECORD
    lead = 0 if gzipped else 4  # a plain record begins behind the blank line that ends the one before
    position = max(0, start - lead)
    while position < end:
        stream.seek(position)
        window = stream.read(WINDOW)
        found = window.find(mark)
        while found >= 0:
            offset = position + found + lead
            if offset >= end:
                return None
            if not gzipped or begins_record(window[found:]):
                return offset
            found = window.find(mark, found + 1)
        if len(window) < WINDOW:
            return None
        position += WINDOW - 512  # a member's first bytes must not be cut off
    return None


def begins_record(data: bytes) -> bool:
    """Whether a gzip member starts here whose content starts like a WARC record: chance has no part in that."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data[:512], 5) == b"WARC/"
    except zlib.error:
        return False


def is_cut_off(stream: Any, began: int, last: int, gzipped: bool) -> bool:
    """Whether the file ends inside its last record. began: where reading it began, last: the last record's offset."""
    if not gzipped:
        stream.seek(stream.size() - 4)
        return stream.read() != b"\r\n\r\n"
    stream.seek(last)
    one_stream = not begins_record(stream.read(512))  # all records in one member: offsets inside it mean nothing
    return member_end(stream, began if one_stream else last) is None


def member_end(stream: Any, offset: int) -> int | None:
    """Where the gzip member ends that begins at `offset`; None where the file ends first."""
    stream.seek(offset)
    member = zlib.decompressobj(wbits=31)
    while block := stream.read(WINDOW):
        while block:
            member.decompress(block, WINDOW)
            if member.eof:
                return stream.tell() - len(member.unused_data)
            block = member.unconsumed_tail
    return None


# HTML, JSONL, Parquet


def read_html(place: Location, part: Part, limit: int) -> Iterator[Record]:
    with open_decompressed(place) as stream:
        body = stream.read(limit + 1)
    url = part.uri if "://" in part.uri else f"file://{part.uri}"
    row = Record(part.name, 0, url=url, body=body)
    if len(body) > limit:
        row.problem, row.value, row.limit, row.body = "oversize", float(len(body)), float(limit), b""
    yield row


def read_jsonl(place: Location, part: Part, limit: int) -> Iterator[Record]:
    """A line a record: `text` or `html`, and `url` where it is known. A line belongs to the part it starts in."""
    with open_decompressed(place, part.start) as stream:
        offset = part.start
        lines = io.BufferedReader(stream)
        if part.start:
            offset += len(lines.readline())  # `open_decompressed` starts one byte early: this line is the previous part's
        while offset < part.end and (line := lines.readline()):
            if line.strip():
                yield json_record(line, part.name, offset, limit)
            offset += len(line)


def json_record(line: bytes, file: str, offset: int, limit: int) -> Record:
    if len(line) > 2 * limit:
        return Record(file, offset, problem="oversize", value=float(len(line)), limit=float(limit))
    try:
        fields = json.loads(line)
    except ValueError as error:
        return Record(file, offset, problem="unreadable", note=first_line(error))
    return field_record(fields if isinstance(fields, dict) else {}, file, offset)


def field_record(fields: dict[str, Any], file: str, offset: int) -> Record:
    row = Record(file, offset, url=whole_text(str(fields.get("url") or f"{file}#{offset}")))
    if isinstance(fields.get("html"), str):
        row.charset, row.body = "utf-8", whole_text(fields["html"]).encode()
    elif isinstance(fields.get("text"), str):
        row.mime, row.body = "text/plain", whole_text(fields["text"])
    else:
        row.problem = "no_text_or_html"
    return row


def whole_text(text: str) -> str:
    """JSON can spell half a surrogate pair, which no file can hold: it becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_parquet(place: Location, part: Part, limit: int) -> Iterator[Record]:
    with pq.ParquetFile(place.open()) as file:
        columns = [name for name in ("url", "html", "text") if name in file.schema_arrow.names]
        offset = part.start
        for batch in file.iter_batches(256, row_groups=part.groups, columns=columns):
            for fields in batch.to_pylist():
                yield field_record(fields, part.name, offset)
                offset += 1


def open_decompressed(place: Location, start: int = 0) -> Any:
    """The file's content from one byte before `start` (0: the beginning), decompressed by its magic."""
    file = place.open()
    magic = file.read(4)
    file.seek(max(0, start - 1))
    kind = "gzip" if magic[:2] == b"\x1f\x8b" else "zstd" if magic == ZSTD else None
    return pa.CompressedInputStream(file, kind) if kind else file


# Units


def plan_units(files: Sequence[dict[str, Any]], task_bytes: int) -> list[list[Part]]:
    """Deal the inventory's files out to units of about `task_bytes`, in its order.

    files: [{uri, name, format, bytes}].
    Large WARC and JSONL files are cut into ranges and Parquet files into row groups; small files go together.
    """
    units: list[list[Part]] = []
    room = 0
    for file in files:
        for part, size in cut(file, task_bytes):
            if size > room:
                units.append([])
                room = task_bytes
            units[-1].append(part)
            room -= size
    return units


def cut(file: dict[str, Any], task_bytes: int) -> Iterator[tuple[Part, int]]:
    uri, name, kind, size = file["uri"], file["name"], file["format"], file["bytes"]
    if kind == "parquet":
        yield from cut_parquet(uri, name, size, task_bytes)
    elif size <= task_bytes * 3 // 2 or kind == "html" or not can_be_cut(uri, kind):
        yield Part(uri, name, kind), size
    else:
        number = round(size / task_bytes)
        edges = [size * each // number for each in range(number)] + [1 << 62]
        for start, end in itertools.pairwise(edges):
            yield Part(uri, name, kind, start, end), size // number


def can_be_cut(uri: str, kind: str) -> bool:
    """Plain files, and WARC files of a gzip member a record (as every crawler writes them)."""
    with Location.of(uri).open() as stream:
        head = stream.read(1 << 16)
    if head[:2] == b"\x1f\x8b":
        return kind == "warc" and next_record(io.BytesIO(head), 1, len(head), True) is not None
    return head[:4] != ZSTD


def cut_parquet(uri: str, name: str, size: int, task_bytes: int) -> Iterator[tuple[Part, int]]:
    try:
        with pq.ParquetFile(Location.of(uri).open()) as file:
            sizes = [
                (file.metadata.row_group(each).num_rows, file.metadata.row_group(each).total_byte_size)
                for each in range(file.num_row_groups)
            ]
    except (OSError, pa.ArrowException):
        yield Part(uri, name, "parquet"), size  # its reader will say what is wrong with it
        return
    part, filled, row = Part(uri, name, "parquet"), 0, 0
    for group, (rows, width) in enumerate(sizes):
        if filled and filled + width > task_bytes:
            yield part, filled
            part, filled = Part(uri, name, "parquet", start=row), 0
        part.groups.append(group)
        filled, row = filled + width, row + rows
    if part.groups:
        yield part, filled
