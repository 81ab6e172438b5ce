"""Bytes of a page to text: which charset, and how it is known."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from ftfy import fix_encoding
from ftfy.badness import is_bad
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
META_BYTES = 4096  # the HTML standard looks at 1024; real pages put it a little later
REPLACEMENT = "�"
MULTIBYTE = frozenset("big5 big5hkscs cp932 cp949 cp950 euc_jp euc_kr gb18030 gb2312 gbk iso2022_jp shift_jis".split())  # noqa: SIM905
ESCAPE = b"\x1b"  # ISO-2022 is ASCII but for what stands between these
MULTIBYTE_EVIDENCE = 16  # bytes that are not ASCII
# ftfy's own list, but for MacRoman, in which lead bytes are quotation marks and dashes: half of all pages would be suspect.
ONE_BYTE = ("latin-1", *(f"sloppy-windows-{page}" for page in (1250, 1251, 1252, 1253, 1254, 1257)), "iso-8859-2", "cp437")


def became(first: int, last: int) -> str:
    """A regular expression's class of what the bytes from `first` to `last` are in the charsets ftfy can undo."""
    found = {bytes([byte]).decode(charset, "ignore") for byte in range(first, last + 1) for charset in ONE_BYTE}
    return f"[{re.escape(''.join(sorted(found)))}]"


# What ftfy can undo at all: what a lead byte of UTF-8 became in front of what a continuation byte became, or a control
# character of Latin-1. Its own heuristic over every line takes four times as long: it is asked where this finds something.
SUSPECT = re.compile(f"{became(0xC2, 0xF4)}[ {became(0x80, 0xBF)[1:]}|[\x80-\x9f]")
BROKEN = 4  # characters that UTF-8 gives for each that it cannot


@dataclass(frozen=True)
class Decoded:
    """source: bom, http, meta, detected; `+replaced` where single bytes fit no charset and became U+FFFD."""

    text: str
    charset: str
    source: str
    replaced: float  # share of the characters that are U+FFFD


def decode(body: bytes, declared: str | None = None) -> Decoded:
    """Decode by the first of byte order mark, HTTP header, meta tag and detector that fits without error.

    A declaration that does not fit is a wrong one, so the next source is asked; so is one of another charset over
    bytes that are valid UTF-8. The detector says UTF-8 where it fits, else what resiliparse finds. Where nothing fits,
    the first declaration is used with replacement. declared: the charset of the HTTP Content-Type. Memory: the body twice.
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
    utf_8 = is_utf_8(body)
    for charset, source in candidates:
        if utf_8 and contradicts(charset, body):
            continue
        try:
            return Decoded(body.decode(charset), charset, source, 0.0)
        except (UnicodeDecodeError, LookupError):
            continue
    if wide := utf_16_without_mark(body):
        text = body.decode(wide, "replace")
        return Decoded(text, wide, "detected", text.count(REPLACEMENT) / len(text))
    if utf_8 or (body.isascii() and ESCAPE not in body):
        return Decoded(body.decode(), "utf-8", "detected", 0.0)
    if text := broken_utf_8(body):
        named = next((source for charset, source in candidates if charset == "utf-8"), "detected")
        return Decoded(text, "utf-8", f"{named}+replaced", text.count(REPLACEMENT) / len(text))
    detected = known(detect_encoding(body) or "utf-8") or "utf-8"
    try:
        return Decoded(body.decode(detected), detected, "detected", 0.0)
    except (UnicodeDecodeError, LookupError):
        charset, source = candidates[0] if candidates else (detected, "detected")
    text = body.decode(charset, errors="replace")
    return Decoded(text, charset, f"{source}+replaced", text.count(REPLACEMENT) / max(1, len(text)))


def utf_16_without_mark(body: bytes) -> str:
    """The byte order of UTF-16 that says so nowhere: nearly every second byte is NUL, as no other text has it."""
    head = body[:512]
    first, second = head[::2].count(0), head[1::2].count(0)
    return "utf-16-le" if second > 8 * first + len(head) // 4 else "utf-16-be" if first > 8 * second + len(head) // 4 else ""


def is_utf_8(body: bytes) -> bool:
    """Whether the bytes are UTF-8 and more than ASCII."""
    if body.isascii():
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def contradicts(charset: str, body: bytes) -> bool:
    """Whether that `body` is valid UTF-8 shows that it is not in `charset`.

    Text in a one-byte charset is valid UTF-8 by chance only where it is mojibake itself. A few characters of
    GBK or Shift JIS can be, so there more of them are asked for. In UTF-16 and in UTF-8 itself it shows nothing.
    """
    if charset in ("utf-8", "utf-16-le", "utf-16-be"):
        return False
    return charset not in MULTIBYTE or len(body) - len(body.decode("ascii", "ignore")) >= MULTIBYTE_EVIDENCE


def broken_utf_8(body: bytes) -> str:
    """The text where the bytes are UTF-8 but for a few, such as a cut or a pasted piece; else empty.

    Every detector we tried takes such a page for a one-byte charset, and all of it becomes mojibake.
    """
    text = body.decode("utf-8", "replace")
    good = len(text) - len(text.encode("ascii", "ignore")) - text.count(REPLACEMENT)
    return text if good >= BROKEN * text.count(REPLACEMENT) else ""


def repaired(text: str) -> tuple[str, bool]:
    """The text without mojibake (UTF-8 once read in a one-byte charset), and whether there was any.

    ftfy decides, line by line, by the sequences of characters that only mojibake has (ftfy.badness, version 6); lines that
    it finds nothing in stay as they are, character for character.
    """
    if not SUSPECT.search(text):
        return text, False
    fixed = "\n".join(fix_encoding(line) if SUSPECT.search(line) and is_bad(line) else line for line in text.split("\n"))
    return fixed, fixed != text


def known(label: str) -> str | None:
    """The Python codec a browser would use for a charset label (WHATWG); None for a label nobody knows."""
    name = map_encoding_to_html5(label.strip(), fallback_utf8=False)
    try:
        return codecs.lookup(name).name if name else None
    except LookupError:
        return None
