"""Settings of the `evaluation` stage. Light on purpose: a plan reads them without importing torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluationSettings(BaseModel):
    """What the models are measured on, and how often."""

    model_config = ConfigDict(extra="forbid")

    heldout_bytes: int = Field(2_000_000, ge=1_000, description="held-out text that bits per byte are measured on, bytes")
    baseline_bytes: int = Field(
        200_000_000, ge=1_000, description="training text that the unigram and bigram baselines count, bytes"
    )
    prompts: int = Field(256, ge=2, description="held-out prompts that assistant and aligned model answer")
    samples: int = Field(4, ge=1, description="answers a prompt; a prompt's reward is their mean")
    prompt_tokens: int = Field(512, ge=8, description="longest prompt in tokens; longer ones are left out")
    answer_tokens: int = Field(
        256, ge=4, description="longest answer in tokens; what does not end before did not end by itself"
    )
    temperature: float = Field(1.0, ge=0.1, le=2, description="of sampling; 1 is the model's own distribution")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of the interval around the difference in reward")
    resamples: int = Field(10_000, ge=1_000, description="bootstrap samples of the prompts (Efron and Tibshirani 1993)")
    shown: int = Field(6, ge=0, description="prompts whose answers the report shows side by side")
    seed: int = Field(0, ge=0, description="of sampling answers and of the bootstrap")
