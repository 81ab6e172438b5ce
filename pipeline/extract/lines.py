"""The lines of a page as resiliparse lays it out, and what can be known about each without a second parser."""

from __future__ import annotations

import html as entities
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from pipeline.extract.characters import LETTER, LineCharacters, code_points, kinds_of
from pipeline.extract.line_features import MARK, MARKS, TAGS, WORD, line_features

MARKUP = re.compile(r"<[^>\n]*>")
LINK = re.compile(r"<a [^>\n]*>")
LINK_BEGINS, LINK_ENDS, LINE_ENDS = "\x01", "\x02", "\n"  # stand for the tags while linked letters are counted
OPENING = re.compile(r"\s*<(h[1-6]|p|li|ul|ol|pre|table)\b")
PLACES = {tag: place for place, tag in enumerate(TAGS)}
PRE = PLACES["pre"]


@dataclass(frozen=True)
class Lines:
    """text: as laid out, indentation and bullets kept, empty lines left out. apart: whether one stood before a line.

    keys: their letters and digits alone, by which a line is known again in another text. words: int32.
    blocks: int32, the same for lines that belong together: a code block, a table. features: float32, lines x FEATURES.
    main: what resiliparse takes for the main content. link_density: letters inside links / letters of the page.
    """

    text: list[str]
    apart: list[bool]
    keys: list[str]
    words: np.ndarray
    blocks: np.ndarray
    features: np.ndarray
    main: str
    link_density: float


def page_lines(html: str, skip: Sequence[str]) -> Lines:
    """Every visible line of a page with its features; alternative texts of pictures are left out.

    Raises what resiliparse does. Memory: the tree, about 10 times the page, and three plain texts of it.
    """
    tree = HTMLTree.parse(html)
    plain = partial(extract_plain_text, tree, alt_texts=False, skip_elements=list(skip) or None)
    text, apart = visible(plain(preserve_formatting=True))
    main = plain(preserve_formatting=True, main_content=True)
    marked = plain(preserve_formatting="minimal_html", links=True)
    if not text:
        nothing = np.zeros(0, dtype=np.int32)
        return Lines([], [], [], nothing, nothing, np.zeros((0, 0), dtype=np.float32), main, 0.0)
    characters = LineCharacters(text)
    keys, known = keys_of(text, characters)
    in_main = membership(keys, [known[line] if line in known else key_of(line) for line in main.split("\n")])
    tags, linked, density = tags_and_links(keys, marked, known)
    spoken, words = characters.words()
    features = line_features(text, characters, keys, spoken, words, in_main, tags, linked, html)
    return Lines(text, apart, keys, words, blocks_of(text, tags, words), features, main, density)


def visible(layout: str) -> tuple[list[str], list[bool]]:
    """The lines with something in them, and whether an empty one stood before each."""
    text, apart, empty = list[str](), list[bool](), False
    for line in layout.split("\n"):
        if line and not line.isspace():
            text.append(line)
            apart.append(empty)
            empty = False
        else:
            empty = True
    return text, apart


def keys_of(text: Sequence[str], characters: LineCharacters) -> tuple[list[str], dict[str, str]]:
    """The key of each line, and the keys by what a line may look like in other texts of the page."""
    bare = [line.strip() for line in text]
    skipped = [0] * len(text)
    for number, line in enumerate(bare):
        if line[0] in MARKS and (mark := MARK.match(text[number])):
            skipped[number] = mark.end()
            bare[number] = text[number][mark.end() :].rstrip()
    keys = characters.letters(skipped)
    known = dict(zip(bare, keys, strict=True))
    known.update(zip(text, keys, strict=True))
    return keys, known


def key_of(line: str) -> str:
    bare = line.lstrip()
    if bare[:1] in MARKS:
        bare = MARK.sub("", bare)
    return "".join(WORD.findall(bare)).replace("_", "")  # a third faster than to substitute what is no letter


def blocks_of(text: Sequence[str], tags: np.ndarray, words: np.ndarray) -> np.ndarray:
    """A number for each line; it stays the same within a code block and within a table."""
    kinds = [2 if tag == PRE else 1 if "\t" in line.strip() else 0 for line, tag in zip(text, tags.tolist(), strict=True)]
    for number in range(1, len(kinds)):  # a line of brackets has no key to find its tag by
        if kinds[number - 1] == 2 and not words[number]:
            kinds[number] = 2
    apart = [not kind or kind != before for kind, before in zip(kinds, [0, *kinds], strict=False)]
    return np.cumsum(apart, dtype=np.int32)


def membership(keys: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """float32, 1 for each key that is among the others' keys too, as often as it is there."""
    left = Counter(others)
    found = np.zeros(len(keys), dtype=np.float32)
    for number, key in enumerate(keys):
        if left[key] > 0:
            left[key] -= 1
            found[number] = 1
    return found


def tags_and_links(keys: Sequence[str], marked: str, key_by_line: dict[str, str]) -> tuple[np.ndarray, np.ndarray, float]:
    """Index into TAGS and the share of linked characters for each line, from resiliparse's reduced HTML of the page.

    The third value is the share of linked characters of all.
    """
    known: dict[str, tuple[int, float]] = {}
    tag, in_pre = "", False
    marked = marked.replace(LINK_BEGINS, "").replace(LINK_ENDS, "")
    bare = MARKUP.sub("", LINK.sub(LINK_BEGINS, marked).replace("</a>", LINK_ENDS))
    linked, density = linked_letters(bare)
    plains = bare.replace(LINK_BEGINS, "").replace(LINK_ENDS, "").split("\n")
    for line, plain, in_links in zip(marked.split("\n"), map(str.strip, plains), linked.tolist(), strict=True):
        opening = OPENING.match(line) if "<" in line else None
        if opening:
            tag = opening[1]
            in_pre = tag == "pre"
        elif not in_pre:
            tag = ""
        if "&" in plain:
            plain = entities.unescape(plain)
        if plain and (key := key_by_line[plain] if plain in key_by_line else key_of(plain)) and key not in known:
            known[key] = (PLACES.get(tag, 0), min(1.0, in_links / len(key)))
        if in_pre and "</pre>" in line:
            in_pre = False
    found = [known.get(key, (0, 0.0)) for key in keys]
    tags = np.array([tag for tag, _ in found], dtype=np.int64)
    shares = np.array([share for _, share in found], dtype=np.float32)
    return tags, shares, density


def linked_letters(bare: str) -> tuple[np.ndarray, float]:
    """How many letters and digits of each line are in links that end in it: int64 [lines]. And the share of all letters that
    are in links, also in those over several lines; one without an end ends with its line: resiliparse leaves some out."""
    codes = code_points(bare)
    letters = np.append(0, np.cumsum((kinds_of(codes) & LETTER) > 0))
    links = np.flatnonzero((codes == ord(LINK_BEGINS)) | (codes == ord(LINK_ENDS)))
    breaks = np.flatnonzero(codes == ord(LINE_ENDS))
    begins = np.append(codes[links] == ord(LINK_BEGINS), True)
    links, breaks = np.append(links, len(codes)), np.append(breaks, len(codes))
    begin = np.flatnonzero(begins[:-1])
    start, end, ended = links[begin], links[begin + 1], ~begins[begin + 1]
    line = np.searchsorted(breaks, start)
    in_line = end < breaks[line]
    inside = letters[np.where(ended | in_line, end, breaks[line])] - letters[start]
    linked = np.bincount(line, inside * (ended & in_line), minlength=len(breaks))
    return linked.astype(np.int64), float(inside.sum() / max(1, letters[-1]))
