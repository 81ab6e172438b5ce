"""WARC and WET files: every record is read, also those behind damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from cluster.errors import first_line
from cluster.store import Location
from pipeline.read.record import END, Part, Record, oversize
from pipeline.read.sniff import sniffed_type
from pipeline.read.warc.boundaries import boundaries
from pipeline.read.warc.http_body import parse_http, read_http_body

RESPONSE, RESOURCE = int(WarcRecordType.response), int(WarcRecordType.resource)
REVISIT, CONVERSION = int(WarcRecordType.revisit), int(WarcRecordType.conversion)
CONTINUATION, UNTYPED = int(WarcRecordType.continuation), int(WarcRecordType.no_type)
# The others describe pages or the archive, as do types of somebody's own, which the standard allows.
ROWS = frozenset((RESPONSE, RESOURCE, REVISIT, CONVERSION, CONTINUATION, UNTYPED))


def warc_record(record: WarcRecord, file: str, limit: int) -> Record:
    """What a record holds; its HTTP transfer and content encodings undone, up to `limit` bytes."""
    headers, kind = record.headers, int(record.record_type)
    row = Record(
        file,
        record.stream_pos,
        url=(headers.get("WARC-Target-URI") or "").strip("<>"),
        time=headers.get("WARC-Date") or "",
        about=kind not in ROWS,
    )
    if row.about:
        return row
    if kind == UNTYPED:
        row.problem, row.note = "unreadable", "a record without WARC-Type"
    elif kind == CONTINUATION:
        row.problem = "segment"
    elif kind == REVISIT:
        row.problem = "revisit"
    elif record.content_length > 2 * limit:
        oversize(row, record.content_length, limit)
    elif kind == CONVERSION:
        row.mime = "text/plain"
        text = record.reader.read(limit + 1)
        row.body = text.decode("utf-8", errors="replace")
        if len(text) > limit:
            oversize(row, record.content_length, limit)
    else:
        read_body(record, row, limit)
    return row


def read_body(record: WarcRecord, row: Record, limit: int) -> None:
    try:
        if record.is_http:
            record = parse_http(record, 2 * limit)
        if record.is_http and record.http_headers is not None:
            row.status = record.http_headers.status_code or 0
            row.headers = record.http_headers.to_tuples()
            row.mime, row.charset = (record.http_content_type or "").lower(), record.http_charset
        else:
            row.mime = (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        body, row.note = read_http_body(record, limit)
    except (OSError, ValueError) as error:  # a damaged encoding, or no HTTP at all
        row.problem, row.note = "unreadable", first_line(error)
        return
    if len(body) > limit:
        oversize(row, len(body), limit)
        return
    kind = sniffed_type(row.mime, body)
    if kind != row.mime:
        said = f"its Content-Type says {row.mime or 'nothing'}"
        row.mime, row.note = kind, f"{said}; {row.note}" if row.note else said
    row.body = body


def read_warc(
    place: Location, part: Part, limit: int, taken: Callable[[WarcRecord, str, int], Record] = warc_record
) -> Iterator[Record]:
    """The records that begin in the part, in their order, as `taken` takes them.

    Damage costs the records that it is in; reading goes on at the next record that can be found. In an archive that is
    one gzip member it costs all behind it. A record whose Content-Length lies is `unreadable`, and does not swallow
    the records behind it. Memory: one record of at most `limit` bytes.
    """
    with place.open() as file:
        size = file.size()
        if not size:
            return
        found = boundaries(file, is_cut=part.start > 0 or part.end < END)
        stream = found.stream
        began: int | None = 0 if part.start == 0 else found.next_record(part.start, part.end)
        while began is not None:
            stream.seek(began)
            held, at, claimed, failure, is_first = None, began, 0, "", True
            try:
                for record in ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False):
                    is_first = held is None or record.stream_pos != at  # else one more in the same member or frame
                    if held is not None:
                        yield held
                    held = None
                    if record.stream_pos >= part.end:
                        return
                    at, claimed = record.stream_pos, record.content_length
                    held = taken(record, part.name, limit)
            except OSError as error:
                failure = first_line(error)
            if held is None:
                if failure or began == 0:
                    yield Record(part.name, began, problem="unreadable", note=failure or "no WARC record in this file")
                began = found.next_record(began + 1, part.end) if failure else None
                continue
            # The iterator ends in silence where a record claims more than the file has, and fails behind one that
            # claims more, or less, than it has: only a look at where the record ends tells what is wrong.
            ending = found.ending(at, claimed, is_first)
            if ending.complaint:
                held = Record(part.name, at, held.url, problem="unreadable", note=ending.complaint)
            yield held
            began = None
            if ending.end is None or not (failure or ending.complaint):
                continue
            stream.seek(ending.end)
            if not stream.read(1):
                continue
            if ending.end < part.end:
                began = ending.end
            elif found.next_record(ending.end, ending.end + 1) is None:
                # It begins in the next part, but is damaged where it begins: the next part cannot find it.
                yield Record(part.name, ending.end, problem="unreadable", note=failure or ending.complaint)
