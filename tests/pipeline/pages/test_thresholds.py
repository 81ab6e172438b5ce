from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.signals import SIGNALS, signals
from pipeline.measure.words import Vocabulary
from pipeline.pages.settings import HeuristicSettings
from pipeline.pages.thresholds import decide, every_rule, family, rules

COLUMNS = (*SIGNALS, "spam_link_density", "spam_parked_phrases")
ORDINARY = dict.fromkeys(COLUMNS, 0.0) | {
    "gopher_word_count": 400.0,
    "gopher_mean_word_length": 4.7,
    "gopher_alphabetic_words": 0.9,
    "gopher_stop_words": 8.0,
    "c4_sentences": 21.0,
    "fineweb_punctuated_lines": 0.8,
}
ENGLISH = "The one that we have is to be with and of it. "


def table(*rows: dict[str, float | None]) -> pa.Table:
    return pa.Table.from_pylist([ORDINARY | row for row in rows], schema=pa.schema([(name, pa.float64()) for name in COLUMNS]))


@pytest.mark.parametrize(
    ("reason", "value", "threshold"),
    [
        ("gopher_word_count", 49, 50),
        ("gopher_word_count", 100_001, 100_000),
        ("gopher_mean_word_length", 2.9, 3),
        ("gopher_mean_word_length", 10.1, 10),
        ("gopher_hashes", 0.11, 0.1),
        ("gopher_ellipses", 0.11, 0.1),
        ("gopher_bullet_lines", 0.91, 0.9),
        ("gopher_ellipsis_lines", 0.31, 0.3),
        ("gopher_alphabetic_words", 0.79, 0.8),
        ("gopher_stop_words", 1, 2),
        ("gopher_duplicate_paragraphs", 0.31, 0.3),
        ("gopher_duplicate_paragraph_characters", 0.21, 0.2),
        ("gopher_duplicate_lines", 0.31, 0.3),
        ("gopher_duplicate_line_characters", 0.21, 0.2),
        ("gopher_top_2_gram", 0.21, 0.20),
        ("gopher_top_3_gram", 0.19, 0.18),
        ("gopher_top_4_gram", 0.17, 0.16),
        ("gopher_duplicate_5_grams", 0.16, 0.15),
        ("gopher_duplicate_10_grams", 0.11, 0.10),
        ("c4_lorem_ipsum", 1, 0),
        ("c4_curly_brackets", 1, 0),
        ("c4_sentences", 4, 5),
        ("fineweb_punctuated_lines", 0.11, 0.12),
        ("fineweb_short_lines", 0.68, 0.67),
        ("fineweb_duplicate_line_characters", 0.011, 0.01),
        ("fineweb_newlines_per_word", 0.31, 0.3),
        ("spam_top_word", 0.26, 0.25),
        ("spam_parked_phrases", 1, 0),
    ],
)
def test_each_published_limit_rejects_what_is_beyond_it_and_keeps_what_is_on_it(
    reason: str, value: float, threshold: float
) -> None:
    found = decide(table({}, {reason: value}, {reason: threshold}), HeuristicSettings()).to_pylist()
    kept = {"reason": "", "value": None, "threshold": None}
    assert found == [kept, {"reason": reason, "value": value, "threshold": threshold}, kept]


shares = st.none() | st.floats(0, 1)


@given(
    st.lists(
        st.fixed_dictionaries({"gopher_hashes": shares, "c4_policy_lines": shares, "fineweb_short_lines": shares}), max_size=9
    ),
    shares,
    shares,
    shares,
)
def test_the_first_broken_rule_decides_as_a_loop_over_rows_would(
    rows: list[dict[str, float | None]], symbols: float | None, policy: float | None, short: float | None
) -> None:
    settings = HeuristicSettings(max_symbols=symbols, max_policy_lines=policy, max_short_lines=short)
    limits = (("gopher_hashes", symbols), ("c4_policy_lines", policy), ("fineweb_short_lines", short))
    for row, found in zip(rows, decide(table(*rows), settings).to_pylist(), strict=True):
        broken = [
            {"reason": name, "value": row[name], "threshold": limit}
            for name, limit in limits
            if limit is not None and row[name] is not None and row[name] > limit
        ]
        assert found == (broken or [{"reason": "", "value": None, "threshold": None}])[0]


def test_limits_that_are_null_reject_nothing() -> None:
    off = HeuristicSettings(**dict.fromkeys(HeuristicSettings.model_fields))
    assert list(rules(off)) == []
    wild = dict.fromkeys(COLUMNS, 1e9)
    assert decide(table(wild, dict.fromkeys(COLUMNS, 0.0)), off)["reason"].to_pylist() == ["", ""]


def test_a_text_that_was_not_measured_breaks_no_rule() -> None:
    assert decide(table(dict.fromkeys(COLUMNS)), HeuristicSettings())["reason"].to_pylist() == [""]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"no column c4_sentences; .* run `records` anew"):
        decide(table({}).drop_columns(["c4_sentences"]), HeuristicSettings())


def test_prose_passes_every_rule(prose: str) -> None:
    assert decide(table(signals(prose.strip(), Vocabulary())), HeuristicSettings())["reason"].to_pylist() == [""]


def test_every_rule_is_of_a_family() -> None:
    families = {family(rule.signal) for rule in every_rule(HeuristicSettings())}
    assert families == {"gopher_quality", "gopher_repetition", "c4", "fineweb", "spam"}
    assert family("http_status") == "http_status"
