from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heuristics import duplicate_ngram_characters, judge, ngram_ids, top_ngram_characters
from pipeline.page_settings import HeuristicSettings

words = st.lists(st.sampled_from(["a", "bb", "ccc", "dd", "e"]), min_size=1, max_size=40)


def arrays(text: list[str]) -> tuple[np.ndarray, np.ndarray]:
    index = {word: number for number, word in enumerate(dict.fromkeys(text))}
    return np.array([index[word] for word in text]), np.array([len(word) for word in text])


@given(text=words, order=st.integers(2, 10))
def test_ngram_numbers_are_equal_where_the_ngrams_are(text: list[str], order: int) -> None:
    ids, _ = arrays(text)
    if len(text) >= order:
        grams = [tuple(text[at : at + order]) for at in range(len(text) - order + 1)]
        numbers = ngram_ids(ids, order).tolist()
        assert len(set(zip(grams, numbers, strict=True))) == len(set(grams)) == len(set(numbers))


@given(text=words, order=st.integers(2, 4))
def test_top_ngram_is_what_counting_finds(text: list[str], order: int) -> None:
    grams = Counter(tuple(text[at : at + order]) for at in range(len(text) - order + 1))
    most = max(grams.values(), default=0)
    expected = max((most * sum(map(len, gram)) for gram, number in grams.items() if number == most), default=0)
    assert top_ngram_characters(*arrays(text), order) == (expected if most > 1 else 0)


@given(text=words, order=st.integers(5, 10))
def test_repeated_ngrams_cover_what_marking_every_word_finds(text: list[str], order: int) -> None:
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for at in range(len(text) - order + 1):
        gram = tuple(text[at : at + order])
        if gram in seen:
            covered.update(range(at, at + order))
        seen.add(gram)
    assert duplicate_ngram_characters(*arrays(text), order) == sum(len(text[at]) for at in covered)


def test_prose_passes_every_rule(prose: str) -> None:
    assert judge(prose, HeuristicSettings()) is None


STOP = "the be to of and that have with "


@pytest.mark.parametrize(
    ("text", "reason", "value", "threshold"),
    [
        ("one two three", "word_count", 3, 50),
        ("", "word_count", 0, 50),
        (STOP * 7 + "Lorem Ipsum", "refused_phrase", 1, 0),
        ("ab " * 60, "mean_word", 2, 3),
        ("abcdefghijkl " * 60, "mean_word", 12, 10),
        ("#word " * 60, "symbols", 1, 0.1),
        ("1234 " * 45 + "word " * 15, "alphabetic_words", 0.25, 0.8),
        ("word " * 60, "stop_words", 0, 2),
        ("- those words of that list\n" * 20, "bullet_lines", 1, 0.9),
        ("and that line trails off into nothing of all that it could have been, I fear...\n" * 9, "ellipsis_lines", 1, 0.3),
        ("that line ends without the sign at which sentences have to stop\n" * 9, "punctuated_lines", 0, 0.12),
        ("that line of words is short.\n" * 12, "short_lines", 1, 0.67),
    ],
)
def test_each_rule_names_itself_its_value_and_its_limit(text: str, reason: str, value: float, threshold: float) -> None:
    verdict = judge(text, HeuristicSettings())
    assert verdict is not None
    assert (verdict.reason, verdict.threshold) == (reason, threshold)
    assert verdict.value == pytest.approx(value)


def test_repeated_lines_are_counted_by_line_and_by_character() -> None:
    lines = [f"the line of number {number} stands here alone and to itself only once." for number in range(14)]
    text = "\n".join([*lines, *["the same sentence comes again and again."] * 9])
    verdict = judge(text, HeuristicSettings())
    assert verdict is not None
    assert (verdict.reason, verdict.value) == ("duplicate_lines", pytest.approx(8 / 23))
    loose = judge(text, HeuristicSettings(max_duplicate_lines=None))
    characters = sum(len(line) for line in text.split("\n"))
    assert loose is not None
    assert (loose.reason, loose.value) == ("duplicate_line_characters", pytest.approx(8 * 40 / characters))


def test_a_rule_that_is_switched_off_rejects_nothing() -> None:
    off = HeuristicSettings(**{name: None for name in HeuristicSettings.model_fields if name[:3] in ("min", "max")})
    for text in ("x", "# # # ...", "1 2 3", "same\nsame\nsame\n", "lists\n- a\n- b"):
        assert judge(text, off) is None
