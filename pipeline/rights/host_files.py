"""What hosts say for all their pages: robots.txt, /.well-known/tdmrep.json and /ai.txt, found in archives."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from cluster.errors import first_line
from cluster.inputs import expand
from cluster.stage import Context
from cluster.store import Location, parquet_bytes, write_shard
from pipeline.pool import run_here, run_shards
from pipeline.read.charset import BOMS, utf_16_without_mark
from pipeline.read.record import Part, Record
from pipeline.read.streams import GZIP, WINDOW
from pipeline.read.warc.boundaries import BLANK_LINE, SLACK, Members, boundaries
from pipeline.read.warc.http_body import parse_http, read_http_body
from pipeline.read.warc.records import read_warc
from pipeline.shards import part_name
from pipeline.url import canonical_url, host_of

GZIP_MEMBER = GZIP + b"\x08"  # with the one compression method there is
KINDS = {"/robots.txt": "robots", "/.well-known/tdmrep.json": "tdmrep", "/ai.txt": "ai_txt"}
TEXT_BYTES = 500 * 1024  # RFC 9309, section 2.5: a crawler must read at least this much
HOST_RULES = "host_rules.parquet"  # where our own crawls keep them
SCHEMA = pa.schema([("host", pa.string()), ("kind", pa.string()), ("time", pa.string()), ("text", pa.large_string())])
FOUND = SCHEMA.append(pa.field("moved", pa.string()))
FEW_BYTES = 1_000_000_000  # of archives that one process has scanned before a pool of actors would have started
UNIT_BYTES = 500_000_000  # of archives that one unit of work scans; a larger archive is one


@dataclass(frozen=True)
class HostFile:
    """One fetch of a host's rules. host: with a port that is not the default. moved: where it was redirected to."""

    host: str
    kind: str
    time: str
    text: str
    moved: str = ""


def host_file_kind(url: str) -> str:
    """robots, tdmrep or ai_txt where the URL is that of a host's rules, else empty."""
    if not url.endswith((".txt", ".json")):
        return ""
    return KINDS.get("/" + url.partition("://")[2].partition("/")[2], "")


def gather_host_rules(files: Iterable[HostFile]) -> pa.Table:
    """The newest rules of every host and kind, redirects followed, as a table of SCHEMA sorted by host and kind.

    A later answer without rules does not undo them: the page may have been fetched while they stood. A redirect to
    another path than a rule's own leads nowhere: `scan_archive` reads only records at the three addresses, and whether
    some record is the target of one is known only after all archives were read. Our own crawler follows it.

    Memory: the texts, on average 2 kB a host, half a megabyte at most.
    """
    newest: dict[tuple[str, str], HostFile] = {}
    for file in files:
        before = newest.get((file.host, file.kind))
        if before is None or (bool(file.text), file.time) >= (bool(before.text), before.time):
            newest[file.host, file.kind] = file
    rows = []
    for (host, kind), file in sorted(newest.items()):
        for _ in range(5):  # RFC 9309, section 2.3.1.2: five redirects at least, also to another host
            if file.text or not file.moved:
                break
            file = newest.get((host_of(file.moved), host_file_kind(file.moved)), HostFile(host, kind, "", ""))
        if file.text and is_rules(file.text):
            rows.append({"host": host, "kind": kind, "time": file.time, "text": file.text})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def is_rules(text: str) -> bool:
    """Many servers answer every address with a page: that is no rule."""
    return not text.lstrip().startswith("<")


def rules_text(body: bytes) -> str:
    """The text of a host's rules, which their standards want in UTF-8.

    Byte order marks are no part of it: with one in front, the first line is a directive that no parser knows. UTF-16 is
    what an editor of Windows saves. Bytes that no charset explains become U+FFFD, of which no rule is made.
    """
    wide = next((charset for mark, charset in BOMS if body.startswith(mark)), "") or utf_16_without_mark(body)
    return body.decode(wide or "utf-8", "replace").lstrip("\ufeff")


