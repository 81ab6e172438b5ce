from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from actors.parallel.shard import data_mesh, full_state_dict, shard
from actors.training.loop import Progress
from actors.training.optimiser import learning_rate, make_optimiser
from actors.training.ranks import agreed, total
from actors.training.step import split, train_step
from tests.actors.training.masked_task import LEARNED, SETTINGS, MaskedTask, losses, masks, sequences

CPU = torch.device("cpu")


@pytest.fixture
def one_rank():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def plain_pytorch() -> tuple[dict[str, torch.Tensor], list[float]]:
    """The same steps in one process and one batch: mean over all learned positions, no sharding, no parts."""
    model = MaskedTask().model()
    settings = SETTINGS.optimiser
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
        ],
        betas=settings.betas,
        eps=settings.epsilon,
    )
    means = []
    for step in range(SETTINGS.steps):
        mean = losses(model, sequences(step))[masks()].mean()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step, SETTINGS.steps)
        optimiser.step()
        optimiser.zero_grad()
        means.append(mean.item())
    return model.state_dict(), means


def train(rank: int, world: int, directory: str) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f"{directory}/store", world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    task = MaskedTask()
    model = shard(task.model(), data_mesh(CPU))
    optimiser = make_optimiser(model, SETTINGS.optimiser)
    metrics = [
        train_step(task, model, optimiser, task.batch(step, rank, world), SETTINGS, step) for step in range(SETTINGS.steps)
    ]
    weights = full_state_dict(model)
    if rank == 0:
        torch.save((weights, [each["loss"] for each in metrics]), f"{directory}/result.pt")
    else:
        assert weights == {}
        assert agreed(True, CPU) is False  # only rank 0 decides
    if rank == 0:
        assert agreed(False, CPU) is False
    dist.destroy_process_group()


def assert_same_training(directory: Path) -> None:
    weights, means = torch.load(directory / "result.pt")
    expected_weights, expected_means = plain_pytorch()
    assert means == pytest.approx(expected_means, rel=1e-5)
    assert weights.keys() == expected_weights.keys()
    for name, expected in expected_weights.items():
        torch.testing.assert_close(weights[name], expected, rtol=1e-4, atol=1e-6, msg=name)


def test_one_rank_with_parts_trains_as_plain_pytorch_with_the_whole_batch(tmp_path: Path):
    train(0, 1, str(tmp_path))
    assert_same_training(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_fsdp_ranks_with_uneven_batches_train_as_plain_pytorch_in_one_process(tmp_path: Path):
    assert sum(LEARNED[:2]) == 8 * sum(LEARNED[2:])  # rank 0 has eight times as many positions to learn
    environment = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environment])
    try:
        multiprocessing.spawn(train, (2, str(tmp_path)), nprocs=2)
    finally:
        os.environ["PYTHONPATH"] = environment
    assert_same_training(tmp_path)


def test_a_step_whose_gradient_is_not_finite_changes_nothing_and_is_counted(one_rank):
    task = MaskedTask(poisoned=True)
    model = shard(task.model(), data_mesh(CPU))
    optimiser = make_optimiser(model, SETTINGS.optimiser)
    before = {name: weight.clone() for name, weight in full_state_dict(model).items()}
    metrics = train_step(task, model, optimiser, task.batch(0, 0, 1), SETTINGS, 0)
    assert metrics["skipped"] == 1.0
    assert all(torch.equal(weight, before[name]) for name, weight in full_state_dict(model).items())
    task.poisoned = False
    assert train_step(task, model, optimiser, task.batch(0, 0, 1), SETTINGS, 0)["skipped"] == 0.0
    assert not torch.equal(full_state_dict(model)["lm_head.weight"], before["lm_head.weight"])


def test_totals_keep_large_counts_exact(one_rank):
    assert total({"tokens": 2**40 + 1, "nats": 0.5}, CPU) == {"tokens": 2**40 + 1, "nats": 0.5}


def test_parts_cover_the_batch_in_order_and_are_no_larger_than_asked_for():
    batch = {"ids": torch.arange(10).view(5, 2), "mask": torch.ones(5)}
    parts = list(split(batch, 2))
    assert [len(part["mask"]) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part["ids"] for part in parts]), batch["ids"])


def test_a_curve_is_the_mean_of_each_stretch_and_held_out_loss_where_it_was_measured():
    progress = Progress()
    for step in range(800):
        metrics = {"loss": float(step), "tokens": 10.0, "skipped": float(step == 3)}
        progress.advance(metrics | ({"held_out_loss": 7.0} if step == 399 else {}), steps=800)
    assert progress.step == 800
    assert progress.tokens == 8000
    assert progress.skipped == 1
    assert len(progress.curves["training"]) == 200
    assert progress.curves["training"][:2] == [(4, 1.5), (8, 5.5)]
    assert progress.curves["held-out"] == [(400, 7.0)]


def test_held_out_loss_is_measured_as_often_as_asked_for_and_at_the_end():
    for steps, evaluations in ((100, 8), (10, 3), (5, 8)):
        settings = SETTINGS.model_copy(update={"steps": steps, "evaluations": evaluations})
        at = [step for step in range(steps) if settings.evaluates(step)]
        assert len(at) == min(steps, evaluations)
        assert at[-1] == steps - 1
