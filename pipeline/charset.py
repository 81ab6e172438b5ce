"""Bytes of a page to text: which charset, and how it is known."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
META_BYTES = 4096  # the HTML standard looks at 1024; real pages put it a little later
REPLACEMENT = "�"


@dataclass(frozen=True)
class Decoded:
    """source: bom, http, meta, detected; `+replaced` where single bytes fit no charset and became U+FFFD."""

    text: str
    charset: str
    source: str
    replaced: float  # share of the characters that are U+FFFD


def decode(body: bytes, declared: str | None = None) -> Decoded:
    """Decode by the first of byte order mark, HTTP header, meta tag and detector that fits without error.

    A declaration that does not fit is a wrong one, so the next source is asked; where none fits, the first is
    used with replacement. declared: the charset of the HTTP Content-Type. Memory: the body twice.
    """
    candidates: list[tuple[str, str]] = []
    for mark, of_mark in BOMS:
        if body.startswith(mark):
            candidates.append((of_mark, "bom"))
            body = body[len(mark) :]
            break
    if declared and (name := known(declared)):
        candidates.append((name, "http"))
    if (found := META.search(body[:META_BYTES])) and (name := known(found[1].decode("ascii"))):
        # A meta tag that could be read byte by byte cannot be in UTF-16, whatever it says (HTML standard).
        candidates.append(("utf-8" if name.startswith("utf-16") else name, "meta"))
    for charset, source in candidates:
        try:
            return Decoded(body.decode(charset), charset, source, 0.0)
        except (UnicodeDecodeError, LookupError):
            continue
    detected = known(detect_encoding(body) or "utf-8") or "utf-8"
    try:
        return Decoded(body.decode(detected), detected, "detected", 0.0)
    except (UnicodeDecodeError, LookupError):
        charset, source = candidates[0] if candidates else (detected, "detected")
    text = body.decode(charset, errors="replace")
    return Decoded(text, charset, f"{source}+replaced", text.count(REPLACEMENT) / max(1, len(text)))


def known(label: str) -> str | None:
    """The Python codec a browser would use for a charset label (WHATWG); None for a label nobody knows."""
    name = map_encoding_to_html5(label.strip(), fallback_utf8=False)
    try:
        return codecs.lookup(name).name if name else None
    except LookupError:
        return None
