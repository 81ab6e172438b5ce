from __future__ import annotations

import math

import pytest
import torch

from actors.settings import OptimiserSettings
from actors.training.optimiser import clip_gradients, learning_rate, make_optimiser


def test_the_warmup_rises_linearly_and_reaches_the_peak_at_its_last_step():
    settings = OptimiserSettings(learning_rate=0.01, warmup_steps=4)
    assert [learning_rate(settings, step, 100) for step in range(5)] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01])


def test_wsd_holds_the_peak_then_falls_by_one_minus_the_root():
    settings = OptimiserSettings(learning_rate=1.0, warmup_steps=0, schedule="wsd", decay=0.16, final=0.0)
    rates = [learning_rate(settings, step, 100) for step in range(101)]
    assert set(rates[:85]) == {1.0}
    # 16 falling steps: a sixteenth, a quarter, nine sixteenths of the way leave 3/4, 1/2, 1/4
    assert [rates[85], rates[88], rates[93], rates[100]] == pytest.approx([0.75, 0.5, 0.25, 0.0])


def test_cosine_is_half_way_at_half_time_and_ends_at_its_final_share():
    settings = OptimiserSettings(learning_rate=1.0, warmup_steps=20, schedule="cosine", final=0.1)
    assert learning_rate(settings, 20, 120) == pytest.approx(1.0)
    assert learning_rate(settings, 70, 120) == pytest.approx(0.55)
    assert learning_rate(settings, 120, 120) == pytest.approx(0.1)


def test_weight_decay_shrinks_matrices_and_leaves_norms_alone():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.LayerNorm(2, bias=False))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimiser = make_optimiser(model, OptimiserSettings(learning_rate=0.5, weight_decay=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    matrix, norm = model.parameters()
    torch.testing.assert_close(matrix, before[0] * (1 - 0.5 * 0.1))
    torch.testing.assert_close(norm, before[1])


def test_clipping_scales_to_the_norm_and_tells_the_norm_before():
    model = torch.nn.Linear(2, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[3.0, 0.0]]), torch.tensor([4.0])
    assert clip_gradients(model, 1.0) == pytest.approx(5.0)
    assert math.dist(model.weight.grad.flatten().tolist(), [0.6, 0.0]) < 1e-5
    assert model.bias.grad.item() == pytest.approx(0.8, abs=1e-5)
