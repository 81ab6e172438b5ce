"""What a body is by its first bytes, where a Content-Type is missing or lies.

The patterns are those of the WHATWG MIME Sniffing Standard, sections 6 (images, archives, fonts, audio and
video) and 7.1 (HTML). Unlike a browser we also believe the bytes where the type says text/plain: a browser
would show such a page's source, a reader wants its text.
"""

from __future__ import annotations

import re

HTML_TYPES = ("text/html", "application/xhtml+xml")
HTML_TAG = re.compile(
    rb"<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ >\t\n\x0c\r]", re.IGNORECASE
)
BLANKS = re.compile(rb"[\t\n\x0c\r ]*")
PROLOG = 1 << 16  # bytes at the beginning that may be comments
DECLARATION = 200  # bytes of <?xml ... >
BINARY = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"OggS\x00", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"%!PS-Adobe-", "application/postscript"),
)


def sniffed_type(declared: str, body: bytes) -> str:
    """The type to go by: the declared one unless the body's first bytes show another."""
    if declared in HTML_TYPES:
        return next((kind for mark, kind in BINARY if body.startswith(mark)), declared)
    return "text/html" if begins_html(body) else declared


def begins_html(body: bytes) -> bool:
    return HTML_TAG.match(body, behind_prolog(body)) is not None


def behind_prolog(body: bytes) -> int:
    """Where what comes behind a byte order mark, blanks, an XML declaration and comments begins.

    By searching and not by one pattern, which would try every way to divide comments that nothing known follows.
    """
    at = blanks_end(body, 3 if body.startswith(b"\xef\xbb\xbf") else 0)
    if body.startswith(b"<?xml", at):
        end = body.find(b">", at, at + DECLARATION)
        if end < 0:
            return at
        at = blanks_end(body, end + 1)
    while body.startswith(b"<!--", at):
        end = body.find(b"-->", at + 4, PROLOG)
        if end < 0:
            break
        at = blanks_end(body, end + 3)
    return at


def blanks_end(body: bytes, at: int) -> int:
    found = BLANKS.match(body, at)
    return found.end() if found else at
