"""N-gram models against implementations with dictionaries, one symbol at a time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.evaluation.ngrams import bigram_nats, stream, unigram_nats

SEPARATOR, SYMBOLS = 0, 6
documents = st.lists(st.lists(st.integers(1, SYMBOLS - 1), max_size=12), min_size=1, max_size=6)


class DictionaryBigram:
    """Interpolated Kneser-Ney as the textbook writes it."""

    def __init__(self, texts: list[list[int]]) -> None:
        self.pairs: Counter[tuple[int, int]] = Counter()
        symbols = [symbol for text in texts for symbol in [SEPARATOR, *text]]
        self.pairs.update(pairwise(symbols))
        self.followers = defaultdict(set)
        self.preceders = defaultdict(set)
        for before, after in self.pairs:
            self.followers[before].add(after)
            self.preceders[after].add(before)
        self.discount = self.absolute(list(self.pairs.values()))
        self.lower_discount = self.absolute([len(found) for found in self.preceders.values()])

    @staticmethod
    def absolute(counts: list[int]) -> float:
        once, twice = counts.count(1), counts.count(2)
        return once / (once + 2 * twice) if once else 0.5

    def lower(self, symbol: int) -> float:
        kinds = len(self.pairs)
        kept = max(len(self.preceders[symbol]) - self.lower_discount, 0) if symbol in self.preceders else 0
        return kept / kinds + self.lower_discount * len([s for s in self.preceders if self.preceders[s]]) / kinds / SYMBOLS

    def probability(self, before: int, after: int) -> float:
        total = sum(count for (first, _), count in self.pairs.items() if first == before)
        if not total:
            return self.lower(after)
        kept = max(self.pairs[before, after] - self.discount, 0)
        return kept / total + self.discount * len(self.followers[before]) / total * self.lower(after)


@given(documents, documents)
@settings(max_examples=60, deadline=None)
def test_the_bigram_model_is_textbook_kneser_ney(train, test):
    arrays = stream(train, SEPARATOR), stream(test, SEPARATOR)
    if len(arrays[0]) < 2:
        return
    model = DictionaryBigram(train)
    expected = -sum(
        math.log(model.probability(before, after)) for text in test for before, after in pairwise([SEPARATOR, *text])
    )
    assert bigram_nats(*arrays, SYMBOLS, SEPARATOR) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_probabilities_behind_any_symbol_sum_to_one():
    train = stream([[1, 2, 3, 1, 2], [2, 2, 4]], SEPARATOR)
    for history in range(1, SYMBOLS):
        total = sum(
            math.exp(-bigram_nats(train, np.array([SEPARATOR, history, symbol]), SYMBOLS, SEPARATOR))
            / math.exp(-bigram_nats(train, np.array([SEPARATOR, history]), SYMBOLS, SEPARATOR))
            for symbol in range(1, SYMBOLS)
        )
        # The separator, never scored, has the rest: what dictionaries say it has.
        assert total + DictionaryBigram([[1, 2, 3, 1, 2], [2, 2, 4]]).probability(history, SEPARATOR) == pytest.approx(1)


@given(documents, documents)
def test_the_unigram_model_is_add_one(train, test):
    counts = Counter(symbol for text in train for symbol in text)
    total = sum(counts.values()) + SYMBOLS
    expected = -sum(math.log((counts[symbol] + 1) / total) for text in test for symbol in text)
    found = unigram_nats(stream(train, SEPARATOR), stream(test, SEPARATOR), SYMBOLS, SEPARATOR)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_bigram_model_finds_alternation_that_a_unigram_model_cannot():
    train, test = stream([[1, 2] * 50], SEPARATOR), stream([[1, 2] * 10], SEPARATOR)
    assert unigram_nats(train, test, SYMBOLS, SEPARATOR) == pytest.approx(20 * math.log(2), rel=0.1)
    assert bigram_nats(train, test, SYMBOLS, SEPARATOR) < 2
