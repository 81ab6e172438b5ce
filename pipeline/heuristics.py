"""Rules that tell prose from what else web pages hold: Gopher's, C4's and FineWeb's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.page_settings import HeuristicSettings

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))  # Gopher
BULLETS = ("-", "*", "•", "‣", "●", "○", "■", "□", "▪", "▫", "–")
ELLIPSES = ("...", "…")
TERMINAL = (".", "!", "?", ":", ";", '"', "'", "”", "’", ")", "。", "！", "？", "…")
SHORT_LINE = 30  # characters (FineWeb)


@dataclass(frozen=True)
class Verdict:
    """The rule that a text breaks: its measured value and the setting it is beyond."""

    reason: str
    value: float
    threshold: float


def judge(text: str, settings: HeuristicSettings) -> Verdict | None:
    """The first rule that `text` breaks, None where it keeps all. Memory: about 20 bytes a word."""
    for reason, value, low, high in measure(text, settings):
        if low is not None and value < low:
            return Verdict(reason, float(value), float(low))
        if high is not None and value > high:
            return Verdict(reason, float(value), float(high))
    return None


Measured = tuple[str, float, float | None, float | None]


def measure(text: str, settings: HeuristicSettings) -> Iterator[Measured]:
    """(rule, value, least, most) of every rule, cheap ones first."""
    words = text.split()
    yield "word_count", len(words), settings.min_words, settings.max_words
    if not words:
        return
    lower = text.lower()
    phrases = sum(phrase in lower for phrase in settings.refuse_phrases)
    yield "refused_phrase", phrases, None, 0
    yield "braces", "{" in text, None, 0 if settings.refuse_braces else None
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    yield "mean_word", lengths.mean(), settings.min_mean_word, settings.max_mean_word
    symbols = text.count("#") + text.count("...") + text.count("…")
    yield "symbols", symbols / len(words), None, settings.max_symbols
    alphabetic = sum(any(map(str.isalpha, word)) for word in words)
    yield "alphabetic_words", alphabetic / len(words), settings.min_alphabetic_words, None
    yield "stop_words", len(STOP_WORDS.intersection(lower.split())), settings.min_stop_words, None
    yield from line_rules(text, settings)
    yield from repetition_rules(words, lengths, settings)


def line_rules(text: str, settings: HeuristicSettings) -> Iterator[Measured]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    number = len(lines)
    yield "bullet_lines", sum(line.startswith(BULLETS) for line in lines) / number, None, settings.max_bullet_lines
    yield "ellipsis_lines", sum(line.endswith(ELLIPSES) for line in lines) / number, None, settings.max_ellipsis_lines
    yield "punctuated_lines", sum(line.endswith(TERMINAL) for line in lines) / number, settings.min_punctuated_lines, None
    yield "short_lines", sum(len(line) <= SHORT_LINE for line in lines) / number, None, settings.max_short_lines
    repeated = number - len(set(lines))
    yield "duplicate_lines", repeated / number, None, settings.max_duplicate_lines
    characters = sum(map(len, lines))
    repeated_characters = characters - sum(map(len, set(lines)))
    yield "duplicate_line_characters", repeated_characters / characters, None, settings.max_duplicate_line_characters


def repetition_rules(words: list[str], lengths: np.ndarray, settings: HeuristicSettings) -> Iterator[Measured]:
    """Shares of the words' characters (blanks not counted) that lie in repeated word n-grams."""
    index: dict[str, int] = {}
    ids = np.fromiter((index.setdefault(word, len(index)) for word in words), dtype=np.int64, count=len(words))
    total = int(lengths.sum())
    for order, limit in enumerate(settings.max_top_ngram or [], start=2):
        yield f"top_{order}_gram", top_ngram_characters(ids, lengths, order) / total, None, limit
    for order, limit in enumerate(settings.max_duplicate_ngram or [], start=5):
        yield f"duplicate_{order}_grams", duplicate_ngram_characters(ids, lengths, order) / total, None, limit


def ngram_ids(ids: np.ndarray, order: int) -> np.ndarray:
    """A number for each n-gram of `ids`, equal for equal n-grams: int64 [len(ids) - order + 1]."""
    grams = ids[: len(ids) - order + 1]
    for place in range(1, order):
        # Re-numbering after every word keeps numbers small, so that the product cannot overflow.
        pairs = grams * (int(ids.max()) + 1) + ids[place : len(ids) - order + 1 + place]
        grams = np.unique(pairs, return_inverse=True)[1]
    return grams


def top_ngram_characters(ids: np.ndarray, lengths: np.ndarray, order: int) -> int:
    """Characters in all occurrences of the most frequent n-gram; 0 where none occurs twice."""
    if len(ids) < order:
        return 0
    _, first, counts = np.unique(ngram_ids(ids, order), return_index=True, return_counts=True)
    most = counts.max()
    if most < 2:
        return 0
    widths = np.convolve(lengths, np.ones(order, dtype=np.int64), "valid")
    return int(most * widths[first[counts == most]].max())


def duplicate_ngram_characters(ids: np.ndarray, lengths: np.ndarray, order: int) -> int:
    """Characters in words that a second or later occurrence of an n-gram covers, each word counted once."""
    if len(ids) < order:
        return 0
    grams = ngram_ids(ids, order)
    repeated = np.ones(len(grams), dtype=bool)
    repeated[np.unique(grams, return_index=True)[1]] = False
    edges = np.zeros(len(ids) + 1, dtype=np.int64)
    starts = np.flatnonzero(repeated)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + order, -1)
    return int(lengths[np.cumsum(edges[:-1]) > 0].sum())
