from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from actors.rl.algorithms.losses import policy_loss
from actors.rl.logprobs import token_logprobs

SHAPE = (5, 9)
SETTINGS = {"clip": 0.2, "importance_cap": 1.5, "kl_coefficient": 0.3}


def some_tokens(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, scale: float) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    proximal = -2 + draw(*SHAPE, scale=0.8)
    return {
        "logp": (proximal + draw(*SHAPE, scale=0.3)).requires_grad_(),
        "proximal": proximal,
        "behaviour": proximal + draw(*SHAPE, scale=0.5),
        "reference": proximal + draw(*SHAPE, scale=0.5),
        "advantages": draw(SHAPE[0], scale=1.0),
        "mask": torch.rand(SHAPE, generator=generator) < 0.6,
    }


def test_the_loss_and_its_counts_are_those_of_a_loop_over_tokens():
    tokens = some_tokens()
    expected = dict.fromkeys(("loss", "tokens", "clipped", "truncated", "importance", "mismatch", "kl", "surprise"), 0.0)
    for row, column in np.ndindex(SHAPE):
        if not tokens["mask"][row, column]:
            continue
        now, before, engine, anchor = (
            float(tokens[name][row, column].detach()) for name in ("logp", "proximal", "behaviour", "reference")
        )
        advantage, ratio = float(tokens["advantages"][row]), math.exp(now - before)
        bounded = min(max(ratio, 0.8), 1.2)
        weight = min(math.exp(before - engine), 1.5)
        gain = min(ratio * advantage, bounded * advantage)
        expected["loss"] += weight * (-gain + 0.3 * (now - anchor) ** 2 / 2)
        expected["tokens"] += 1
        expected["clipped"] += bounded * advantage < ratio * advantage
        expected["truncated"] += math.exp(before - engine) >= 1.5
        expected["importance"] += weight
        expected["mismatch"] += abs(before - engine)
        expected["kl"] += math.exp(anchor - now) - 1 - (anchor - now)
        expected["surprise"] += -now
    found = policy_loss(**tokens, **SETTINGS)
    for name, value in expected.items():
        assert float(getattr(found, name)) == pytest.approx(value), name
    assert expected["clipped"] > 0
    assert expected["truncated"] > 0


def test_on_policy_the_gradient_is_that_of_reinforce():
    tokens = some_tokens()
    logp = tokens["logp"]
    same = logp.detach()
    found = policy_loss(
        logp,
        same,
        same,
        tokens["reference"],
        tokens["advantages"],
        tokens["mask"],
        clip=0.2,
        importance_cap=2,
        kl_coefficient=0,
    )
    found.loss.backward()
    expected = torch.where(tokens["mask"], -tokens["advantages"][:, None].expand(SHAPE), 0.0)
    torch.testing.assert_close(logp.grad, expected)


def test_a_token_that_moved_too_far_in_its_good_direction_gets_no_gradient():
    logp = torch.tensor([[0.0, math.log(1.5), math.log(0.5)]], requires_grad=True)
    zero = torch.zeros(1, 3)
    mask = torch.ones(1, 3, dtype=torch.bool)
    policy_loss(logp, zero, zero, zero, torch.tensor([1.0]), mask, clip=0.2, importance_cap=2, kl_coefficient=0).loss.backward()
    assert logp.grad[0].tolist() == pytest.approx([-1.0, 0.0, -0.5])


def test_what_is_masked_out_decides_nothing_even_where_it_is_not_finite():
    tokens = some_tokens()
    clean = policy_loss(**tokens, **SETTINGS)
    clean_gradient = torch.autograd.grad(clean.loss, tokens["logp"])[0]
    broken = {name: torch.where(tokens["mask"], tokens[name], math.inf) for name in ("proximal", "behaviour", "reference")}
    found = policy_loss(**(tokens | broken), **SETTINGS)
    torch.testing.assert_close(found.loss, clean.loss)
    torch.testing.assert_close(torch.autograd.grad(found.loss, tokens["logp"])[0], clean_gradient)


def test_parts_of_a_batch_add_up_to_the_whole():
    tokens = some_tokens()
    whole = policy_loss(**tokens, **SETTINGS)
    parts = [policy_loss(**{name: value[rows] for name, value in tokens.items()}, **SETTINGS) for rows in ([0, 3], [1, 2, 4])]
    for name in ("loss", "tokens", "kl", "mismatch"):
        torch.testing.assert_close(sum(getattr(part, name) for part in parts), getattr(whole, name))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_token_logprobs_say_how_likely_each_token_was_after_those_before_it(temperature):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 6, 11, generator=generator)
    ids = torch.randint(11, (2, 6), generator=generator)
    found = token_logprobs(logits, ids, temperature)
    assert found[:, 0].tolist() == [0.0, 0.0]
    for row in range(2):
        for at in range(1, 6):
            expected = -F.cross_entropy(logits[row, at - 1] / temperature, ids[row, at])
            assert float(found[row, at]) == pytest.approx(float(expected), abs=1e-5)