def collect_host_rules(ctx: Context, crawl: Location, archives: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rules for a records stage: of our own crawl from its table, of other archives from the archives themselves.

    crawl: the crawl artefact. archives: [{uri, bytes}], WARC files that are not ours, of which all are scanned: in the
    pool of actors where they are many. Those that the settings name (Common Crawl keeps robots.txt in archives of their
    own) come to it in either case. Memory here: the texts of `gather_host_rules`.
    """
    ours = (crawl / HOST_RULES).exists()
    named = [found for pattern in ctx.settings.rights.host_files for found in expand(pattern, besides=ctx.root)]
    places = [*([] if ours else archives), *named]
    output = ctx.work / "host_files"
    run = run_here if sum(place["bytes"] for place in places) <= FEW_BYTES else run_shards
    shards = run(replace(ctx, output=output), dealt(places), HostFileWorker, output)
    tables = [crawl / HOST_RULES] if ours else []
    tables += [output / shard["path"] for _, shard in sorted(shards.items())]
    return gather_host_rules(HostFile(**row) for table in tables for row in pq.read_table(table.open()).to_pylist())


def dealt(places: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Units of whole archives, of about UNIT_BYTES together."""
    units: list[dict[str, Any]] = []
    room = 0
    for place in places:
        if place["bytes"] > room or not units:
            units.append({"shard": len(units), "uris": []})
            room = UNIT_BYTES
        units[-1]["uris"].append(place["uri"])
        room -= place["bytes"]
    return units


class HostFileWorker:
    """Scans archives for the rules of hosts. Memory: the texts it finds, and what `scan_archive` takes."""

    def __init__(self, output: Location) -> None:
        self.output = output

    def __call__(self, unit: dict[str, Any]) -> None:
        found = [asdict(file) for uri in unit["uris"] for file in scan_archive(Location.of(uri))]
        table = pa.Table.from_pylist(found, schema=FOUND)
        write_shard(self.output, unit["shard"], part_name(unit["shard"]), parquet_bytes(table))


def scan_archive(place: Location) -> Iterator[HostFile]:
    """The hosts' rules in a WARC file, without decompressing its pages where each record is a gzip member.

    There, only the first bytes of each member are decompressed, and the next one is searched for by its magic:
    about four times faster than reading the file (tests/benchmarks/rights.py). Every other archive is read whole.
    What cannot be read is left out. Memory: one window of 1 MB.
    """
    with place.open() as stream:
        offsets = rules_members(stream) if isinstance(boundaries(stream), Members) else None
        for offset in offsets or ():
            stream.seek(offset)
            if file := first_host_file(stream):
                yield file
    if offsets is None:
        yield from read_host_files(place)


def read_host_files(place: Location) -> Iterator[HostFile]:
    """The hosts' rules by reading all of an archive, also behind damage."""
    try:
        for row in read_warc(place, Part(str(place), place.name, "warc"), TEXT_BYTES, host_record):
            if file := host_file(row):
                yield file
    except (OSError, zlib.error):
        return


def rules_members(stream: Any) -> list[int] | None:
    """Offsets of the gzip members whose WARC header names a host's rules; None where a member holds more than a record.

    The last four bytes of a member are the size of what it holds (RFC 1952, section 2.3.1), which must be that of its
    first record. So archives are noticed that are members of a record each in some places only.
    """
    offsets: list[int] = []
    position, window, at, expected = 0, b"", 0, None
    while True:
        stream.seek(position + len(window))
        block = stream.read(WINDOW)
        window += block
        # The last kilobytes wait for the next block, so that a header is never cut.
        end = len(window) - (4096 if block else 0)
        found = window.find(GZIP_MEMBER, at)
        while 0 <= found < end:
            head = member_head(window[found : found + 4096])
            if head.startswith(b"WARC/"):
                if not has_size(window[max(found - 4, 0) : found], expected):
                    return None
                expected = record_size(head)
                if names_rules(head):
                    offsets.append(position + found)
            found = window.find(GZIP_MEMBER, found + 1)
        if not block:
            return offsets if has_size(window[-4:], expected) else None
        kept = max(end - 4, 0)
        position, window, at = position + kept, window[kept:], max(at, end) - kept


def member_head(data: bytes) -> bytes:
    """The first 2 kB in a gzip member, or nothing where there is none: the magic alone occurs in compressed data too."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data, 2048)
    except zlib.error:
        return b""


def record_size(head: bytes) -> int | None:
    """Bytes of the WARC record that begins so, without what separates it from the next; None where its header is longer."""
    header = head.find(BLANK_LINE) + len(BLANK_LINE)
    length = re.search(rb"^Content-Length:[ \t]*(\d{1,15})[ \t]*\r$", head[:header], re.I | re.M)
    return header + int(length[1]) if length else None


def has_size(written: bytes, expected: int | None) -> bool:
    """Whether a member that ends with `written` holds one record of the expected size. None: nobody knows."""
    return expected is None or (int.from_bytes(written, "little") - expected) % (1 << 32) <= SLACK


def names_rules(head: bytes) -> bool:
    """Whether this is the WARC header of a response with one of the three addresses."""
    if not head.startswith(b"WARC/"):
        return False
    target = re.search(rb"^WARC-Target-URI:\s*<?([^\r\n>]*)", head, re.I | re.M)
    return target is not None and b"WARC-Type: request" not in head and bool(host_file_kind(target[1].decode("latin-1")))


def first_host_file(stream: Any) -> HostFile | None:
    try:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False):
            return host_file(host_record(record, "", TEXT_BYTES))
    except OSError:
        return None  # `records` has a row that tells of it
    return None


def host_record(record: WarcRecord, file: str, limit: int) -> Record:
    """The answer to a request for a host's rules, its first `limit` bytes; `about` for every other record."""
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    row = Record(file, record.stream_pos, url=url, time=record.headers.get("WARC-Date") or "", about=True)
    if not host_file_kind(url) or not record.is_http or record.record_type & WarcRecordType.request:
        return row
    try:
        record = parse_http(record, 2 * limit)
        if record.http_headers is not None:
            row.about, row.status = False, record.http_headers.status_code or 0
            row.headers = record.http_headers.to_tuples()
            row.body = read_http_body(record, limit)[0][:limit]
    except (OSError, ValueError) as error:
        row.problem, row.note = "unreadable", first_line(error)
    return row


def host_file(row: Record) -> HostFile | None:
    """The host's rules in a response; None for every other record and for answers that state no rules."""
    kind = host_file_kind(row.url)
    if not kind or row.about:
        return None
    if 300 <= row.status < 400:
        location = next((value for name, value in row.headers if name.lower() == "location"), "")
        moved = canonical_url(location, row.url)
        return HostFile(host_of(row.url), kind, row.time, "", moved) if moved else None
    if row.problem or not isinstance(row.body, bytes):
        return None
    text = rules_text(row.body) if row.status == 200 else ""
    return HostFile(host_of(row.url), kind, row.time, text)
