from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actors.rl.algorithms.advantages import ADVANTAGES, group_relative, leave_one_out

REWARDS = [[1.0, 2.0, 6.0], [0.0, 0.0, 0.0], [-3.0, 5.0, 1.0]]


def test_leave_one_out_subtracts_the_mean_of_the_others():
    expected = [[r - np.mean([other for j, other in enumerate(row) if j != i]) for i, r in enumerate(row)] for row in REWARDS]
    np.testing.assert_allclose(leave_one_out(torch.tensor(REWARDS)).numpy(), expected, rtol=1e-6)


def test_group_relative_is_the_distance_to_the_mean_in_standard_deviations():
    expected = [[(r - np.mean(row)) / (np.std(row) + 1e-4) for r in row] for row in REWARDS]
    np.testing.assert_allclose(group_relative(torch.tensor(REWARDS)).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_answers_of_equal_reward_teach_nothing(name):
    assert ADVANTAGES[name](torch.full((4, 8), 3.7)).abs().max() < 0.01  # rounding of their mean


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4), min_size=1, max_size=5), st.floats(-10, 10))
def test_advantages_sum_to_zero_and_ignore_a_shift_of_all_rewards(name, rewards, shift):
    given_rewards = torch.tensor(rewards, dtype=torch.float64)
    found = ADVANTAGES[name](given_rewards)
    torch.testing.assert_close(found.sum(dim=1), torch.zeros(len(rewards), dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(ADVANTAGES[name](given_rewards + shift), found, atol=1e-6, rtol=1e-6)
