"""The text of an HTML page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.process_guard import ExecutionTimeout, InterruptType, time_guard

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*?(/?)>")
# Void elements, and those whose end a parser supplies: they do not nest by themselves.
FLAT = frozenset(
    "area base br col embed hr img input link meta source track wbr p li dt dd tr td th thead tbody tfoot option".split()  # noqa: SIM905
)
INVISIBLE = re.compile("[\u200b\u200c\u2060\ufeff\u00ad]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SPACES = re.compile(r"[^\S\n]+\n")
INNER_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
BLANK_LINES = re.compile(r"\n{3,}")
TRAFILATURA_BYTES = 1_000_000  # its time grows faster than the page


@dataclass(frozen=True)
class Extracted:
    """extractor: which tool the text is from."""

    text: str
    extractor: str


class TooSlow(Exception):
    """The extractor did not end in the time it was given."""


def extract(html: str, skip: Sequence[str], fallback_below: int, seconds: int) -> Extracted:
    """Main content by resiliparse; where that is shorter than `fallback_below` characters, by trafilatura too.

    resiliparse is ten times as fast and rarely loses text; where it does (it takes the content for navigation)
    it loses nearly all, so the length of what it found tells. The longer text wins. Raises TooSlow.
    """
    text = tidy(extract_plain_text(html, preserve_formatting=True, main_content=True, skip_elements=list(skip) or None))
    if len(text) >= fallback_below or len(html) > TRAFILATURA_BYTES:
        return Extracted(text, "resiliparse")
    other = tidy(with_trafilatura(html, seconds))
    return Extracted(other, "trafilatura") if len(other) > len(text) else Extracted(text, "resiliparse")


def with_trafilatura(html: str, seconds: int) -> str:
    try:
        with time_guard(timeout=seconds, grace_period=seconds, interrupt_type=InterruptType.exception):
            text = trafilatura.extract(html, include_comments=False, favor_recall=True)
    except ExecutionTimeout as late:
        raise TooSlow from late
    return text or ""


def tidy(text: str) -> str:
    """NFC, plain spaces, no invisible characters, no space before a line end, at most one blank line."""
    text = unicodedata.normalize("NFC", INNER_SPACES.sub(" ", INVISIBLE.sub("", text.replace("\r\n", "\n"))))
    return BLANK_LINES.sub("\n\n", SPACES.sub("\n", text + "\n")).strip("\n")


def nesting(html: str) -> int:
    """Upper bound of the depth of the element tree, without parsing: open tags minus closed ones, at their highest."""
    if html.count("<") < 128:
        return 0
    steps = np.fromiter(
        (0 if slash_end or name.lower() in FLAT else -1 if slash else 1 for slash, name, slash_end in TAG.findall(html)),
        dtype=np.int32,
    )
    return int(np.cumsum(steps).max(initial=0))
