"""The lines of a page as resiliparse lays it out, and what can be known about each without a second parser."""

from __future__ import annotations

import html as entities
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

MARK = re.compile(r"^\s*(?:[•·◦▪*-]|\d{1,3}\.)\s+")  # of a list item, as resiliparse prints it
MARKS = frozenset("•·◦▪*-0123456789")
MARKUP = re.compile(r"<[^>]*>")
LINK = re.compile(r"<a [^>]*>(.*?)</a>")
OPENING = re.compile(r"\s*<(h[1-6]|p|li|ul|ol|pre|table)\b")
WORD = re.compile(r"\w+")
SENTENCE_ENDS = (".", "!", "?", "…", "。")
# What lines of boilerplate, of a forum or of a shop say, in the languages of the gold pages.
VOCABULARY = {
    word: number
    for number, words in enumerate(
        (
            "copyright rights reserved rechte vorbehalten inc llc ltd gmbh",
            "cookie cookies privacy datenschutz terms conditions impressum legal policy disclaimer",
            "share sharing facebook twitter instagram linkedin whatsapp pinterest youtube reddit teilen follow",
            "login log sign signin signup register subscribe newsletter account anmelden abonnieren abonnement email password",
            "more view load show continue expand weiterlesen mehr",
            "related recommended popular trending latest recent previous next similar also archives categories tags",
            "comment comments reply replies quote posted joined posts likes votes upvote kommentare report member thread topic",
            "cart bag basket checkout wishlist stock shipping warenkorb review reviews rating delivery returns add quantity",
            "january february march april may june july august september october november december "
            "jan feb mar apr jun jul aug sep oct nov dec ago januar februar märz mai juni juli oktober dezember",
            "by von author written photo image credit source published updated foto",
            "skip menu search home contact about advertisement advertise sponsored language help faq navigation sitemap",
            "i you my your we me im",
            "the of and to a in that is der die und le la de el",
        )
    )
    for word in words.split()
}
CLASSES = 1 + max(VOCABULARY.values())
SIGNS_CHARACTERS = 60_000  # of a page that are searched for signs of its type
# Spelled as they are in lower-case HTML.
PAGE_SIGNS = (
    ('"article"', '"newsarticle"', '"blogposting"'),
    ('"@type":"product"', '"@type": "product"', 'og:type" content="product', "schema.org/product"),
    ('"itemlist"', '"collectionpage"', '"searchresultspage"'),
    ('"discussionforumposting"', '"qapage"', '"question"'),
    ('"localbusiness"', '"organization"', '"service"'),
    ('og:type" content="article',),
    ("<article",),
    ("<main", 'role="main"'),
    ("phpbb", "vbulletin", "xenforo", "discourse"),
    ("thread",),
    ("wp-content",),
    ("shopify", "woocommerce", "add-to-cart", "addtocart"),
    ("sphinx", "docusaurus", "readthedocs", "mkdocs"),
    ("<pre", "<code"),
)
WORDS_HEARD = 60  # of a line
DIGITS, CAPITALS = string.digits.encode(), string.ascii_uppercase.encode()
TITLE = re.compile(r"<title[^>]*>([^<]{1,500})", re.IGNORECASE)
TAGS = ("", "h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "pre")
PLACES = {tag: place for place, tag in enumerate(TAGS)}
PRE = PLACES["pre"]


@dataclass(frozen=True)
class Lines:
    """text: as laid out, indentation and bullets kept, empty lines left out. apart: whether one stood before a line.

    keys: their letters and digits alone, by which a line is known again in another text. words: int32.
    blocks: int32, the same for lines that belong together: a code block, a table. features: float32, lines x FEATURES.
    main: what resiliparse takes for the main content.
    """

    text: list[str]
    apart: list[bool]
    keys: list[str]
    words: np.ndarray
    blocks: np.ndarray
    features: np.ndarray
    main: str


def page_lines(html: str, skip: Sequence[str]) -> Lines:
    """Every visible line of a page with its features; alternative texts of pictures are left out.

    Raises what resiliparse does. Memory: the tree, about 10 times the page, and three plain texts of it.
    """
    tree = HTMLTree.parse(html)
    plain = partial(extract_plain_text, tree, alt_texts=False, skip_elements=list(skip) or None)
    text, apart, empty = list[str](), list[bool](), False
    for line in plain(preserve_formatting=True).split("\n"):
        if line.strip():
            text.append(line)
            apart.append(empty)
        empty = not line.strip()
    main = plain(preserve_formatting=True, main_content=True)
    marked = plain(preserve_formatting="minimal_html", links=True)
    written = [WORD.findall(line) for line in text]
    keys, known = list[str](), dict[str, str]()
    for line, words_written in zip(text, written, strict=True):
        bare, key = line.lstrip(), "".join(words_written).replace("_", "")
        if bare[:1] in MARKS:
            bare = MARK.sub("", bare)
            key = "".join(WORD.findall(bare)).replace("_", "")
        keys.append(key)
        known[line] = known[bare.rstrip()] = key
    in_main = membership(keys, [known[line] if line in known else key_of(line) for line in main.split("\n")])
    tags, linked = tags_and_links(keys, marked, known)
    spoken = ["\n".join(words).lower().split("\n") if words else [] for words in written]
    words = np.array([len(line) for line in spoken], dtype=np.int32)
    features = line_features(text, keys, spoken, words, in_main, tags, linked, html)
    return Lines(text, apart, keys, words, blocks_of(text, tags, words), features, main)


def key_of(line: str) -> str:
    bare = line.lstrip()
    if bare[:1] in MARKS:
        bare = MARK.sub("", bare)
    return "".join(WORD.findall(bare)).replace("_", "")  # a third faster than to substitute what is no letter


def blocks_of(text: Sequence[str], tags: np.ndarray, words: np.ndarray) -> np.ndarray:
    """A number for each line; it stays the same within a code block and within a table."""
    kinds = [2 if tag == PRE else 1 if "\t" in line.strip() else 0 for line, tag in zip(text, tags, strict=True)]
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


def tags_and_links(keys: Sequence[str], marked: str, key_by_line: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Index into TAGS and the share of linked characters for each line, from resiliparse's reduced HTML of the page."""
    known: dict[str, tuple[int, float]] = {}
    tag, in_pre = "", False
    for line in marked.split("\n"):
        plain, linked = line, 0
        if "<" in line:
            if opening := OPENING.match(line):
                tag = opening[1]
                in_pre = tag == "pre"
            elif not in_pre:
                tag = ""
            plain = MARKUP.sub("", line).strip()
            if "<a " in line:
                linked = len("".join(WORD.findall(MARKUP.sub("", " ".join(LINK.findall(line))))).replace("_", ""))
        elif not in_pre:
            tag = ""
        if "&" in plain:
            plain = entities.unescape(plain)
        if plain and (key := key_by_line[plain] if plain in key_by_line else key_of(plain)):
            known.setdefault(key, (PLACES.get(tag, 0), min(1.0, linked / len(key))))
        if "</pre>" in line:
            in_pre = False
    found = [known.get(key, (0, 0.0)) for key in keys]
    return np.array([tag for tag, _ in found], dtype=np.int64), np.array([share for _, share in found], dtype=np.float32)


def line_features(
    text: Sequence[str],
    keys: Sequence[str],
    spoken: Sequence[list[str]],
    words: np.ndarray,
    in_main: np.ndarray,
    tags: np.ndarray,
    linked: np.ndarray,
    html: str,
) -> np.ndarray:
    count = len(text)
    if not count:
        return np.zeros((0, 0), dtype=np.float32)
    times = Counter(keys)
    title = TITLE.search(html[:SIGNS_CHARACTERS])
    title_words = set(WORD.findall(entities.unescape(title[1]).lower())) if title else set()
    own = np.array([own_features(line, times[key] > 1) for line, key in zip(text, keys, strict=True)], np.float32)
    said = [
        (number, VOCABULARY[word]) for number, line in enumerate(spoken) for word in line[:WORDS_HEARD] if word in VOCABULARY
    ]
    vocabulary = np.zeros((count, CLASSES), dtype=np.float32)
    if said:
        cells = [number * CLASSES + found for number, found in said]
        vocabulary = np.bincount(cells, minlength=count * CLASSES).reshape(count, CLASSES).astype(np.float32)
    if title_words:
        of_title = [len(title_words.intersection(line)) if len(line) < WORDS_HEARD else 0 for line in spoken]
        titled = np.array(of_title, np.float32) / max(3, len(title_words))
    else:
        titled = np.zeros(count, np.float32)
    lower = html[:SIGNS_CHARACTERS].lower()
    weight = np.cumsum(words) / max(1, words.sum())
    inside = np.flatnonzero(in_main)
    places = np.arange(count)
    last_heading = np.maximum.accumulate(np.where((tags >= 1) & (tags <= 6), places, -1))
    since_heading = np.where(last_heading < 0, 30, places - last_heading)
    heading_inside = np.where(last_heading < 0, 0, in_main[last_heading])
    main_words = float((words * in_main).sum())
    span = (places >= inside[0]) & (places <= inside[-1]) if len(inside) else np.zeros(count, bool)
    page = [
        np.log1p(words.sum()) / 10,
        np.log1p(main_words) / 10,
        main_words / max(1, words.sum()),
        np.log1p(count) / 10,
        float((words * linked).sum()) / max(1, words.sum()),
        float((words * linked * in_main).sum()) / max(1, main_words),
        float((words[words > 20]).sum()) / max(1, words.sum()),
        float((words * in_main)[words > 20].sum()) / max(1, main_words),
        *(np.bincount(tags, minlength=len(TAGS)) / count),
        np.log1p(len(html)) / 15,
        *(any(sign in lower for sign in signs) for signs in PAGE_SIGNS),
    ]
    return np.column_stack(
        [
            in_main,
            span,
            np.log1p(words) / 5,
            linked,
            np.eye(len(TAGS), dtype=np.float32)[tags],
            weight,
            places / count,
            np.log1p(np.minimum(places, 200)) / 5,
            np.log1p(np.minimum(count - places, 200)) / 5,
            np.log1p(np.minimum(since_heading, 30)) / 3,
            heading_inside,
            own,
            np.log1p(vocabulary),
            titled,
            np.broadcast_to(np.array(page, dtype=np.float32), (count, len(page))),
        ]
    ).astype(np.float32)


def own_features(line: str, repeated: bool) -> tuple[float, ...]:
    """What a line says of itself, whatever stands around it."""
    length = len(line)
    spaces = line.count(" ") + 1
    bare = line.lstrip()
    beginning = line[:200]
    if beginning.isascii():  # ten times as fast as asking each character
        data = beginning.encode()
        digits, upper = len(data) - len(data.translate(None, DIGITS)), len(data) - len(data.translate(None, CAPITALS))
    else:
        digits, upper = sum(map(str.isdigit, beginning)), sum(map(str.isupper, beginning))
    return (
        length / spaces / 10,
        line.rstrip("\"'”’) ").endswith(SENTENCE_ENDS),
        (line.count(",") + line.count(";")) / spaces,
        (line.count(".") + line.count("!") + line.count("?")) / spaces,
        digits / len(beginning),
        upper / len(beginning),
        bare[:1].islower(),
        bare[:1] in MARKS and MARK.match(line) is not None,
        min(8, length - len(bare)) / 8,
        "\t" in line,
        "|" in line,
        "©" in line,
        "$" in line or "€" in line or "£" in line or "¥" in line,
        ":" in line,
        "?" in line,
        repeated,
    )
