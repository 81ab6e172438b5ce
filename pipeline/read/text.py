"""Plain text: a book a file, or many documents with a line between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cluster.store import Location
from pipeline.read.charset import decode
from pipeline.read.html import file_url
from pipeline.read.record import END, Part, Record, oversize
from pipeline.read.streams import lines, open_content

BINARY_HEAD = 8000  # git takes a file for binary that has a NUL byte in its first 8,000 (xdiff-interface.c)
MAX_REPLACED = 0.02  # share of undecodable characters, as `pages.max_replaced`
# Project Gutenberg frames its books with these lines (since 1999; "THIS" before 2018); its terms ask that the frame goes
# where the text is used otherwise than under its name. Small print before them is at most a few hundred lines.
GUTENBERG_HEAD = re.compile(r"^\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.{0,300}?\*{3}[ \t]*\r?$", re.M | re.S)
GUTENBERG_TAIL = re.compile(
    r"^(?:\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK|End of (?:the |this )?Project Gutenberg)", re.M
)
HEAD_CHARACTERS = 50_000


def read_text(place: Location, part: Part, limit: int) -> Iterator[Record]:
    """One document, or with the option `separator` as many as there are between the lines that hold just that.

    Documents that begin in the part are read. Memory: one document of at most `limit` bytes.
    """
    separator = (part.options.get("separator") or "").encode()
    if not separator:
        with open_content(place) as stream:
            body = stream.read(limit + 1)
        yield text_record(body, len(body), part, 0, limit, None)
        return
    charset: str | None = None
    for body, size, offset in documents(place, part, separator, limit):
        row = text_record(body, size, part, offset, limit, charset)
        charset = charset or row.charset  # what the first is in is the best guess for the others
        yield row


def documents(place: Location, part: Part, separator: bytes, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """(first bytes, size, offset) of each document that is not blank; of a long one only the beginning."""
    # The line in front of a part tells whether a document begins just there; a part of a line comes before that.
    position = max(0, part.start - len(separator) - 3)
    with open_content(place, position) as stream:
        each = lines(stream, limit)
        if position:
            position += next(each, (b"", 0))[1]
        body, size, offset = bytearray(), 0, 0 if part.start == 0 else END
        for line, length in each:
            position += length
            if line.rstrip(b"\r\n") != separator:
                body += line if len(body) <= limit else b""
                size += length
                continue
            if part.start <= offset < part.end and (body.strip() or size > limit):
                yield bytes(body), size, offset
            body, size, offset = bytearray(), 0, position
            if offset >= part.end:
                return
        if part.start <= offset < part.end and (body.strip() or size > limit):
            yield bytes(body), size, offset


def text_record(body: bytes, size: int, part: Part, offset: int, limit: int, charset: str | None) -> Record:
    """A document's record: `binary`, `undecodable`, or its text."""
    url = file_url(part.uri)
    row = Record(part.name, offset, url=f"{url}#{offset}" if part.options.get("separator") else url, mime="text/plain")
    if size > limit:
        return oversize(row, size, limit)
    if is_binary(body):
        row.problem = "binary"
        return row
    text = decoded_text(body, row, charset)
    row.body = without_gutenberg_frame(text)
    return row


def is_binary(body: bytes) -> bool:
    return b"\0" in body[:BINARY_HEAD] and not body.startswith((b"\xff\xfe", b"\xfe\xff"))


def decoded_text(body: bytes, row: Record, charset: str | None = None) -> str:
    """The text, noting in the row how it was decoded; where too much of it could not be, that is the row's problem."""
    decoded = decode(body, charset)
    row.charset = decoded.charset
    if decoded.source != "detected" or decoded.charset != "utf-8":
        row.note = f"decoded as {decoded.charset} ({decoded.source})"
    if decoded.replaced > MAX_REPLACED:
        row.problem, row.value, row.limit = "undecodable", decoded.replaced, MAX_REPLACED
        return ""
    return decoded.text


def without_gutenberg_frame(text: str) -> str:
    """The book alone, where Project Gutenberg's head and tail frame it."""
    head = GUTENBERG_HEAD.search(text, 0, HEAD_CHARACTERS)
    if head is None:
        return text
    tail = GUTENBERG_TAIL.search(text, head.end())
    return text[head.end() : tail.start() if tail else len(text)].strip()
