from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.data.order import even, examples_of
from actors.data.split import ASSISTANT, held_out


@given(count=st.integers(1, 30), batch=st.sampled_from([2, 4, 6]), seed=st.integers(0, 3))
def test_every_example_comes_once_an_epoch_and_epochs_differ_in_order(count, batch, seed):
    steps = -(-3 * count // batch)
    drawn = np.concatenate([examples_of(step, batch, 0, 1, count, seed) for step in range(steps)])
    for epoch in range(3):
        assert sorted(drawn[epoch * count : (epoch + 1) * count]) == list(range(count))
    if count > 20:
        assert list(drawn[:count]) != list(drawn[count : 2 * count])


@given(step=st.integers(0, 20), world=st.sampled_from([1, 2, 3, 6]))
def test_the_parts_of_all_ranks_are_the_global_batch(step, world):
    parts = [examples_of(step, 6, rank, world, 17, 0) for rank in range(world)]
    assert np.array_equal(np.concatenate(parts), examples_of(step, 6, 0, 1, 17, 0))


def test_the_held_out_share_of_many_prompts_is_the_one_asked_for_and_stays_when_the_share_grows():
    prompts = [f"What is {number}?" for number in range(20_000)]
    small, large = ({prompt for prompt in prompts if held_out(prompt, share, ASSISTANT)} for share in (0.05, 0.1))
    assert 0.045 < len(small) / len(prompts) < 0.055
    assert small < large


def test_an_even_count_is_shared_by_all_ranks_without_rest():
    assert [even(7, 2), even(8, 2), even(1, 4)] == [6, 8, 4]
