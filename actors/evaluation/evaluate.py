"""The `evaluation` stage on the driver: hand out the measurements, put the figures together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import ray
from ray.util import ActorPool

from actors.data.bits import bits_per_byte
from actors.evaluation.evaluator import Answered, Evaluator, Likelihood
from actors.evaluation.intervals import paired_difference
from actors.evaluation.settings import EvaluationSettings
from actors.room import EVALUATOR_CPUS
from cluster.report.blocks import Headline, Samples, Table
from cluster.stage import Context

MODELS = ("base", "assistant", "aligned")


@dataclass(frozen=True)
class Measured:
    """likelihoods: of models and baselines by name. before, after: answers of assistant and aligned model to the same
    prompts. continued: how the base model goes on from those that are shown."""

    likelihoods: dict[str, Likelihood]
    before: Answered
    after: Answered
    continued: list[str]


def evaluate(ctx: Context) -> None:
    """Measure base, assistant and aligned model; write `evaluation.json`."""
    measured = measure(ctx)
    figures = summarise(measured, ctx.settings)
    (ctx.output / "evaluation.json").write_json(figures)
    difference = figures["reward"]["difference"]
    ctx.count(
        **{f"bits_per_byte_{name.replace(' ', '_')}": value for name, value in figures["bits_per_byte"].items()},
        **{f"reward_{name}": value for name, value in difference.items()},
    )
    ctx.tell(
        *headlines(figures, measured),
        likelihood_table(figures),
        answer_table(figures, ctx.settings),
        side_by_side(measured, ctx.settings),
    )


def measure(ctx: Context) -> Measured:
    """Everything, by as many actors at a time as training has ranks; what an actor that dies was at is measured again."""
    place = {name: artefact.location for name, artefact in ctx.inputs.items()}
    jobs: list[tuple[Any, ...]] = [
        ("answers", place["assistant"], place["judge"]),
        ("answers", place["aligned"], place["judge"]),
        *(("likelihood", place[name]) for name in MODELS),
        ("baselines", place["base"]),
        ("continuations", place["base"]),
    ]
    evaluator: Any = ray.remote(Evaluator).options(
        num_cpus=EVALUATOR_CPUS,
        num_gpus=ctx.cluster.gpus_per_worker,
        max_restarts=ctx.cluster.max_failures,
        max_task_retries=-1,
    )
    arguments = (ctx.inputs["corpus"], place["assistant"], ctx.settings, ctx.track)
    actors = [evaluator.remote(*arguments) for _ in range(min(ctx.cluster.train_workers, len(jobs)))]
    results: list[Any] = []
    try:
        for result in ActorPool(actors).map(lambda actor, job: getattr(actor, job[0]).remote(*job[1:]), jobs):
            results.append(result)
            ctx.track.progress(len(results), len(jobs), "measurements")
    finally:
        for actor in actors:
            ray.kill(actor)
    before, after, *likelihoods, baselines, continued = results
    return Measured(dict(zip(MODELS, likelihoods, strict=True)) | baselines, before, after, continued)


def summarise(measured: Measured, settings: EvaluationSettings) -> dict[str, Any]:
    """What `evaluation.json` holds. Rewards are the judge's, a prompt's being the mean of its answers'."""
    answered = {"assistant": measured.before, "aligned": measured.after}
    rewards = {name: found.rewards.mean(axis=1) for name, found in answered.items()}
    difference = paired_difference(
        rewards["assistant"], rewards["aligned"], settings.confidence, settings.resamples, settings.seed
    )
    base = measured.likelihoods["base"]
    return {
        "bits_per_byte": {name: bits_per_byte(each.nats, each.bytes) for name, each in measured.likelihoods.items()},
        "heldout": {"bytes": base.bytes, "tokens": base.symbols},
        "reward": {
            **{name: float(values.mean()) for name, values in rewards.items()},
            "difference": asdict(difference) | {"confidence": settings.confidence},
            "prompts": len(measured.before.prompts),
            "answers_a_prompt": settings.samples,
        },
        "ended": {name: float(found.ended.mean()) for name, found in answered.items()},
        "answer_tokens": {name: float(found.tokens.mean()) for name, found in answered.items()},
    }


def headlines(figures: dict[str, Any], measured: Measured) -> tuple[Headline, Headline]:
    bits = figures["bits_per_byte"]
    return (
        Headline(
            label="bits per byte", value=bits["base"], note=f"of held-out pages; token bigrams {bits['token bigram']:.2f}"
        ),
        Headline(label=measured.after.prompts[0], value=measured.after.texts[0], note="sampled from the aligned model"),
    )


def likelihood_table(figures: dict[str, Any]) -> Table:
    held_out = figures["heldout"]
    return Table(
        title="Bits per byte of held-out pages",
        columns=["model", "bits per byte"],
        rows=[[name, value] for name, value in sorted(figures["bits_per_byte"].items(), key=lambda row: row[1])],
        note=f"{held_out['bytes']:,} bytes, {held_out['tokens']:,} tokens; lower is better; "
        "bigrams: interpolated Kneser-Ney, counted on the training pages",
    )


def answer_table(figures: dict[str, Any], settings: EvaluationSettings) -> Table:
    reward = figures["reward"]
    interval = f"{reward['difference']['low']:+.3f} to {reward['difference']['high']:+.3f}"
    columns = ("assistant", "aligned")
    return Table(
        title="Answers to held-out prompts, before and after RLHF",
        columns=["", *columns],
        rows=[
            ["judge's reward", *(reward[name] for name in columns)],
            ["share that end by themselves", *(figures["ended"][name] for name in columns)],
            ["tokens an answer", *(figures["answer_tokens"][name] for name in columns)],
        ],
        note=f"{reward['prompts']} prompts, {settings.samples} answers each, at most {settings.answer_tokens} tokens; "
        f"difference in reward {reward['difference']['mean']:+.3f}, "
        f"{settings.confidence:.0%} interval {interval} (paired bootstrap over prompts)",
    )


def side_by_side(measured: Measured, settings: EvaluationSettings) -> Samples:
    rows = zip(measured.before.prompts, measured.continued, measured.before.texts, measured.after.texts, strict=False)
    return Samples(
        title="Held-out prompts, answered by each model",
        columns=["prompt", *MODELS],
        rows=[list(row) for row in rows][: settings.shown],
        note="sampled, not chosen; the base model knows no chat and continues the prompt as text",
    )
