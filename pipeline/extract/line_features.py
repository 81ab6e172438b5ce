"""What can be known about each line of a page without a second parser: the numbers that pipeline.extract.route decides by."""

from __future__ import annotations

import html as entities
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.extract.characters import (
    BLANK,
    CAPITAL,
    COLON,
    COMMA,
    COPYRIGHT,
    DIGIT,
    MONEY,
    PIPE,
    QUESTION,
    STOP,
    TAB,
    LineCharacters,
)

MARK = re.compile(r"^\s*(?:[•·◦▪*-]|\d{1,3}\.)\s+")  # of a list item, as resiliparse prints it
MARKS = frozenset("•·◦▪*-0123456789")
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
SIGNS = [[sign.encode() for sign in signs] for signs in PAGE_SIGNS]
WORDS_HEARD = 60  # of a line
BEGINNING = 200  # characters of a line whose digits and capitals are counted
TITLE = re.compile(r"<title[^>]*>([^<]{1,500})", re.IGNORECASE)
TAGS = ("", "h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "pre")


def line_features(
    text: Sequence[str],
    characters: LineCharacters,
    keys: Sequence[str],
    spoken: Sequence[str],
    words: np.ndarray,
    in_main: np.ndarray,
    tags: np.ndarray,
    linked: np.ndarray,
    html: str,
) -> np.ndarray:
    """float32, lines x FEATURES. spoken: the words of all lines in lower case; words: how many each line has.

    in_main: 1 where resiliparse takes a line for main content; tags: index into TAGS; linked: share of characters in links.
    """
    count = len(text)
    vocabulary, titled = heard(spoken, words, title_words(html))
    weight = np.cumsum(words) / max(1, words.sum())
    inside = np.flatnonzero(in_main)
    places = np.arange(count)
    last_heading = np.maximum.accumulate(np.where((tags >= 1) & (tags <= 6), places, -1))
    since_heading = np.where(last_heading < 0, 30, places - last_heading)
    heading_inside = np.where(last_heading < 0, 0, in_main[last_heading])
    span = (places >= inside[0]) & (places <= inside[-1]) if len(inside) else np.zeros(count, bool)
    columns = [
        in_main,
        span,
        np.log1p(words) / 5,
        linked,
        *(tags == tag for tag in range(len(TAGS))),
        weight,
        places / count,
        np.log1p(np.minimum(places, 200)) / 5,
        np.log1p(np.minimum(count - places, 200)) / 5,
        np.log1p(np.minimum(since_heading, 30)) / 3,
        heading_inside,
        *own_features(text, characters, keys),
        *np.log1p(vocabulary.T),
        titled,
        *page_features(words, in_main, tags, linked, html),
    ]
    features = np.empty((len(columns), count), dtype=np.float32)
    for row, column in enumerate(columns):
        features[row] = column
    return np.ascontiguousarray(features.T)


def own_features(text: Sequence[str], characters: LineCharacters, keys: Sequence[str]) -> list[np.ndarray | list[bool]]:
    """What a line says of itself, whatever stands around it."""
    times = Counter(keys)
    holds = characters.holds()
    spaces = characters.count(BLANK) + 1
    beginning = np.minimum(characters.lengths, BEGINNING)
    bare = [line.lstrip() for line in text]
    indent = characters.lengths - np.fromiter(map(len, bare), dtype=np.int64, count=len(bare))
    return [
        characters.lengths / spaces / 10,
        [line.rstrip("\"'”’) ").endswith(SENTENCE_ENDS) for line in text],
        characters.count(COMMA) / spaces,
        characters.count(STOP) / spaces,
        characters.count(DIGIT, BEGINNING) / beginning,
        characters.count(CAPITAL, BEGINNING) / beginning,
        [line[:1].islower() for line in bare],
        [line[:1] in MARKS and MARK.match(line) is not None for line in bare],
        np.minimum(8, indent) / 8,
        *((holds & kind) > 0 for kind in (TAB, PIPE, COPYRIGHT, MONEY, COLON, QUESTION)),
        [times[key] > 1 for key in keys],
    ]


def heard(spoken: Sequence[str], words: np.ndarray, title: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """How many words of each class of VOCABULARY a line begins with: float32 [lines, CLASSES]; and the share of the
    title's words it holds: float32 [lines], 0 for long lines."""
    count = len(words)
    line = np.repeat(np.arange(count), words)
    place = np.arange(len(line)) - np.repeat(np.cumsum(words) - words, words)
    known = np.array([at for at, word in enumerate(spoken) if word in VOCABULARY], dtype=np.int64)
    known = known[place[known] < WORDS_HEARD]
    cells = line[known] * CLASSES + np.array([VOCABULARY[spoken[at]] for at in known.tolist()], dtype=np.int64)
    vocabulary = np.bincount(cells, minlength=count * CLASSES).reshape(count, CLASSES)
    of_title = {(int(line[at]), word) for at, word in enumerate(spoken) if word in title}
    titled = np.bincount(np.array([at for at, _ in of_title], dtype=np.int64), minlength=count) / max(3, len(title))
    titled[words >= WORDS_HEARD] = 0
    return vocabulary.astype(np.float32), titled.astype(np.float32)


def title_words(html: str) -> set[str]:
    title = TITLE.search(html[:SIGNS_CHARACTERS])
    return set(WORD.findall(entities.unescape(title[1]).lower())) if title else set()


def page_features(words: np.ndarray, in_main: np.ndarray, tags: np.ndarray, linked: np.ndarray, html: str) -> list[float]:
    """What is the same for all lines of a page."""
    count, every = len(words), max(1, words.sum())
    main_words = float((words * in_main).sum())
    lower = html[:SIGNS_CHARACTERS].encode("ascii", "replace").lower()  # bytes are searched fastest
    return [
        np.log1p(words.sum()) / 10,
        np.log1p(main_words) / 10,
        main_words / every,
        np.log1p(count) / 10,
        float((words * linked).sum()) / every,
        float((words * linked * in_main).sum()) / max(1, main_words),
        float((words[words > 20]).sum()) / every,
        float((words * in_main)[words > 20].sum()) / max(1, main_words),
        *(np.bincount(tags, minlength=len(TAGS)) / count),
        np.log1p(len(html)) / 15,
        *(float(any(map(lower.__contains__, signs))) for signs in SIGNS),
    ]
