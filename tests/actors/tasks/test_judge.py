from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from actors.models.export import export_model
from actors.models.families import new_model
from actors.settings import ModelSettings
from actors.tasks.judge import accuracy, bradley_terry, calibration_error, encode_answer, new_judge
from cluster.store import Location

TINY = ModelSettings(layers=1, hidden=64, heads=2, kv_heads=1, intermediate=64, context=64)


def test_the_loss_is_minus_the_log_of_the_chance_that_the_chosen_answer_wins():
    # chances 1/2, 3/4 and 1/5
    margins = torch.tensor([0.0, math.log(3), math.log(1 / 4)], dtype=torch.float64)
    assert bradley_terry(margins).item() == pytest.approx(math.log(2) + math.log(4 / 3) + math.log(5))


def test_the_gradient_of_a_pair_is_the_chance_that_the_judge_is_wrong():
    margin = torch.tensor([math.log(4)], requires_grad=True)
    bradley_terry(margin).backward()
    assert margin.grad.item() == pytest.approx(-1 / 5)


def test_a_certain_and_wrong_judge_has_a_finite_loss():
    assert bradley_terry(torch.tensor([-500.0])).item() == pytest.approx(500.0)


def test_ties_count_as_wrong():
    assert accuracy(torch.tensor([1.0, 0.0, -1.0, 2.0])) == 0.5


def test_the_calibration_error_of_a_hand_made_example():
    def log_odds(chance: float) -> float:
        return math.log(chance / (1 - chance))

    # two bins, [0.5, 0.75) and [0.75, 1]: in the first 0.6 sure and 1 of 2 right, in the second 0.9 sure and 2 of 3 right
    margins = torch.tensor([log_odds(0.6), -log_odds(0.6), log_odds(0.9), log_odds(0.9), -log_odds(0.9)])
    expected = 2 / 5 * abs(0.6 - 1 / 2) + 3 / 5 * abs(0.9 - 2 / 3)
    assert calibration_error(margins, bins=2) == pytest.approx(expected)


def test_a_judge_that_is_always_certain_and_right_is_perfectly_calibrated():
    assert calibration_error(torch.full((10,), 1000.0)) == 0.0


def test_an_answer_that_has_not_ended_is_scored_without_its_end_token(tokenizer_directory):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    question = [{"role": "user", "content": "hi"}]
    ended = encode_answer(tokenizer, question, "ok", ended=True)
    assert tokenizer.convert_ids_to_tokens(ended)[-3:] == ["o", "k", "<|end|>"]
    assert encode_answer(tokenizer, question, "ok", ended=False) == ended[:-1]


@pytest.fixture
def language_model(tokenizer_directory, tmp_path: Path) -> Path:
    model = new_model(TINY, len(AutoTokenizer.from_pretrained(tokenizer_directory)), seed=0)
    export_model(model.state_dict(), model.config, Location.of(tokenizer_directory), Location.of(tmp_path / "model"))
    return tmp_path / "model"


def test_a_new_judge_has_the_language_models_weights_and_a_seeded_head(language_model):
    judge, again, other = (new_judge(language_model, seed) for seed in (1, 1, 2))
    assert torch.equal(judge.score.weight, again.score.weight)
    assert not torch.equal(judge.score.weight, other.score.weight)
    assert torch.equal(judge.model.embed_tokens.weight, other.model.embed_tokens.weight)


def test_an_exported_judge_gives_transformers_the_same_scores_whatever_the_padding(
    language_model, tokenizer_directory, tmp_path
):
    judge = new_judge(language_model, seed=1)
    export_model(judge.state_dict(), judge.config, Location.of(tokenizer_directory), Location.of(tmp_path / "judge"))
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "judge")
    ids = torch.tensor([[5, 6, 7, 8]])
    padded = torch.tensor([[5, 6, 7, 8, 1, 1]])
    with torch.no_grad():
        assert loaded(ids).logits.shape == (1, 1)
        assert torch.equal(loaded(ids).logits, judge(ids).logits)
        torch.testing.assert_close(loaded(padded).logits, judge(ids).logits)
