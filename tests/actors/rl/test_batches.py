"""Prompts of a step, rollouts as arrays, rows dealt to ranks, rewards turned into a learning signal."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rl.policy import deal, learning_signal
from actors.rl.prompts import prompts_of_step
from actors.rl.rollouts import Batch, Rollouts
from actors.rl.settings import RlhfSettings


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 3))
def test_an_epoch_asks_every_prompt_once_whatever_the_step_size(per_step, count, seed):
    asked = [index for step in range(3 * count) for index in prompts_of_step(step, per_step, count, seed)]
    for epoch in range(len(asked) // count):
        assert sorted(asked[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(prompts_of_step(step, 50, 50, seed)) for step in range(2) for seed in range(2)}
    assert len(orders) == 4


def some_rollouts() -> Rollouts:
    return Rollouts.pack(
        prompts=[[5, 6], [5, 6], [7], [7]],
        answers=[[1, 2, 3], [4], [8, 9], [3, 3, 3]],
        logprobs=[[-0.1, -0.2, -0.3], [-0.4], [-0.5, -0.6], [-0.7, -0.8, -0.9]],
        ended=[True, False, True, True],
        version=3,
        seconds=0.5,
        pad=0,
    )


def test_packed_rollouts_hold_each_answer_behind_its_prompt_and_mask_nothing_else():
    rollouts = some_rollouts()
    assert rollouts.ids.tolist() == [[5, 6, 1, 2, 3], [5, 6, 4, 0, 0], [7, 8, 9, 0, 0], [7, 3, 3, 3, 0]]
    assert [row[mask].tolist() for row, mask in zip(rollouts.ids, rollouts.mask, strict=True)] == [
        [1, 2, 3],
        [4],
        [8, 9],
        [3] * 3,
    ]
    np.testing.assert_allclose(rollouts.behaviour[1], [0, 0, -0.4, 0, 0], rtol=1e-6)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.integers(1, 8))
def test_every_row_is_dealt_once_and_hands_hold_equally_many(lengths, hands):
    dealt = deal(np.array(lengths), hands)
    assert dealt.shape[0] == hands
    assert Counter(dealt[dealt >= 0].tolist()) == Counter(range(len(lengths)))


def test_hands_hold_nearly_equal_numbers_of_tokens():
    lengths = np.random.default_rng(0).integers(1, 200, size=64)
    tokens = [lengths[hand].sum() for hand in deal(lengths, 4)]
    assert max(tokens) / min(tokens) < 1.1


def batch_with(reference: np.ndarray) -> Batch:
    return Batch(some_rollouts(), np.array([1.0, 3.0, 2.0, 2.0], np.float32), reference, score_seconds=0.0)


def test_an_answer_that_did_not_end_is_worth_less_by_the_penalty():
    settings = RlhfSettings(samples=2, algorithm="rloo", kl="loss", unended_penalty=0.5)
    signal = learning_signal(batch_with(np.zeros((4, 5), np.float32)), settings)
    np.testing.assert_allclose(signal, [1 - 2.5, 2.5 - 1, 0, 0])


def test_kl_in_the_reward_takes_off_the_summed_distance_of_the_answer():
    settings = RlhfSettings(samples=2, algorithm="rloo", kl="reward", kl_coefficient=0.5, unended_penalty=0)
    rollouts = some_rollouts()
    reference = np.where(rollouts.mask, -1.0, 0.0).astype(np.float32)
    shaped = [1 - 0.5 * (3 - 0.6), 3 - 0.5 * (1 - 0.4), 2 - 0.5 * (2 - 1.1), 2 - 0.5 * (3 - 2.4)]
    expected = [shaped[0] - shaped[1], shaped[1] - shaped[0], shaped[2] - shaped[3], shaped[3] - shaped[2]]
    assert learning_signal(batch_with(reference), settings).tolist() == pytest.approx(expected, abs=1e-6)
