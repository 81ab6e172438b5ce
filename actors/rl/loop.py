"""The RLHF loop: what each rank of the policy does, on one screen."""

from __future__ import annotations

import time
from dataclasses import dataclass

import ray
import ray.train
import torch

from actors.rl.engines.sync import Publisher
from actors.rl.policy import Policy
from actors.rl.rollouts import Batch
from actors.rl.settings import RlhfSettings
from actors.training.ranks import agreed
from cluster.cgroup import threads_each
from cluster.store import Location
from cluster.track.events import Track


@dataclass
class Job:
    """What a rank is told. Pickled to every rank. coordinator, rollout: names of the actors."""

    settings: RlhfSettings
    assistant: Location
    output: Location
    published: Location
    coordinator: str
    rollout: str
    checkpoint_seconds: float
    track: Track


def align_policy(job: Job) -> None:
    """Learn from the judge's rewards to the last step, from wherever the newest checkpoint is. Runs on every rank.

    Weights `step` are those that have learnt from the batches before `step`.
    """
    settings, track = job.settings, job.track
    torch.set_num_threads(threads_each(ray.train.get_context().get_local_world_size()))
    coordinator, rollout = ray.get_actor(job.coordinator), ray.get_actor(job.rollout)
    policy = Policy(job.assistant, settings)
    start, coordinator_state = policy.restore()
    if policy.rank == 0:
        ray.get(coordinator.restore.remote(coordinator_state))
    publisher = Publisher(job.published, rollout, ray.get(coordinator.probes.remote()), settings.sync_tolerance)
    saved = time.time()
    for step in range(start, settings.steps):
        clock = Clock()
        sync_error = publisher.publish(policy, step)
        clock.lap("publish")
        batch: Batch = ray.get(coordinator.next_batch.remote(step))
        clock.lap("wait")
        metrics = policy.train_step(step, batch)
        clock.lap("train")
        if policy.rank == 0:
            metrics |= describe(batch, step) | {"sync_error": sync_error} | clock.seconds
            ray.get(coordinator.commit.remote(step, metrics))
            track(metrics, step + 1)
            track.progress(step + 1, settings.steps, "steps")
            track.worked(clock.began, time.time())
        if agreed(time.time() - saved > job.checkpoint_seconds, policy.device):
            if policy.rank == 0:
                track.settle()
            policy.save(step + 1, ray.get(coordinator.state.remote()))
            saved = time.time()
    policy.export(job.assistant, job.output)
    if policy.rank == 0:
        track.settle()


def describe(batch: Batch, step: int) -> dict[str, float]:
    """What a batch is like, before it is learnt from."""
    rollouts = batch.rollouts
    lengths = rollouts.lengths - rollouts.prompt_lengths
    return {
        "reward": float(batch.rewards.mean()),
        "reward_std": float(batch.rewards.std()),
        "answer_tokens": float(lengths.mean()),
        "ended": float(rollouts.ended.mean()),
        "staleness": float(step - rollouts.version),
        "seconds_generate": rollouts.seconds,
        "seconds_score": batch.score_seconds,
    }


class Clock:
    """Wall time of the phases of a step."""

    def __init__(self) -> None:
        self.began = self.last = time.time()
        self.seconds: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        now = time.time()
        self.seconds[f"seconds_{phase}"], self.last = now - self.last, now
