"""Unigram and bigram models: what a language model must beat. Counted in vectorised numpy.

A stream is an int64 array of symbols in which every document follows a separator symbol, so that a document's first
symbol is predicted from the separator, as a language model predicts it from its end-of-text token. The separators
themselves are not scored. All results are nats, summed over the scored symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def stream(documents: Iterable[Sequence[int] | np.ndarray], separator: int) -> np.ndarray:
    """int64 [symbols + documents]: each document behind a separator."""
    parts: list[np.ndarray] = []
    for document in documents:
        parts += [np.array([separator]), np.asarray(document, np.int64)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def unigram_nats(train: np.ndarray, test: np.ndarray, symbols: int, separator: int) -> float:
    """Add-one smoothed unigram model. symbols: size of the alphabet, separator included."""
    counts = np.bincount(train[train != separator], minlength=symbols) + 1
    return float(-np.log(counts[test[test != separator]] / counts.sum()).sum())


def bigram_nats(train: np.ndarray, test: np.ndarray, symbols: int, separator: int) -> float:
    """Interpolated Kneser-Ney bigram model, falling back on how many symbols a symbol follows, then on the uniform.

    Memory: about 60 bytes for each different pair, plus 8 for each symbol of both streams.
    Source: Kneser and Ney 1995, interpolated as in Chen and Goodman 1999; discounts n1 / (n1 + 2 n2) by Ney et al. 1994.
    """
    pairs, counts = np.unique(train[:-1] * symbols + train[1:], return_counts=True)
    before, after = pairs // symbols, pairs % symbols
    discount = absolute_discount(counts)
    followed = np.bincount(before, weights=counts, minlength=symbols)  # how often a symbol came before another
    followers = np.bincount(before, minlength=symbols)  # how many different ones came behind it

    contexts = np.bincount(after, minlength=symbols)  # how many different symbols a symbol follows
    lower_discount = absolute_discount(contexts[contexts > 0])
    lower = (np.maximum(contexts - lower_discount, 0) + lower_discount * np.count_nonzero(contexts) / symbols) / contexts.sum()

    history, symbol = test[:-1], test[1:]
    history, symbol = history[symbol != separator], symbol[symbol != separator]
    wanted = history * symbols + symbol
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    seen = np.where(pairs[at] == wanted, counts[at], 0)
    times = np.maximum(followed[history], 1)
    backed_off = np.where(followed[history] > 0, discount * followers[history] / times, 1.0)
    return float(-np.log(np.maximum(seen - discount, 0) / times + backed_off * lower[symbol]).sum())


def absolute_discount(counts: np.ndarray) -> float:
    """n1 / (n1 + 2 n2), n_k the number of things counted k times; 0.5 where nothing was counted once."""
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    return once / (once + 2 * twice) if once else 0.5
