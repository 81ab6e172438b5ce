"""What a body is by its first bytes, where a Content-Type is missing or lies.

The patterns are those of the WHATWG MIME Sniffing Standard, sections 6 (images, archives, fonts, audio and
video) and 7.1 (HTML). Unlike a browser we also believe the bytes where the type says text/plain: a browser
would show such a page's source, a reader wants its text.
"""

from __future__ import annotations

import re

HTML_TYPES = ("text/html", "application/xhtml+xml")
HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*"
    rb"<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ >\t\n\x0c\r]",
    re.IGNORECASE | re.DOTALL,
)
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
    return "text/html" if HTML_START.match(body) else declared
