"""From signals to verdicts: which thresholds of a recipe a text is beyond. Annotate once, decide late and often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.measure.signals import DUPLICATE, TOP
from pipeline.pages.settings import HeuristicSettings


@dataclass(frozen=True)
class Rule:
    """Limits on one signal. signal: its column, and the reason that a rejected text is given; low, high: None is no limit."""

    signal: str
    low: float | None
    high: float | None


def rules(settings: HeuristicSettings) -> Iterator[Rule]:
    """The rules that are switched on, in the order in which a text is held against them."""
    for rule in every_rule(settings):
        if rule.low is not None or rule.high is not None:
            yield rule


def every_rule(settings: HeuristicSettings) -> Iterator[Rule]:
    yield Rule("gopher_word_count", settings.min_words, settings.max_words)
    yield Rule("gopher_mean_word_length", settings.min_mean_word, settings.max_mean_word)
    yield Rule("gopher_hashes", None, settings.max_symbols)
    yield Rule("gopher_ellipses", None, settings.max_symbols)
    yield Rule("gopher_bullet_lines", None, settings.max_bullet_lines)
    yield Rule("gopher_ellipsis_lines", None, settings.max_ellipsis_lines)
    yield Rule("gopher_alphabetic_words", settings.min_alphabetic_words, None)
    yield Rule("gopher_stop_words", settings.min_stop_words, None)
    yield Rule("gopher_duplicate_paragraphs", None, settings.max_duplicate_paragraphs)
    yield Rule("gopher_duplicate_paragraph_characters", None, settings.max_duplicate_paragraph_characters)
    yield Rule("gopher_duplicate_lines", None, settings.max_duplicate_lines)
    yield Rule("gopher_duplicate_line_characters", None, settings.max_duplicate_line_characters)
    for order, limit in zip(TOP, settings.max_top_ngram or (), strict=False):
        yield Rule(f"gopher_top_{order}_gram", None, limit)
    for order, limit in zip(DUPLICATE, settings.max_duplicate_ngram or (), strict=False):
        yield Rule(f"gopher_duplicate_{order}_grams", None, limit)
    yield Rule("c4_lorem_ipsum", None, settings.max_lorem_ipsum)
    yield Rule("c4_curly_brackets", None, settings.max_curly_brackets)
    yield Rule("c4_javascript_lines", None, settings.max_javascript_lines)
    yield Rule("c4_policy_lines", None, settings.max_policy_lines)
    yield Rule("c4_sentences", settings.min_sentences, None)
    yield Rule("fineweb_punctuated_lines", settings.min_punctuated_lines, None)
    yield Rule("fineweb_short_lines", None, settings.max_short_lines)
    yield Rule("fineweb_duplicate_line_characters", None, settings.max_repeated_line_characters)
    yield Rule("fineweb_newlines_per_word", None, settings.max_newlines_per_word)
    yield Rule("spam_top_word", None, settings.max_top_word)
    yield Rule("spam_link_density", None, settings.max_link_density)
    yield Rule("spam_parked_phrases", None, settings.max_parked_phrases)


def decide(table: pa.Table, settings: HeuristicSettings) -> pa.Table:
    """The first rule that each row breaks.

    table: a float64 column for every signal that a rule is on for; a null breaks nothing (the text was not measured).
    Returns a row for each: reason string ("" where none is broken), value and threshold float64 (null there).
    Raises ValueError naming a column that is missing. Memory: about 30 bytes a row.
    """
    held = list(rules(settings))
    broken = np.full(table.num_rows, -1, dtype=np.int64)
    value, threshold = np.full((2, table.num_rows), np.nan)
    for number, rule in reversed(list(enumerate(held))):  # the first rule writes last
        if rule.signal not in table.column_names:
            raise ValueError(f"no column {rule.signal}; these pages were measured by another version, run `records` anew")
        column = table[rule.signal].to_numpy()
        for limit, beyond in ((rule.high, np.greater), (rule.low, np.less)):
            if limit is not None:
                rows = beyond(column, limit)  # never where NaN stands for null
                broken[rows], value[rows], threshold[rows] = number, column[rows], limit
    names = pa.array([*(rule.signal for rule in held), ""], pa.string())
    return pa.table(
        {
            "reason": names.take(pa.array(np.where(broken < 0, len(held), broken))),
            "value": pa.array(value, from_pandas=True),
            "threshold": pa.array(threshold, from_pandas=True),
        }
    )


def family(reason: str) -> str:
    """The set of rules that a reason is from: gopher_quality, gopher_repetition, c4, fineweb, spam, or the reason itself."""
    if reason.startswith(("gopher_duplicate", "gopher_top")):
        return "gopher_repetition"
    if reason.startswith("gopher_"):
        return "gopher_quality"
    return next((name for name in ("c4", "fineweb", "spam", "rights") if reason.startswith(f"{name}_")), reason)
