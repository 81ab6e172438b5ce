from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.classifiers.linear import Features, Matrix, area_under_curve, cut, load, matrix, minimise, passages, train
from pipeline.classifiers.settings import LabelledFile, LinearSettings

WORDS = [f"word{number}" for number in range(40)]


def made(seed: int, number: int, beginning: int) -> list[str]:
    """Texts of 20 words, most of them of the 15 from `beginning` on."""
    random = np.random.default_rng(seed)
    return [
        " ".join(WORDS[(beginning if random.random() < 0.7 else 0) + random.integers(15)] for _ in range(20))
        for _ in range(number)
    ]


@given(st.text(st.sampled_from("ab, \né"), max_size=60), st.integers(0, 3), st.sampled_from([0, 3, 5]))
def test_a_text_weighs_its_distinct_ngrams_by_dampened_counts_and_has_length_one(text: str, words: int, letters: int) -> None:
    if not words and not letters:
        return
    settings = LinearSettings(words=words, most_letters=letters, bits=26)
    buckets, weights = Features(settings)(text)
    tokens, signs = re.findall(r"\w+|[^\w\s]", text), " " + re.sub(r"\s+", " ", text) + " "
    counted = Counter((0, n, *tokens[at : at + n]) for n in range(1, words + 1) for at in range(len(tokens) - n + 1))
    if letters:
        counted.update((1, n, signs[at : at + n]) for n in range(3, letters + 1) for at in range(len(signs) - n + 1))
    expected = np.array(sorted(1 + np.log(count) for count in counted.values()))
    assert len(buckets) == len(counted)
    if counted:
        assert np.sort(weights) == pytest.approx(expected / np.linalg.norm(expected), rel=1e-5)


@given(st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=6))
def test_sparse_products_are_the_dense_ones(rows: list[list[int]]) -> None:
    random = np.random.default_rng(0)
    flat = np.array([column for row in rows for column in row], dtype=np.int64)
    sparse = Matrix(flat, random.random(len(flat)).astype(np.float32), np.concatenate(([0], np.cumsum(list(map(len, rows))))))
    dense = np.zeros((len(rows), 5))
    for row in range(len(rows)):
        for at in range(sparse.starts[row], sparse.starts[row + 1]):
            dense[row, sparse.columns[at]] += sparse.weights[at]
    right, left = random.random(5), random.random(len(rows))
    assert sparse.times(right) == pytest.approx(dense @ right)
    assert sparse.transposed_times(left, 5) == pytest.approx(left @ dense)


def test_the_minimum_has_no_slope() -> None:
    texts = made(1, 40, 0) + made(2, 40, 20)
    settings = LinearSettings(bits=12, steps=200)
    rows = matrix(texts, Features(settings))
    signs, importance = np.repeat([1.0, -1.0], 40), np.ones(80)
    solution = minimise(rows, signs, importance, 1 << 12, settings)

    def loss(at: np.ndarray) -> float:
        margins = signs * (rows.times(at[:-1]) + at[-1])
        return float(np.log1p(np.exp(-margins)).sum() + 0.5 * (at[:-1] ** 2).sum())

    random = np.random.default_rng(3)
    for _ in range(10):
        step = random.normal(size=len(solution)) * 1e-3
        assert loss(solution + step) > loss(solution)


def test_classes_that_differ_in_words_are_told_apart_and_the_score_is_a_probability() -> None:
    classifier = train(made(1, 200, 0) + made(2, 100, 20), [False] * 200 + [True] * 100, LinearSettings(bits=14))
    scores = classifier.score(made(3, 100, 0) + made(4, 100, 20))
    assert scores.dtype == np.float32
    assert (scores[:100] < 0.5).mean() > 0.97
    assert (scores[100:] > 0.5).mean() > 0.97
    assert classifier.score([""])[0] == pytest.approx(1 / (1 + np.exp(-classifier.bias)))


