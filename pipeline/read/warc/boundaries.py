"""Where the records of a WARC file begin and end: in gzip members, in zstd frames, or one behind the other.

Nothing here trusts a Content-Length: what a record claims is compared with where it really ends.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.read.streams import WINDOW, ZSTD, Inflated, Slice, compression

MEMBER = b"\x1f\x8b\x08"
BLANK_LINE = b"\r\n\r\n"
VERSION = b"WARC/1."
HEADER_LINE = re.compile(rb"WARC/1\.\d\r\n[A-Za-z-]+:")
DICTIONARY = b"\x5d\x2a\x4d\x18"  # skippable frame in which ArchiveTeam keeps a dictionary (the .warc.zst draft)
FIRST_RECORD = 8 << 20  # a file whose first record is longer, compressed, is read as one stream
HEADER = 1 << 16
FIRST_BLOCK = 1 << 18  # zstd decompresses whole blocks, of 128 KiB at most (RFC 8878)
SLACK = 16  # bytes between records: the standard has 4, some writers none or a few more


@dataclass(frozen=True)
class Ending:
    """Where a record ends (None: it is the file that ends, inside it), and what is wrong with it (else empty)."""

    end: int | None
    complaint: str = ""


CUT_OFF = Ending(None, "the file ends inside this record")


class PlainRecords:
    """Records one behind the other, with a blank line between them. stream: a file or `Inflated`."""

    def __init__(self, stream: Any, can_be_cut: bool = True) -> None:
        self.stream, self.can_be_cut = stream, can_be_cut

    def next_record(self, start: int, end: int) -> int | None:
        """Offset of the first record at or after `start` and before `end`."""
        return search(self.stream, VERSION, start, end, plain_record_begins)

    def ending(self, offset: int, claimed: int, is_first: bool = True) -> Ending:
        self.stream.seek(offset)
        head = self.stream.read(HEADER)
        header = head.find(BLANK_LINE) + 4
        self.stream.seek(offset + header + claimed)
        if header > 3 and self.stream.read(4) == BLANK_LINE:
            return Ending(offset + header + claimed + 4)
        behind = self.next_record(offset + 1, 1 << 62)
        return CUT_OFF if behind is None else Ending(behind, f"claims {claimed} bytes and ends elsewhere")


class Members:
    """A record in each gzip member: what every crawler writes."""

    can_be_cut = True

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def next_record(self, start: int, end: int) -> int | None:
        """Offset of the first record at or after `start` and before `end`."""
        return search(self.stream, MEMBER, start, end, member_begins_record)

    def ending(self, offset: int, claimed: int, is_first: bool = True) -> Ending:
        """is_first: of the records in the member that begins at `offset`. Memory: one window, whatever the member holds."""
        self.stream.seek(offset)
        member, head, size = zlib.decompressobj(wbits=31), b"", 0
        try:
            while block := self.stream.read(WINDOW):
                while block:
                    piece = member.decompress(block, WINDOW)
                    head, size = head + piece[: HEADER - len(head)], size + len(piece)
                    if member.eof:
                        end = self.stream.tell() - len(member.unused_data)
                        if not is_first:
                            return Ending(end, wrong_tail(Slice(self.stream, offset, end), "gzip", size, claimed))
                        return Ending(end, wrong_length(head, size, claimed))
                    block = member.unconsumed_tail
        except zlib.error as error:
            behind = self.next_record(offset + 1, 1 << 62)
            return Ending(behind, str(error))
        # A damaged member may well seem to go on to the end of the file.
        behind = self.next_record(offset + 1, 1 << 62)
        return CUT_OFF if behind is None else Ending(behind, "damaged")


class Frames:
    """A record in each zstd frame. Behind a dictionary, which only fastwarc can use, a file is read from its beginning only."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        stream.seek(0)
        self.can_be_cut = stream.read(4) != DICTIONARY

    def next_record(self, start: int, end: int) -> int | None:
        """Offset of the first record at or after `start` and before `end`."""
        return search(self.stream, ZSTD, start, end, frame_begins_record)

    def ending(self, offset: int, claimed: int, is_first: bool = True) -> Ending:
        end = frame_end(self.stream, offset)
        behind = self.next_record(offset + 1, 1 << 62) if end is None else end
        if end is None:
            return CUT_OFF if behind is None else Ending(behind, "damaged")
        if not self.can_be_cut:
            return Ending(end)
        self.stream.seek(offset)
        content, head, size = Inflated(Slice(self.stream, offset, end), "zstd"), b"", 0
        try:
            while piece := content.read(WINDOW):
                head, size = head + piece[: HEADER - len(head)], size + len(piece)
        except OSError as error:
            return Ending(self.next_record(offset + 1, 1 << 62), str(error))
        if not is_first and not content.failure:
            return Ending(end, wrong_tail(Slice(self.stream, offset, end), "zstd", size, claimed))
        return Ending(end, content.failure or wrong_length(head, size, claimed))


