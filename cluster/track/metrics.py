"""Every metric that stages track, declared once: Prometheus, W&B's axes and the documentation follow from this table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LABEL_VALUES = 20  # that a label may have in a run; further ones are "other", as every value is a time series

# Seconds: from a tenth of a second to ten minutes, three a decade.
BUCKETS = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 600.0]


@dataclass(frozen=True)
class Metric:
    """name: as stages say it, for a labelled one `name/value`. unit: Prometheus' base unit, which ends its name there.

    kind: a counter's values are added up; of a histogram every value counts; a gauge is the newest value.
    label: what stands behind the slash. fixed: labels of the name itself. best: which value W&B's summary keeps.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    unit: str
    help: str
    label: str = ""
    fixed: dict[str, str] = field(default_factory=dict)
    family: str = ""
    best: Literal["last", "min", "max"] = "last"

    @property
    def exported(self) -> str:
        """Its name for Prometheus, without what Ray puts before it and counters have behind."""
        base = f"pageloom_{self.family or self.name}"
        return base if not self.unit or base.endswith(f"_{self.unit}") else f"{base}_{self.unit}"


def phase(name: str, help: str) -> Metric:
    """Wall time of a part of an RLHF step."""
    return Metric(f"seconds_{name}", "histogram", "seconds", help, fixed={"phase": name}, family="phase")


METRICS = (
    Metric("loss", "gauge", "", "What is minimised, as a mean over its units (a token's nats, a pair)."),
    Metric("bits_per_byte", "gauge", "", "Cross-entropy of the batch in bits per byte of its text."),
    Metric("gradient_norm", "gauge", "", "Norm of the whole gradient before clipping."),
    Metric("learning_rate", "gauge", "", "Of the step."),
    Metric("tokens", "counter", "tokens", "Tokens learnt from."),
    Metric("tokens_per_second", "gauge", "", "Of the step, over all ranks."),
    Metric("skipped", "counter", "steps", "Updates left out because their gradient was not finite.", family="skipped"),
    Metric("held_out_loss", "gauge", "", "On what is held out; by source where there are several.", label="source", best="min"),
    Metric("held_out_bits_per_byte", "gauge", "", "On what is held out.", best="min"),
    Metric("held_out_accuracy", "gauge", "ratio", "Pairs in which the judge prefers the better answer.", best="max"),
    Metric("held_out_calibration_error", "gauge", "ratio", "The judge's expected calibration error.", best="min"),
    Metric("reward", "gauge", "", "Mean reward of the batch's answers.", best="max"),
    Metric("reward_std", "gauge", "", "Standard deviation of the rewards."),
    Metric("answer_tokens", "gauge", "tokens", "Mean length of the answers."),
    Metric("ended", "gauge", "ratio", "Answers that end by themselves."),
    Metric("staleness", "gauge", "steps", "Updates between the weights that answered and those that learn."),
    Metric("sync_error", "gauge", "nats", "Largest difference of log-probabilities, trainer and engine, after a publish."),
    Metric("mismatch", "gauge", "nats", "Difference of log-probabilities between trainer and engine on what was sampled."),
    Metric("kl", "gauge", "nats", "Estimated divergence from the reference, a token."),
    Metric("surprise", "gauge", "nats", "Negative log-probability of what was sampled, a token."),
    Metric("importance", "gauge", "ratio", "Mean importance weight."),
    Metric("clipped", "gauge", "ratio", "Tokens whose ratio is clipped."),
    Metric("truncated", "gauge", "ratio", "Tokens whose importance weight is cut."),
    phase("publish", "Handing new weights to the engine."),
    phase("wait", "Waiting for a batch."),
    phase("train", "Learning from it."),
    phase("generate", "Answering, in the engine."),
    phase("score", "Judge and reference."),
)

DECLARED = {metric.name: metric for metric in METRICS}


def split_name(said: str) -> tuple[str, str]:
    """A tracked name as (metric, value of its label)."""
    name, _, value = said.partition("/")
    return name, value


def declared(said: str) -> Metric | None:
    """The metric that a tracked name is one of; None where the table does not know it."""
    name, value = split_name(said)
    metric = DECLARED.get(name)
    return metric if metric and (metric.label or not value) else None
