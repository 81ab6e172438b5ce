"""The text of an HTML page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.extract.lines import Lines, page_lines
from pipeline.extract.route import choose

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*>?)")  # to the next "<" at most: "<a<a<a" would take its square
# Void elements, and those whose end a parser supplies: they do not nest by themselves.
FLAT = frozenset(
    "area base br col embed hr img input link meta source track wbr p li dt dd tr td th thead tbody tfoot option".split()  # noqa: SIM905
)
# In XML an element without content may end in its own tag; an HTML parser takes such a tag for a beginning, and these then
# hide all that follows.
XHTML = re.compile(r"""<\?xml\s|//DTD XHTML|xmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml""")
XHTML_CHARACTERS = 2048
RAW = frozenset(("script", "style", "title", "textarea", "iframe", "noframes", "noembed", "noscript", "xmp"))  # hold no tags
HIDING = re.compile(
    rf"<(/?)({'|'.join(sorted(RAW))}|audio|button|object|option|select|template|video)\b([^<>]*)>", re.IGNORECASE
)
LINE_BREAKS = ("\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")  # Unicode's, besides "\n"
INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# Scripts whose letters join or stack, from Hebrew to Mongolian and those of India and Indonesia: there U+200C (keep apart)
# and U+200D (join) are spelling.
JOINING = (
    "\u0590-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\uabff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00011fff\U0001e800-\U0001eeff"
)
APART = re.compile(f"(?<=[{JOINING}])(\u200c)\u200c*+(?=[{JOINING}])|\u200c+")
# At a word's end too, as in Malayalam; between emoji it makes one picture of two.
JOINED = re.compile(f"(?<![{JOINING}\ufe0f\u2190-\u2bff\U0001f000-\U0001faff])\u200d+(?![{JOINING}])")
# Normalising sorts the marks on a letter, in the square of their number. No writing has more than 30 (Unicode's stream-safe
# format).
MARKS = "".join(
    sign for sign in map(chr, range(0x300, 0x1F000)) if unicodedata.combining(unicodedata.normalize("NFD", sign)[0])
)
HEAP = re.compile(f"([{MARKS}]{{30}})[{MARKS}]+")
CELL_GAP = re.compile(r"^[ \t]*(?: \t|\t )[ \t]*", re.MULTILINE)  # left by empty table cells; code indents with one of the two
INNER_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
BLANK_LINES = re.compile(r"\n{3,}")
STRETCH = 1 << 14  # characters
TRAFILATURA_CHARACTERS = 1_000_000  # its time grows faster than the page
SURE = 0.999  # an expectation rounds to 1 where every line is certain; asking below 1 asks there too


@dataclass(frozen=True)
class Limits:
    """ask_below: trafilatura is asked too where the expected F1 is lower; 0: never, 1: always.

    In cross-validation over the training domains, asking below 0.5 costs 0.7 milliseconds a page on average and gains 0.003,
    below 0.9 eighteen and 0.006, always 37 and 0.008.
    """

    ask_below: float = 0.5


@dataclass(frozen=True)
class Extracted:
    """extractor: resiliparse, or resiliparse+trafilatura where both were asked. score: the F1 that can be expected.

    link_density: letters inside links / letters of the whole page, 0 where it has none.
    """

    text: str
    extractor: str
    score: float
    link_density: float


def extract(html: str, skip: Sequence[str], limits: Limits, second: Callable[[str], str]) -> Extracted:
    """The main content of a page: those of resiliparse's lines that pipeline.extract.route takes for it.

    Where the router is unsure, trafilatura is asked for its opinion: it decides on lines, so that headings, lists,
    tables and code come out in one form. Where no line is chosen, resiliparse's own choice stands.
    skip: CSS selectors of elements to leave out. second: trafilatura; its errors and resiliparse's go through.
    """
    html = with_ends(html)
    lines = page_lines(html, skip)
    choice, extractor = choose(lines), "resiliparse"
    if min(choice.expected, SURE) < limits.ask_below and len(html) <= TRAFILATURA_CHARACTERS and lines.text:
        choice, extractor = choose(lines, second(html)), "resiliparse+trafilatura"
    text = tidy(joined(lines, choice.kept) or lines.main)
    return Extracted(text, extractor, round(choice.expected, 4), round(lines.link_density, 4))


