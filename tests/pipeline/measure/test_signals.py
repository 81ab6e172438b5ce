from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.signals import SIGNALS, of_ngrams, signals
from pipeline.measure.words import Vocabulary

words = st.lists(st.sampled_from(["a", "bb", "ccc", "dd"]), min_size=1, max_size=40)


def measured(text: str) -> dict[str, float]:
    return signals(text, Vocabulary())


def ngrams(text: list[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(text[at : at + order]) for at in range(len(text) - order + 1)]


def of(text: list[str]) -> dict[str, float]:
    """Of these words, as shares of 1,000 characters."""
    index = {word: number for number, word in enumerate(dict.fromkeys(text))}
    numbers, lengths = np.array([index[word] for word in text]), np.array([len(word) for word in text])
    return of_ngrams(numbers, lengths, 1000)


@given(words)
def test_the_top_ngram_is_the_first_of_the_most_frequent(text: list[str]) -> None:
    found = of(text)
    for order in (2, 3, 4):
        counts = Counter(ngrams(text, order)).most_common(1)
        expected = counts[0][1] * len(" ".join(counts[0][0])) if counts else 0
        assert found[f"gopher_top_{order}_gram"] * 1000 == pytest.approx(expected)


@given(words)
def test_repeated_ngrams_are_what_reading_from_left_to_right_finds(text: list[str]) -> None:
    found = of(text)
    for order in range(5, 11):
        seen: set[tuple[str, ...]] = set()
        place = characters = 0
        while place <= len(text) - order:
            gram = tuple(text[place : place + order])
            characters += len("".join(gram)) if gram in seen else 0
            place += order if gram in seen else 1
            seen.add(gram)
        assert found[f"gopher_duplicate_{order}_grams"] * 1000 == pytest.approx(characters)


@given(st.text(st.sampled_from("ab .\n-#…é中{"), max_size=200) | st.text())
def test_every_signal_of_any_text_is_a_finite_number(text: str) -> None:
    found = measured(text)
    assert set(found) == set(SIGNALS)
    assert np.isfinite(list(found.values())).all()
    assert min(found.values()) >= 0


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("One, two three!", "gopher_word_count", 3),
        ("One, two three!", "gopher_mean_word_length", 11 / 3),
        ("# one # two", "gopher_hashes", 2 / 4),
        ("one ... two three…", "gopher_ellipses", 2 / 5),
        ("- one\n  • two\nthree\n\n* four", "gopher_bullet_lines", 3 / 4),
        ("on and on...\nend.\nso… \n", "gopher_ellipsis_lines", 2 / 3),
        ("one 2 three 4!", "gopher_alphabetic_words", 2 / 5),
        ("the cat and the dog, The end of it", "gopher_stop_words", 3),
        ("same\nsame\nother\nsame", "gopher_duplicate_lines", 2 / 4),
        ("same\nsame\nother\nsame", "gopher_duplicate_line_characters", 8 / 20),
        ("same\nsame\nother\nsame", "fineweb_duplicate_line_characters", 8 / 17),
        ("one\ntwo\n\none\ntwo\n\nthree", "gopher_duplicate_paragraphs", 1 / 3),
        ("one\ntwo\n\none\ntwo\n\nthree", "gopher_duplicate_paragraph_characters", 7 / 23),
        ("Ends.\nSays “no.”\nHow?\nनहीं।", "fineweb_punctuated_lines", 3 / 4),
        ("x" * 30 + "\n" + "x" * 31, "fineweb_short_lines", 1 / 2),
        ("one two\n\nthree\nfour", "fineweb_newlines_per_word", 2 / 4),
        ("if (x) { y } else { z }", "c4_curly_brackets", 2),
        ("Lorem Ipsum dolor. lorem ipsum", "c4_lorem_ipsum", 2),
        ("Please enable JavaScript now\nA line of words", "c4_javascript_lines", 1 / 2),
        ("Read our Privacy Policy here\nA line of words", "c4_policy_lines", 1 / 2),
        ("Mr. Fox ran. He was fast! Was he? So it went.", "c4_sentences", 4),
        ("This is one. This is\nanother one here. Really.\nToo few.", "c4_sentences", 4),
        ("It is 3.5 metres. We use cookies for it. Right?\nIt stays here.", "c4_sentences", 1),
        ("cheap shoes, cheap boots, cheap hats and the cheap rest", "spam_top_word", 4 / 8),
    ],
)
def test_a_signal_is_what_counting_by_hand_gives(text: str, signal: str, value: float) -> None:
    assert measured(text)[signal] == pytest.approx(value)


def test_a_text_of_nothing_measures_nothing() -> None:
    for text in ("", " \n\n\t"):
        assert set(measured(text).values()) == {0.0}


@pytest.mark.slow
def test_a_giant_text_is_judged_by_its_beginning() -> None:
    once = " ".join(f"w{number}" for number in range(150_000))
    found = measured(once + " again and again and again" * 9)
    assert found["gopher_word_count"] == 150_000 + 45
    assert found["gopher_duplicate_5_grams"] == 0
