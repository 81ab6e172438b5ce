"""Taking single lines out of a text: RefinedWeb's rules for what page furniture leaves behind, and C4's.

RefinedWeb's (Penedo et al. 2023, appendix on line-wise corrections) are given there by examples; what counts as one is
stated beside each pattern. Off unless the recipe asks for it: an extractor that finds the main content leaves few such
lines.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from pipeline.measure.settings import LineSettings
from pipeline.measure.signals import CITATION, FEWEST_CHUNKS, LONGEST_CHUNK, POLICY

COUNTER = re.compile(  # the paper's example: "3 likes"
    r"^\s*[\d.,]+\s*[km]?\+?\s*(?:likes?|shares?|comments?|repl(?:y|ies)|retweets?|reposts?|views?|followers?|points?|votes?|reactions?"
    r"|ratings?|reviews?|answers?|posts?|subscribers?|downloads?|hours? ago|minutes? ago|days? ago)\W*$",
    re.IGNORECASE,
)
NUMERIC = re.compile(r"^(?=.*\d)[\W\d_]+$")
CAPITALS = 0.6  # share of a line's letters; the paper says "mainly"
SHORT = 10  # words: the paper looks for phrases of page furniture in lines of at most that many
BEGINS = re.compile(r"^\W*(?:sign[- ]?in|sign[- ]?up|log[- ]?in|subscribe)\b", re.IGNORECASE)
ENDS = re.compile(r"\b(?:read more|continue reading|learn more|show more|see more)\W*$", re.IGNORECASE)
HOLDS = re.compile(
    r"\bitems in (?:your )?(?:cart|basket)\b|\badd to (?:cart|basket)\b|\bskip to (?:main )?content\b", re.IGNORECASE
)


@dataclass(frozen=True)
class CleanedLines:
    """text: without the lines that went; removed: how many went by rule; share: of the text's words that went with them."""

    text: str
    removed: dict[str, int]
    share: float


def clean_lines(text: str, settings: LineSettings) -> CleanedLines:
    """Takes out every line that breaks a rule which is on; blank lines stay, never two together. Memory: twice the text.

    Words are what stands between blanks. Whether the document goes when too many words go (RefinedWeb: 5%) is decided
    from `share` (`pages.max_removed_words`).
    """
    kept: list[str] = []
    removed = Counter[str]()
    words = gone = 0
    for line in text.split("\n"):
        size = len(line.split())
        words += size
        rule = broken(line, size, settings) if size else None
        if rule is None:
            kept.append(CITATION.sub("", line) if settings.citations and size else line)
        else:
            removed[rule] += 1
            gone += size
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n") if removed or settings.citations else text
    return CleanedLines(joined, dict(removed), gone / words if words else 0.0)


def broken(line: str, words: int, settings: LineSettings) -> str | None:
    """The first rule that a line with something in it breaks."""
    if settings.refinedweb and (rule := refinedweb(line, words)):
        return rule
    return c4(line, words) if settings.c4 else None


def refinedweb(line: str, words: int) -> str | None:
    """Mainly capitals, only numbers, a counter, one word alone, or a short line of page furniture."""
    letters = sum(map(str.isalpha, line))
    if letters and sum(map(str.isupper, line)) > CAPITALS * letters and words > 1:
        return "capitals"
    if NUMERIC.match(line):
        return "numeric"
    if COUNTER.match(line):
        return "counter"
    if words == 1:
        return "one_word"
    if words <= SHORT and (BEGINS.search(line) or ENDS.search(line) or HOLDS.search(line)):
        return "furniture"
    return None


def c4(line: str, words: int) -> str | None:
    """Raffel et al. 2020, without the rule of terminal punctuation: the lines that `c4_...` signals count."""
    if any(len(word) > LONGEST_CHUNK for word in line.split()):
        return "long_word"
    if words < FEWEST_CHUNKS:
        return "few_words"
    lower = line.lower()
    if "javascript" in lower:
        return "javascript"
    return "policy" if POLICY.search(lower) else None
