"""Confidence intervals by the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """A mean difference and the interval that holds the true one with the given confidence."""

    mean: float
    low: float
    high: float


def paired_difference(before: np.ndarray, after: np.ndarray, confidence: float, resamples: int, seed: int) -> Difference:
    """Mean of after - before over units measured twice, float [n] each, with a percentile bootstrap interval.

    Paired, since a prompt that is hard for one model is hard for the other. Memory: 1,000 resamples of n indices at a time.
    Source: Efron and Tibshirani 1993, chapters 12 and 13.
    """
    differences = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    generator, means = np.random.default_rng(seed), []
    for start in range(0, resamples, 1000):
        chosen = generator.integers(len(differences), size=(min(1000, resamples - start), len(differences)))
        means.append(differences[chosen].mean(axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Difference(float(differences.mean()), float(low), float(high))
