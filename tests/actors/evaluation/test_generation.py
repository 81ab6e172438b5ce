from __future__ import annotations

import numpy as np
import pytest
import torch

from actors.evaluation.generation import sample_answers, until_end


@pytest.fixture(scope="module")
def tiny_llama(random_llama):
    return random_llama(vocabulary=8, spread=0.4)


def test_answers_of_a_padded_batch_follow_the_models_own_distribution(tiny_llama):
    """The first sampled tokens of two prompts of different length, against the exact probabilities of each alone."""
    prompts = [[1, 2, 3, 4, 5], [6]]
    answers = sample_answers(tiny_llama, prompts * 1500, longest=1, temperature=0.7, stop=[7], seed=0)
    for which, prompt in enumerate(prompts):
        with torch.no_grad():
            exact = (tiny_llama(input_ids=torch.tensor([prompt])).logits[0, -1] / 0.7).softmax(-1).numpy()
        drawn = np.bincount([ids[0] for ids in answers.ids[which::2]], minlength=8) / 1500
        np.testing.assert_allclose(drawn, exact, atol=4 * 0.5 / np.sqrt(1500))


def test_an_answer_ends_with_its_first_end_token_or_at_the_limit(tiny_llama):
    answers = sample_answers(tiny_llama, [[1], [2, 3]] * 40, longest=12, temperature=1.0, stop=[7, 5], seed=1)
    assert 0 < answers.ended.sum() < 80
    for ids, ended in zip(answers.ids, answers.ended, strict=True):
        assert ended == (ids[-1] in (7, 5))
        assert ended or len(ids) == 12
        assert not {7, 5} & set(ids[:-1])


def test_the_same_seed_gives_the_same_answers(tiny_llama):
    first, second, other = (sample_answers(tiny_llama, [[1], [2]], 20, 1.0, [7], seed) for seed in (3, 3, 4))
    assert first.ids == second.ids
    assert first.ids != other.ids


def test_until_end_keeps_the_end_token_and_drops_what_is_behind_it():
    assert until_end([4, 9, 1, 0, 0], stop=[0, 1]) == [4, 9, 1]
    assert until_end([4, 9], stop=[0]) == [4, 9]
