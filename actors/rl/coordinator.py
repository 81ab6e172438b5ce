"""The actor that the policy pulls from: it keeps the order of prompts, the sampling ahead and the run's history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import ray

from actors.rl.prompts import prompts_of_step, read_prompt_ids
from actors.rl.rollouts import Batch, Rollouts
from actors.rl.settings import RlhfSettings
from cluster.store import Location

SHOWN = 4  # answers of a batch that are kept for the report
PROBES = 4  # prompts that the weights are verified with


@dataclass
class State:
    """What a checkpoint holds of the coordinator.

    history: a row of metrics for each step learnt from. samples: some answers of the first batch and of the latest,
    each {step, prompt, answer, reward}, prompt and answer as token ids.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)


class Coordinator:
    """Batches by step. What a batch holds follows from the step and the weights alone, so an actor that was started
    again makes it anew; the history it reads back from `saved`.

    rollout, reference, reward: names of the actors. prompts: a file that `write_prompts` wrote.
    """

    def __init__(self, prompts: Location, rollout: str, reference: str, reward: str, settings: RlhfSettings, saved: Location):
        self.prompts, self.settings, self.saved = read_prompt_ids(prompts), settings, saved
        self.rollout: Any = ray.get_actor(rollout)
        self.reference: Any = ray.get_actor(reference)
        self.reward: Any = ray.get_actor(reward)
        self.sampling: dict[int, asyncio.Task[Rollouts]] = {}
        self.batches: dict[int, asyncio.Task[Batch]] = {}
        self.current = State(**saved.read_json()) if saved.exists() else State()

    async def next_batch(self, step: int) -> Batch:
        """The batch of a step, the same for every rank that asks. Weights `step` must have been published."""
        if step not in self.batches:
            self.batches[step] = asyncio.create_task(self._make(step))
        return await self.batches[step]

    async def _make(self, step: int) -> Batch:
        rollouts = await self._sample(step, version=step)
        if self.settings.staleness and step + 1 < self.settings.steps:
            self._sample(step + 1, version=step)  # goes on while this batch is scored and learnt from
        began = time.time()
        rewards, reference = await asyncio.gather(self.reward.score.remote(rollouts), self.reference.logprobs.remote(rollouts))
        return Batch(rollouts, rewards, reference, score_seconds=time.time() - began)

    def _sample(self, step: int, version: int) -> asyncio.Task[Rollouts]:
        """The answers to the prompts of a step, being sampled unless they already are."""
        if step not in self.sampling:
            chosen = prompts_of_step(step, self.settings.prompts, len(self.prompts), self.settings.seed)
            prompts = [self.prompts[index] for index in chosen for _ in range(self.settings.samples)]
            seeds = np.random.default_rng([self.settings.seed, step, 1]).integers(2**31, size=len(prompts)).tolist()
            answers = self.rollout.generate.remote(prompts, seeds, version)
            self.sampling[step] = asyncio.ensure_future(answers)
        return self.sampling[step]

    async def commit(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note what a step measured and forget its batch. Saying it twice changes nothing."""
        row = {"step": step, **metrics}
        self.current.history = [each for each in self.current.history if each["step"] < step] + [row]
        if step in self.batches:
            first = [sample for sample in self.current.samples if sample["step"] == 0] if step else []
            self.current.samples = first + some_answers(step, await self.batches[step], self.settings.samples)
        for tasks in (self.sampling, self.batches):
            for past in [each for each in tasks if each <= step]:
                del tasks[past]
        self.saved.write_json(asdict(self.current))

    async def state(self) -> dict[str, Any]:
        """JSON of what `restore` takes."""
        return asdict(self.current)

    async def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go back to a checkpoint (None: to the start): whatever was being made is dropped."""
        for task in [*self.sampling.values(), *self.batches.values()]:
            task.cancel()
        self.sampling, self.batches = {}, {}
        self.current = State(**state) if state else State()

    async def probes(self) -> list[list[int]]:
        """Prompts as token ids to compare engine and trainer with."""
        return self.prompts[:PROBES]


def some_answers(step: int, batch: Batch, samples: int) -> list[dict[str, Any]]:
    """The first answers to the first prompts of a batch, as `State.samples` holds them."""
    rollouts = batch.rollouts
    return [
        {
            "step": step,
            "prompt": rollouts.ids[row, : rollouts.prompt_lengths[row]].tolist(),
            "answer": rollouts.ids[row, rollouts.prompt_lengths[row] : rollouts.lengths[row]].tolist(),
            "reward": float(batch.rewards[row]),
        }
        for row in range(0, len(batch.rewards), samples)[:SHOWN]
    ]