def test_training_again_and_in_another_order_gives_the_same_classifier() -> None:
    texts, labels = made(1, 50, 0) + made(2, 50, 20), [False] * 50 + [True] * 50
    settings = LinearSettings(bits=12, most_letters=4)
    first, again = train(texts, labels, settings), train(texts, labels, settings)
    assert first.to_bytes() == again.to_bytes()
    turned = train(texts[::-1], labels[::-1], settings)
    assert turned.score(texts) == pytest.approx(first.score(texts), abs=1e-3)


def test_a_saved_classifier_scores_the_same() -> None:
    classifier = train(made(1, 30, 0) + made(2, 30, 20), [False] * 30 + [True] * 30, LinearSettings(bits=12, words=1))
    loaded = load(classifier.to_bytes())
    texts = made(5, 20, 10)
    assert loaded.score(texts).tolist() == classifier.score(texts).tolist()
    assert loaded.settings == classifier.settings


@given(st.text(st.sampled_from("ab. \n!"), max_size=60), st.integers(1, 20))
def test_passages_joined_are_the_text_and_long_enough_but_for_the_last(text: str, least: int) -> None:
    parts = passages(text, least)
    assert "".join(parts) == text
    assert all(len(part) >= least for part in parts[:-1])
    assert all(re.search(r"([.!?]\s|\n)\s*$", part) for part in parts[:-1])


def test_by_passages_a_text_scores_as_its_worst_one() -> None:
    texts, labels = made(1, 60, 0) + made(2, 60, 20), [False] * 60 + [True] * 60
    whole = train(texts, labels, LinearSettings(bits=12, words=1))
    apart = train(texts, labels, LinearSettings(bits=12, words=1, passage=50))
    good, [bad] = made(3, 9, 0), made(4, 1, 20)
    page = ". ".join([*good[:5], bad, *good[5:]]) + "."
    assert apart.score([page])[0] == pytest.approx(max(whole.score([*(f"{text}." for text in good), f"{bad}."])), abs=1e-6)
    assert whole.score([page])[0] < 0.5 < apart.score([page])[0]


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="0 of 2 texts are positive; a classifier needs texts of both classes"):
        train(["a b", "c d"], [False, False], LinearSettings())


def test_settings_that_see_nothing_or_name_no_label_are_refused() -> None:
    with pytest.raises(ValueError, match="would see nothing"):
        LinearSettings(words=0)
    with pytest.raises(ValueError, match=r"either bad .* or bad_from"):
        LabelledFile(file="x.csv")


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_area_under_the_curve_is_the_share_of_ordered_pairs(pairs: list[tuple[int, bool]]) -> None:
    good, bad = [score for score, label in pairs if label], [score for score, label in pairs if not label]
    if good and bad:
        wins = sum((one > other) + (one == other) / 2 for one in good for other in bad)
        found = area_under_curve(np.array([score for score, _ in pairs]), np.array([label for _, label in pairs]))
        assert found == pytest.approx(wins / (len(good) * len(bad)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40, unique=True), st.floats(0.01, 1))
def test_the_cut_keeps_the_share_that_was_asked_for(scores: list[float], keep: float) -> None:
    kept = (np.array(scores) >= cut(np.array(scores), keep)).sum()
    assert kept == max(1, round(keep * len(scores)))


@pytest.mark.slow
def test_abuse_is_told_from_other_tweets_it_was_not_trained_on(shared: Path) -> None:
    data = gzip.decompress((shared / "data/toxicity/davidson_labeled_data.csv.gz").read_bytes()).decode()
    rows = [(row["tweet"], row["class"] != "2") for row in csv.DictReader(io.StringIO(data, newline=""))]
    held = [zlib.crc32(text.encode()) % 5 == 0 for text, _ in rows]
    some = [row for row, out in zip(rows, held, strict=True) if not out][::4]
    classifier = train([text for text, _ in some], [bad for _, bad in some], LinearSettings(words=1, most_letters=5, bits=18))
    test = [row for row, out in zip(rows, held, strict=True) if out]
    scores = classifier.score([text for text, _ in test])
    assert area_under_curve(scores, np.array([bad for _, bad in test])) > 0.93