Boundaries = PlainRecords | Members | Frames


def boundaries(stream: Any, is_cut: bool = False) -> Boundaries:
    """How to find the records of an open file: by members or frames, or, where one holds several, in what they hold.

    is_cut: it has been looked at already, and could be cut.
    """
    stream.seek(0)
    head = stream.read(4)
    stream.seek(0)
    if head == DICTIONARY:
        return Frames(stream)
    kind = compression(head)
    if kind is None:
        return PlainRecords(stream)
    found: Boundaries = Members(stream) if kind == "gzip" else Frames(stream)
    return found if is_cut or holds_one_record_each(found, kind) else PlainRecords(Inflated(stream, kind), can_be_cut=False)


def holds_one_record_each(found: Boundaries, kind: str) -> bool:
    """Whether members (or frames) hold a record each, by the first three; True too where damage leaves that open.

    False where one of them holds several, or the first is so long that it seems to hold all of them.
    """
    start, size = 0, found.stream.size()
    for _ in range(3):
        end = found.next_record(start + 1, min(size, start + FIRST_RECORD))
        if end is None and size > start + FIRST_RECORD:
            return False
        content = PlainRecords(Inflated(Slice(found.stream, start, size if end is None else end), kind))
        try:
            if content.next_record(1, 8 * FIRST_RECORD) is not None:
                return False
        except OSError:
            return True
        if end is None:
            return True
        start = end
    return True


def search(stream: Any, mark: bytes, start: int, end: int, is_record: Callable[[bytes, int], bool]) -> int | None:
    """Offset of the first `mark` from `start` on and before `end` behind which a record is. Memory: two windows."""
    base = max(0, start - len(BLANK_LINE))
    stream.seek(base)
    window, at = b"", start - base
    while base < end:
        more = stream.read(WINDOW)
        window += more
        found = window.find(mark, at)
        while found >= 0:
            if base + found >= end:
                return None
            if is_record(window, found):
                return base + found
            found = window.find(mark, found + 1)
        if len(more) < WINDOW:
            return None
        # What a record is known by must not be cut in two; and a compressed stream is not to be read twice.
        base, window, at = base + len(window) - FIRST_BLOCK, window[-FIRST_BLOCK:], len(BLANK_LINE)
    return None


def plain_record_begins(window: bytes, at: int) -> bool:
    """Behind a blank line, or in front of a header: either is enough, so that damage to one of them costs no record."""
    return window[max(0, at - 4) : at] == BLANK_LINE or HEADER_LINE.match(window, at) is not None


def member_begins_record(window: bytes, at: int) -> bool:
    """Whether a gzip member starts here whose content starts like a WARC record: chance has no part in that."""
    try:
        return zlib.decompressobj(wbits=31).decompress(window[at : at + 512], 5) == b"WARC/"
    except zlib.error:
        return False


def frame_begins_record(window: bytes, at: int) -> bool:
    try:
        return pa.CompressedInputStream(pa.BufferReader(window[at : at + FIRST_BLOCK]), "zstd").read(5) == b"WARC/"
    except OSError:
        return False


def wrong_length(head: bytes, size: int, claimed: int) -> str:
    """What is wrong with a record of `size` bytes that begins with `head`; empty where its Content-Length is right."""
    header = head.find(BLANK_LINE) + 4
    held = size - header
    if header > 3 and claimed <= held <= claimed + SLACK:
        return ""
    return f"claims {claimed} bytes and holds {max(0, held - 4)}"


def wrong_tail(packed: Slice, kind: str, size: int, claimed: int) -> str:
    """What is wrong with the last of several records, which end with it at `size`; empty where its Content-Length is right."""
    begins = size - len(BLANK_LINE) - claimed
    if begins > len(BLANK_LINE):
        content = Inflated(packed, kind)
        content.seek(begins - len(BLANK_LINE))
        if content.read(len(BLANK_LINE)) == BLANK_LINE:
            return ""
    return f"claims {claimed} bytes and ends elsewhere"


def frame_end(stream: Any, offset: int) -> int | None:
    """Where the zstd frame ends that begins at `offset`, from the sizes of its blocks; None where the file ends first.

    Source: RFC 8878, sections 3.1.1.1 (frame header) and 3.1.1.2 (blocks).
    """
    stream.seek(offset)
    head = stream.read(5)
    if len(head) < 5 or head[:4] != ZSTD:
        return None
    described = head[4]
    single, checksum = described >> 5 & 1, described >> 2 & 1
    dictionary, content = (0, 1, 2, 4)[described & 3], (single, 2, 4, 8)[described >> 6]
    at = offset + 5 + (not single) + dictionary + content
    while True:
        stream.seek(at)
        block = stream.read(3)
        if len(block) < 3:
            return None
        word = int.from_bytes(block, "little")
        at += 3 + (1 if word >> 1 & 3 == 1 else word >> 3)  # a block of one repeated byte holds that byte
        if word & 1:
            at += 4 * checksum
            return at if at <= stream.size() else None
