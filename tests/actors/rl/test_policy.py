"""The policy's step on one rank and on two: torch's own processes, no Ray."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from hypothesis import given
from hypothesis import strategies as st

from actors.models.export import export_model
from actors.models.families import new_model
from actors.rl.policy import Policy, deal_minibatches
from actors.rl.rollouts import Batch, Rollouts
from actors.rl.settings import RlhfSettings
from actors.settings import ModelSettings, OptimiserSettings
from cluster.store import Location

TINY = ModelSettings(layers=1, hidden=64, heads=2, kv_heads=1, intermediate=64, context=64)
SETTINGS = RlhfSettings(
    steps=2,
    prompts=4,
    samples=3,
    minibatches=2,
    # epsilon and clip so large that the size of a gradient counts, not only its sign or direction
    optimiser=OptimiserSettings(learning_rate=1e-1, warmup_steps=0, clip=100.0, epsilon=0.1),
)


def batch_of(step: int) -> Batch:
    """Twelve answers of very uneven lengths."""
    random = np.random.default_rng(step)
    answers = [random.integers(0, 50, size=length).tolist() for length in (1, 20, 3, 3, 17, 2, 9, 1, 1, 30, 4, 5)]
    logprobs = [(-random.random(len(answer)) * 4).tolist() for answer in answers]
    rollouts = Rollouts.pack([[7, 8, 9]] * 12, answers, logprobs, [True] * 12, version=step, seconds=0.1, pad=0)
    reference = np.where(rollouts.mask, -random.random(rollouts.ids.shape) * 4, 0).astype(np.float32)
    return Batch(rollouts, random.random(12).astype(np.float32), reference, score_seconds=0.1)


def learn(rank: int, world: int, directory: str) -> None:
    torch.set_num_threads(1)
    ray.train.get_context = lambda: SimpleNamespace(get_world_rank=lambda: rank, get_world_size=lambda: world)  # type: ignore[assignment,return-value]
    ray.train.torch.get_device = lambda: torch.device("cpu")
    store = dist.FileStore(f"{directory}/store{world}", world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    policy = Policy(Location.of(f"{directory}/model"), SETTINGS)
    metrics = [policy.train_step(step, batch_of(step)) for step in range(SETTINGS.steps)]
    weights = policy.weights()
    if rank == 0:
        torch.save((weights, metrics), f"{directory}/result{world}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_two_ranks_learn_what_one_learns(tmp_path: Path, tokenizer_directory: Path) -> None:
    model = new_model(TINY, 64, seed=0)
    export_model(model.state_dict(), model.config, Location.of(tokenizer_directory), Location.of(tmp_path / "model"))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    environment = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[3]), environment])
    try:
        for world in (1, 2):
            multiprocessing.spawn(learn, (world, str(tmp_path)), nprocs=world)
    finally:
        os.environ["PYTHONPATH"] = environment
    (one, told), (two, told_by_two) = (torch.load(tmp_path / f"result{world}.pt") for world in (1, 2))
    moved = max(float((weight - before[name]).abs().max()) for name, weight in one.items())
    assert moved > 1e-3
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=0, atol=1e-5, msg=name)
    for first, second in zip(told, told_by_two, strict=True):
        assert first == pytest.approx(second, abs=1e-4)


@given(st.lists(st.integers(1, 100), min_size=12, max_size=40), st.integers(1, 4), st.integers(1, 3))
def test_which_rows_learn_together_does_not_depend_on_the_ranks(lengths: list[int], minibatches: int, ranks: int) -> None:
    alone = deal_minibatches(np.array(lengths), minibatches, 1)
    dealt = deal_minibatches(np.array(lengths), minibatches, ranks)
    assert dealt.shape[:2] == (minibatches, ranks)
    for one, several in zip(alone, dealt, strict=True):
        assert sorted(one[one >= 0]) == sorted(several[several >= 0])
        assert all((rank >= 0).any() for rank in several)
    assert sorted(dealt[dealt >= 0]) == list(range(len(lengths)))


def test_ranks_hold_nearly_equal_numbers_of_tokens() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, size=64)
    tokens = [int(lengths[rank[rank >= 0]].sum()) for hands in deal_minibatches(lengths, 2, 2) for rank in hands]
    assert max(tokens) / min(tokens) < 1.15
