"""The estimators and the loss together teach a policy what is rewarded: pure torch, no Ray."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from actors.rl.algorithms.advantages import ADVANTAGES
from actors.rl.algorithms.kl import k1
from actors.rl.algorithms.losses import policy_loss
from actors.rl.logprobs import token_logprobs

pytestmark = pytest.mark.slow

SYMBOLS, LENGTH, PROMPTS, SAMPLES = 12, 6, 4, 8
WANTED = 7


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru, self.head = nn.Embedding(SYMBOLS, 16), nn.GRU(16, 16, batch_first=True), nn.Linear(16, SYMBOLS)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.gru(self.embed(ids))[0])

    @torch.no_grad()
    def answer(self, prompts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        ids = prompts
        for _ in range(LENGTH):
            chosen = torch.multinomial(self(ids)[:, -1].softmax(-1), 1, generator=generator)
            ids = torch.cat([ids, chosen], dim=1)
        return ids


def learn(algorithm: str, kl: str, kl_coefficient: float, steps: int = 60) -> tuple[list[float], float]:
    """Reward: the share of an answer's symbols that are WANTED. Returns it for each step, and the last step's k3 a token."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    policy, reference = Gru(), Gru()
    reference.load_state_dict(policy.state_dict())
    optimiser = torch.optim.Adam(policy.parameters(), lr=0.02)
    rewards, distance = [], 0.0
    for _ in range(steps):
        prompts = torch.randint(SYMBOLS, (PROMPTS, 2), generator=generator).repeat_interleave(SAMPLES, dim=0)
        ids = policy.answer(prompts, generator)
        mask = (torch.arange(ids.shape[1]) >= 2).expand(ids.shape)
        reward = (ids[:, 2:] == WANTED).float().mean(dim=1)
        with torch.no_grad():
            behaviour, anchor = token_logprobs(policy(ids), ids), token_logprobs(reference(ids), ids)
        shaped = reward - kl_coefficient * (k1(behaviour, anchor) * mask).sum(dim=1) if kl == "reward" else reward
        advantages = ADVANTAGES[algorithm](shaped.view(PROMPTS, SAMPLES)).view(-1)
        for _ in range(2):
            logp = token_logprobs(policy(ids), ids)
            found = policy_loss(
                logp,
                behaviour,
                behaviour,
                anchor,
                advantages,
                mask,
                clip=0.2,
                importance_cap=2,
                kl_coefficient=kl_coefficient if kl == "loss" else 0.0,
            )
            optimiser.zero_grad()
            (found.loss / found.tokens).backward()
            optimiser.step()
        rewards.append(float(reward.mean()))
        distance = float(found.kl / found.tokens)
    return rewards, distance


@pytest.mark.parametrize("algorithm", sorted(ADVANTAGES))
@pytest.mark.parametrize("kl", ["reward", "loss"])
def test_reward_rises_from_chance_to_nearly_all(algorithm, kl):
    rewards, _ = learn(algorithm, kl, kl_coefficient=0.001)
    assert np.mean(rewards[:3]) < 0.25
    assert np.mean(rewards[-5:]) > 0.8


@pytest.mark.parametrize("kl", ["reward", "loss"])
def test_a_stronger_penalty_keeps_the_policy_nearer_to_the_reference(kl):
    _, near = learn("grpo", kl, kl_coefficient=1.0)
    _, far = learn("grpo", kl, kl_coefficient=0.001)
    assert near < far / 4
