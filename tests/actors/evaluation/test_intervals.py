from __future__ import annotations

import numpy as np
import pytest

from actors.evaluation.intervals import paired_difference


def test_the_interval_is_that_of_the_normal_distribution_where_units_are_many():
    generator = np.random.default_rng(0)
    before, gain = generator.normal(0, 5, 4000), generator.normal(0.3, 1, 4000)
    found = paired_difference(before, before + gain, 0.95, 5000, seed=0)
    half = 1.96 * gain.std() / np.sqrt(4000)
    assert found.mean == pytest.approx(gain.mean())
    assert found.low == pytest.approx(gain.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(gain.mean() + half, abs=0.15 * half)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        gain = generator.normal(0.5, 2, 60)
        found = paired_difference(np.zeros(60), gain, 0.9, 1000, seed=trial)
        covered += found.low <= 0.5 <= found.high
    assert 0.84 < covered / 300 < 0.95


def test_pairing_makes_the_interval_as_narrow_as_the_differences_are():
    hard = np.random.default_rng(2).normal(0, 100, 50)
    found = paired_difference(hard, hard + 1, 0.95, 1000, seed=0)
    assert (found.low, found.high) == pytest.approx((1, 1))


def test_the_same_seed_gives_the_same_interval():
    before, after = np.random.default_rng(3).normal(size=(2, 30))
    assert paired_difference(before, after, 0.95, 1000, 7) == paired_difference(before, after, 0.95, 1000, 7)
