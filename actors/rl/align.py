"""The `aligned` stage on the driver: start the actors and the policy's ranks, then tell what happened."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from actors.models.load import load_tokenizer
from actors.rl.coordinator import Coordinator, State
from actors.rl.engines.rollout import Rollout
from actors.rl.loop import Job, align_policy
from actors.rl.prompts import encode_prompts, read_prompts, write_prompt_ids
from actors.rl.scorers.reference import Reference
from actors.rl.scorers.reward import Reward
from actors.rl.settings import RlhfSettings
from actors.room import COORDINATOR_CPUS, REFERENCE_CPUS, REWARD_CPUS, ROLLOUT_CPUS
from actors.training.fit import on_ranks
from cluster.errors import RequestError
from cluster.report.blocks import Lines, Samples
from cluster.stage import Context
from cluster.store import Artefact, Location


def align(ctx: Context) -> None:
    """Train the assistant on the judge's rewards; the aligned model goes to `ctx.output`."""
    settings, assistant, published = ctx.settings, ctx.inputs["assistant"].location, ctx.work / "weights"
    check(settings, ctx.cluster.train_workers, ctx.inputs["assistant"], ctx.inputs["judge"])
    with started_actors(ctx, published) as (coordinator, rollout):
        job = Job(settings, assistant, ctx.output, published, coordinator, rollout, ctx.cluster.checkpoint_seconds, ctx.track)
        on_ranks(ctx, lambda: align_policy(job))
        told: Any = ray.get_actor(coordinator)
        report(ctx, State(**ray.get(told.state.remote())))


def check(settings: RlhfSettings, ranks: int, assistant: Artefact, judge: Artefact) -> None:
    """Refuse, before any actor starts, what cannot work. Raises RequestError."""
    context = (assistant.location / "config.json").read_json()["max_position_embeddings"]
    if settings.prompt_tokens + settings.answer_tokens > context:
        raise RequestError(
            f"rlhf.prompt_tokens + rlhf.answer_tokens = {settings.prompt_tokens + settings.answer_tokens} is more than the "
            f"assistant's context of {context} tokens; lower one of them"
        )
    answers, hands = settings.prompts * settings.samples, settings.minibatches * ranks
    if answers < hands:
        raise RequestError(
            f"rlhf.prompts x rlhf.samples = {answers} answers are fewer than "
            f"rlhf.minibatches x cluster.train_workers = {hands}; raise one of the former"
        )
    words = [(model.location / "tokenizer.json").read_bytes() for model in (assistant, judge)]
    if words[0] != words[1]:
        raise RequestError("assistant and judge have different tokenizers: the judge reads the policy's token ids as they are")


@contextmanager
def started_actors(ctx: Context, published: Location) -> Iterator[tuple[str, str]]:
    """Names of the coordinator and the rollout engine, with reference and reward behind them, all starting at the same time.

    An actor that dies is started again with what it needs to go on, and calls to it are repeated.
    """
    settings: RlhfSettings = ctx.settings
    assistant, judge = ctx.inputs["assistant"].location, ctx.inputs["judge"].location
    run = uuid.uuid4().hex[:8]
    started: list[Any] = []

    def start(kind: type, *arguments: Any, cpus: float, gpus: float = 0) -> str:
        """Returns the actor's name, which stays when the actor is started again."""
        name = f"{kind.__name__.lower()}-{run}"
        actor: Any = ray.remote(kind).options(
            name=name, num_cpus=cpus, num_gpus=gpus, max_restarts=ctx.cluster.max_failures, max_task_retries=-1
        )
        started.append(actor.remote(*arguments))
        return name

    gpus = ctx.cluster.gpus_per_worker
    try:
        rollout = start(Rollout, assistant, published, settings, cpus=ROLLOUT_CPUS, gpus=gpus)
        reference = start(Reference, assistant, settings.temperature, cpus=REFERENCE_CPUS, gpus=gpus)
        reward = start(Reward, judge, cpus=REWARD_CPUS, gpus=gpus)
        prompts, saved = ctx.work / "prompts.parquet", ctx.work / "coordinator.json"
        prepare_prompts(ctx, prompts)
        coordinator = start(Coordinator, prompts, rollout, reference, reward, settings, saved, cpus=COORDINATOR_CPUS)
        yield coordinator, rollout
    finally:
        for actor in started:
            ray.kill(actor)


def prepare_prompts(ctx: Context, place: Location) -> None:
    """Write the training prompts as token ids, so that the coordinator needs no tokenizer."""
    assistant = ctx.inputs["assistant"].location
    with assistant.as_local() as directory:
        tokenizer = load_tokenizer(directory)
    texts = read_prompts(assistant, "train")
    encoded = encode_prompts(tokenizer, texts, ctx.settings.prompt_tokens)
    write_prompt_ids(list(encoded.values()), place)
    ctx.count(prompts=len(encoded), prompts_too_long=len(texts) - len(encoded))


def report(ctx: Context, state: State) -> None:
    """Figures and pictures of the run, from the coordinator's history."""
    history = state.history
    with ctx.inputs["assistant"].location.as_local() as directory:
        tokenizer = load_tokenizer(directory)

    def curve(name: str) -> dict[str, list[tuple[float, float]]]:
        return {name.replace("_", " "): [(row["step"] + 1, row[name]) for row in history]}

    ctx.count(
        steps=len(history),
        reward_first=history[0]["reward"],
        reward_last=history[-1]["reward"],
        kl_last=history[-1]["kl"],
        ended_last=history[-1]["ended"],
        **{
            name: sum(row[name] for row in history) / len(history)
            for name in history[0]
            if name.startswith("seconds_") or name in ("sync_error", "clipped", "truncated")
        },
    )
    ctx.tell(
        Lines(
            title="Reward while learning",
            x_label="step",
            y_label="judge's score",
            series=curve("reward"),
            note="mean over a step's answers to training prompts",
        ),
        Lines(
            title="Distance to the assistant",
            x_label="step",
            y_label="nats a token",
            series=curve("kl"),
            note="KL divergence, k3 estimate",
        ),
        Lines(title="Length of answers", x_label="step", y_label="tokens", series=curve("answer_tokens")),
        Lines(title="Answers that end by themselves", x_label="step", y_label="share", series=curve("ended")),
        Samples(
            title="Answers while learning",
            columns=["step", "prompt", "answer", "reward"],
            rows=[
                [
                    str(sample["step"] + 1),
                    str(tokenizer.decode(sample["prompt"])),
                    str(tokenizer.decode(sample["answer"])),
                    f"{sample['reward']:.2f}",
                ]
                for sample in state.samples
            ],
        ),
    )
