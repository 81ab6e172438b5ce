from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tokens.order import SequenceOrder

counts, seeds = st.integers(1, 70), st.integers(0, 2**31)


@given(count=counts, seed=seeds, batch=st.integers(1, 40))
def test_each_epoch_sees_every_sequence_exactly_once(count: int, seed: int, batch: int) -> None:
    order = SequenceOrder(count, seed)
    steps = -(-3 * count // batch)
    seen = np.concatenate([order.sequence_ids(step, batch) for step in range(steps)])[: 3 * count]
    for epoch in range(3):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(count=counts, seed=seeds, batch=st.integers(1, 40), steps=st.integers(0, 60))
def test_steps_of_a_sequence_are_those_that_ask_for_it(count: int, seed: int, batch: int, steps: int) -> None:
    order = SequenceOrder(count, seed)
    sequence = seed % count
    expected = [step for step in range(steps) for each in order.sequence_ids(step, batch) if each == sequence]
    assert order.steps_of(sequence, steps, batch) == expected


def test_epochs_and_seeds_have_different_orders() -> None:
    first = SequenceOrder(1000, 1)
    assert first.sequence_ids(0, 1000).tolist() != first.sequence_ids(1, 1000).tolist()
    assert first.sequence_ids(0, 1000).tolist() != SequenceOrder(1000, 2).sequence_ids(0, 1000).tolist()


def test_the_order_is_the_one_of_earlier_versions_so_old_trainings_resume_and_trace() -> None:
    # Printed by the code of November 2026, before trainings could weigh sources.
    assert SequenceOrder(37, 3).sequence_ids(7, 12).tolist() == [10, 27, 22, 18, 15, 11, 35, 5, 19, 7, 34, 1]
    assert SequenceOrder(1000, 5).sequence_ids(200, 8).tolist() == [322, 292, 604, 658, 228, 276, 369, 718]
    assert SequenceOrder(23, 9).steps_of(4, 40, 3) == [4, 11, 16, 27, 30]
    ids = SequenceOrder(4321, 11).sequence_ids(0, 10_000).astype("<i8").tobytes()
    assert hashlib.sha256(ids).hexdigest() == "69ebc77e95029de09609955a8f43a530b37cc80f4019299046a49dd941db4284"


def test_neighbours_are_torn_apart_as_a_random_permutation_does() -> None:
    ids = SequenceOrder(10_000, 5).sequence_ids(0, 10_000)
    correlation = np.corrcoef(ids, np.arange(10_000))[0, 1]
    assert abs(correlation) < 0.04  # four standard deviations of a random permutation's: 4 / sqrt(10,000)
    steps = np.abs(np.diff(ids))
    assert steps.mean() == pytest.approx(10_000 / 3, rel=0.04)  # mean distance of two random numbers is a third


def test_an_order_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no sequences"):
        SequenceOrder(0, 1)