def with_ends(html: str) -> str:
    """The page as HTML: where it says it is XHTML, elements that would hide the rest get the end tag they do without.

    Tags within a script and its like are none. Time: linear.
    """
    if not XHTML.search(html, 0, XHTML_CHARACTERS):
        return html
    parts, reached, inside = list[str](), 0, ""
    for tag in HIDING.finditer(html):
        name = tag[2].lower()
        if inside:
            inside = "" if tag[1] and name == inside else inside
        elif not tag[1] and tag[3].endswith("/"):
            parts += [html[reached : tag.end() - 2], f"></{name}>"]
            reached = tag.end()
        elif not tag[1] and name in RAW:
            inside = name
    return "".join((*parts, html[reached:])) if parts else html


def joined(lines: Lines, kept: np.ndarray) -> str:
    """The kept lines as they were laid out; where an empty line stood between two, also among those left out, one does."""
    parts, gap = list[str](), False
    for line, apart, keep in zip(lines.text, lines.apart, kept, strict=True):
        gap = gap or apart
        if keep:
            parts.append("\n\n" if gap and parts else "\n")
            parts.append(line)
            gap = False
    return "".join(parts[1:])


def load_trafilatura() -> Callable[[str], str]:
    """trafilatura's main text of a page, without comments. Importing it takes most of a second, hence not above."""
    import trafilatura

    return lambda html: trafilatura.extract(html, include_comments=False) or ""


def tidy(text: str) -> str:
    """NFC, plain spaces, no invisible characters, no space before a line end, at most one blank line. Time: linear."""
    for line_break in LINE_BREAKS:
        text = text.replace(line_break, "\n")
    text = INNER_SPACES.sub(" ", INVISIBLE.sub("", text))
    if "\u200c" in text:
        text = APART.sub(r"\1", text)
    if "\u200d" in text:
        text = JOINED.sub("", text)
    if not unicodedata.is_normalized("NFC", text):  # linear, for marks that it does not see at once are in order
        text = unicodedata.normalize("NFC", HEAP.sub(r"\1", text))
    text = "\n".join(map(str.rstrip, text.split("\n")))
    return BLANK_LINES.sub("\n\n", CELL_GAP.sub("", text)).strip("\n")


def nesting(html: str, enough: int = 0) -> int:
    """Upper bound of the depth of the element tree, without parsing: open tags minus closed ones, at their highest.

    Of the tags as they are written, FLAT ones left out: each "<" before a name counts for one, also within an attribute or
    a script, and one without an end. End tags that end nothing lower it by as many.
    Where a coarser bound is at most `enough`, that one: it is counted by stretches and takes every tag for one that nests.
    """
    if html.count("<") < 128:
        return 0
    if (coarse := coarse_nesting(html)) <= enough:
        return coarse
    steps = np.fromiter(
        (0 if rest.endswith("/>") or name.lower() in FLAT else -1 if slash else 1 for slash, name, rest in TAG.findall(html)),
        dtype=np.int32,
    )
    return int(np.cumsum(steps).max(initial=0))


def coarse_nesting(html: str) -> int:
    """Not below that depth anywhere: what is open at the beginning of a stretch, and all that begins in it.

    All end tags count, so where those of FLAT elements end nothing it is lower.
    """
    depth = highest = 0
    for start in range(0, len(html), STRETCH):
        begun, ended = html.count("<", start, start + STRETCH), html.count("</", start, start + STRETCH)
        highest = max(highest, depth + begun - ended)
        depth = max(0, depth + begun - 2 * ended)
    return highest
