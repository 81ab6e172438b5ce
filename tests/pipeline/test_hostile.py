"""No text may hold up a worker: what runs outside the extractor's process takes time in proportion to the text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.corpus.decontaminate import benchmark, decontaminate
from pipeline.corpus.national_ids import NATIONAL_IDS
from pipeline.corpus.personal import PLACEHOLDERS, PersonalData
from pipeline.extract.page import nesting, tidy, with_ends
from pipeline.measure.language import LanguageDetector
from pipeline.measure.line_rules import clean_lines
from pipeline.measure.settings import LineSettings
from pipeline.measure.signals import signals
from pipeline.measure.spam import parked_phrases
from pipeline.measure.words import Vocabulary, split_chunk
from pipeline.read.charset import decode, repaired
from pipeline.rights.creative_commons import licence_of

pytestmark = pytest.mark.slow

LINES = LineSettings(refinedweb=True, c4=True, citations=True)
PERSONAL = PersonalData(tuple(PLACEHOLDERS), ("US", "DE", "FR"), tuple(NATIONAL_IDS))
BENCHMARK = benchmark([("exam", 0, "1 " * 14), ("exam", 1, "a " * 9), ("exam", 2, " ".join("abcdefghijklmnopqrstuvwxyz"))])
LANGUAGE = LanguageDetector(1000)

STEPS: dict[str, Callable[[str], object]] = {
    "decode": lambda text: decode(text.encode()),
    "decode_broken": lambda text: decode(text.encode() + b"\xff\x81", "shift_jis"),
    "nesting": nesting,
    "with_ends": lambda text: with_ends("<?xml " + text),
    "tidy": tidy,
    "repaired": repaired,
    "clean_lines": lambda text: clean_lines(text, LINES),
    "language": LANGUAGE,
    "parked_phrases": parked_phrases,
    "signals": lambda text: signals(text, Vocabulary()),
    "personal": PERSONAL.spans,
    "decontaminate": lambda text: decontaminate(text, BENCHMARK),
}
# What is repeated between an "a" and an "x".
REPEATED = [
    *(
        " ",
        "\t",
        " \t",
        "\u00a0",
        "\n",
        "\n ",
        "\r",
        "\f",
        "\u2028",
        "a",
        "A",
        "a1",
        "_",
        "-",
        "--x",
        ".",
        "a.",
        "A.",
        ",",
        ":",
    ),
    *("1", "1.", "1-", "1 ", "1,", "1.1.1.1.", "2001:", "DE44 ", "+", "tel ", "call me ", " number", "/", "http://", "=", "%"),
    *("[", "[1", "(", "{", "*", "#", "…", "'", "'s", "n't", "@", "a@", "a@a.", "a+", "a-"),
    *("<", "<a", "<a ", '<a "', "</a", "<!--", "<meta ", "<script ", "<script/>", "<script>", "<?xml ", "&", "&#"),
    *("Ã", "Ã©", "\x81", "\u200c", "م\u200c", "\u200d\u200c", "\u0301", "\u0301\u0323", "\u0f73", "中", "\U0001f600", "\x1b$B"),
    *("this domain name ", "index of /", "privacy policy ", "javascript ", "read more", "one two three "),
]
FLOOR = 0.2  # seconds: what takes less says nothing about growth
SIZE = 40_000  # characters, and four times as many


@pytest.mark.parametrize("step", STEPS)
def test_time_grows_with_the_text_and_not_with_its_square(step: str) -> None:
    slow = {}
    for repeated in REPEATED:
        few, many = (seconds(STEPS[step], "a" + repeated * (size // len(repeated)) + "x") for size in (SIZE, 4 * SIZE))
        if many > FLOOR and many > 8 * few:
            slow[repeated] = (few, many)
    assert not slow


LINK = b" creativecommons.org/licenses/by/4.0 "
PAGES = {
    "no tag at all": lambda size: (b"x" * 60 + LINK + b">") * (size // 98),
    "tags that end nowhere": lambda size: (b"<" + LINK) * (size // 38),
    "many links in a tag": lambda size: (b"<a " + b"rel=x " * 150 + LINK * 20 + b">") * (size // 1664),
    "quotes that end nowhere": lambda size: (b"<a rel='" + LINK) * (size // 45),
    "rel in rel": lambda size: (b"<" + b"rel=" * 200 + LINK + b">") * (size // 839),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_licence_is_found_in_time_that_grows_with_the_page(page: Callable[[int], bytes]) -> None:
    few, many = (seconds(licence_of, page(size)) for size in (500_000, 2_000_000))
    assert many < FLOOR or many < 8 * few
    assert many < 3  # of an open tag in each link's way, 5 MB take a few seconds at most


@pytest.mark.parametrize("repeated", ["'..", "..'", ",..", "..%", "'.", "-..", "1..,"])
def test_a_chunk_is_split_in_time_that_grows_with_it_whatever_signs_alternate(repeated: str) -> None:
    few, many = (seconds(split_chunk, "a" + repeated * (size // len(repeated))) for size in (150_000, 600_000))
    assert many < FLOOR or many < 7 * few


def test_many_paragraphs_of_a_benchmark_are_found_in_time_that_grows_with_the_text() -> None:
    few, many = (seconds(STEPS["decontaminate"], ("a " * 9 + "\n") * number) for number in (10_000, 40_000))
    assert many < 8 * few


def seconds(step: Callable[[Any], object], text: str | bytes) -> float:
    started = time.process_time()
    step(text)
    return time.process_time() - started
