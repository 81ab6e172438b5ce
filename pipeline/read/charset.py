"""Bytes of a page to text: which charset, and how it is known."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import ftfy.bad_codecs
from ftfy import fix_encoding
from ftfy.badness import is_bad
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

BOMS = (  # UTF-32's little-endian one begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
# Browsers read a label as the widest charset in use under it (WHATWG Encoding Standard), Python's codecs as the narrow one
# that it named first; and what resiliparse's list of labels lacks.
WIDER = {
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",  # but for a dozen signs: U+2022 for U+2027, no euro
    "gbk": "gb18030",
    "iso8859-11": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-ukrainian": "mac-cyrillic",
}
EUC_JP_TOO = "euc_jis_2004"  # holds the signs of Windows that Python's euc_jp lacks, and lacks characters that that one has
OURS = frozenset((*WIDER.values(), EUC_JP_TOO))  # what a document is in may be declared for the next
META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
META_BYTES = 4096  # the HTML standard looks at 1024; real pages put it a little later
REPLACEMENT = "�"
MULTIBYTE = frozenset("big5hkscs cp932 cp949 euc_jis_2004 euc_jp gb18030 iso2022_jp".split())  # noqa: SIM905
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
CONTROLS = 20  # bytes beyond ASCII for each that a Windows charset leaves undefined
ftfy.bad_codecs.ok()  # registers sloppy-windows-1252 and its like


@dataclass(frozen=True)
class Decoded:
    """source: bom, http, meta, detected; `+replaced` where single bytes fit no charset and became U+FFFD. charset: Python's."""

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
            if of_mark != "utf-8":  # nothing else begins so; a cut or a stray byte at the end changes that as little
                return by_mark(body, of_mark)
            break
    if declared and (name := known(declared)):
        candidates.append((name, "http"))
    if (found := META.search(body[:META_BYTES])) and (name := known(found[1].decode("ascii"))):
        # A meta tag that could be read byte by byte cannot be in UTF-16, whatever it says (HTML standard).
        candidates.append(("utf-8" if name.startswith("utf-16") else name, "meta"))
    candidates += [(EUC_JP_TOO, source) for charset, source in candidates if charset == "euc_jp"]
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
    if detected not in MULTIBYTE:
        for charset, source in (*candidates, (detected, "detected")):
            if text := with_controls(body, charset):
                return Decoded(text, charset, source, 0.0)
    try:
        return Decoded(body.decode(detected), detected, "detected", 0.0)
    except (UnicodeDecodeError, LookupError):
        charset, source = candidates[0] if candidates else (detected, "detected")
    text = body.decode(charset, errors="replace")
    return Decoded(text, charset, f"{source}+replaced", text.count(REPLACEMENT) / max(1, len(text)))


def by_mark(body: bytes, charset: str) -> Decoded:
    """What follows a mark that leaves no doubt of the charset."""
    try:
        return Decoded(body.decode(charset), charset, "bom", 0.0)
    except UnicodeDecodeError:
        text = body.decode(charset, "replace")
        return Decoded(text, charset, "bom+replaced", text.count(REPLACEMENT) / len(text))


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


def with_controls(body: bytes, charset: str) -> str:
    """The text in a Windows charset whose undefined bytes are control characters, as in browsers; empty where they are many.

    One of them in a page is a typing error. Many show that the page is in another charset.
    """
    if not charset.startswith("cp125"):
        return ""
    undefined = body.decode(charset, "replace").count(REPLACEMENT)
    if undefined * CONTROLS > len(body) - len(body.decode("ascii", "ignore")):
        return ""
    return body.decode(f"sloppy-windows-{charset.removeprefix('cp')}")


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
    """The Python codec for what a browser takes a charset label for (WHATWG); None for a label nobody knows."""
    label = label.strip().lower()
    name = label if label in OURS or label in WIDER else map_encoding_to_html5(label, fallback_utf8=False)
    try:
        return codecs.lookup(WIDER.get(name, name)).name if name else None
    except LookupError:
        return None
