"""Settings of the training stages. Light on purpose: a plan reads them without importing torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cluster.fields import Files, How
from pipeline.crawl.weights import whole_weights


class ModelSettings(BaseModel):
    """Shape of a dense Llama. The defaults are SmolLM2-135M's (Allal et al. 2025)."""

    model_config = ConfigDict(extra="forbid")

    layers: int = Field(30, ge=1, description="decoder blocks")
    hidden: int = Field(576, ge=32, description="width of the residual stream")
    heads: int = Field(9, ge=1, description="attention heads; hidden / heads is the head's width")
    kv_heads: int = Field(3, ge=1, description="key-value heads shared by groups of heads (Ainslie et al. 2023)")
    intermediate: int = Field(1536, ge=32, description="inner width of the gated MLP")
    context: int = Field(2048, ge=16, description="longest sequence in tokens, prompt and answer together")
    rope_theta: float = Field(10_000.0, gt=1, description="base of the rotary position frequencies (Su et al. 2021)")
    tied: bool = Field(True, description="one matrix for input and output embeddings (Press and Wolf 2017)")
    initial_std: float = Field(0.02, gt=0, description="weights start as normal(0, this); norms as 1 (GPT-2)")

    @model_validator(mode="after")
    def heads_divide(self) -> ModelSettings:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not divisible by heads {self.heads}")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not divisible by kv_heads {self.kv_heads}")
        if self.hidden // self.heads < 32:
            raise ValueError(f"hidden / heads is {self.hidden // self.heads}; vLLM's attention on CPU needs at least 32")
        return self


class OptimiserSettings(BaseModel):
    """AdamW (Loshchilov and Hutter 2019) and its learning rate over the steps."""

    model_config = ConfigDict(extra="forbid")

    learning_rate: float = Field(3e-3, gt=0, le=1, description="peak learning rate")
    betas: tuple[float, float] = Field((0.9, 0.95), description="decay of the two moments (GPT-3, Llama)")
    epsilon: float = Field(1e-8, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(0.1, ge=0, le=1, description="of matrices, not of norms (GPT-3, Llama)")
    clip: float = Field(1.0, gt=0, description="largest global gradient norm (Pascanu et al. 2013)")
    warmup_steps: int = Field(100, ge=0, description="steps of linear rise to the peak")
    schedule: Literal["wsd", "cosine"] = Field(
        "wsd", description="after the warmup: hold, then fall by 1 - sqrt (Haegele et al. 2024), or one half cosine"
    )
    decay: float = Field(0.2, gt=0, le=1, description="wsd: share of all steps in which the rate falls (Haegele et al. 2024)")
    final: float = Field(0.0, ge=0, le=1, description="rate at the last step, as a share of the peak")


class TrainingSettings(BaseModel):
    """What every training job has: how long, how much at a time, how checked."""

    model_config = ConfigDict(extra="forbid")

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(64, ge=1, description="sequences (or pairs) a step, over all ranks")
    micro_batch: How[int] = Field(8, ge=1, description="sequences (or pairs) a rank holds at a time: memory, not the result")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the arithmetic; weights and moments stay fp32")
    seed: int = Field(0, ge=0, description="of the initial weights and of the order of the data")
    evaluations: How[int] = Field(
        8, ge=1, description="times that held-out loss is measured, evenly spread, the last at the end"
    )
    heldout: int = Field(64, ge=1, description="held-out sequences (or pairs) a measurement looks at")
    optimiser: OptimiserSettings = Field(default_factory=OptimiserSettings)

    def evaluates(self, step: int) -> bool:
        """Whether held-out loss is measured after `step` (from 0)."""
        return (step + 1) * self.evaluations // self.steps > step * self.evaluations // self.steps


class PretrainSettings(TrainingSettings):
    """Pretraining from random weights on packed sequences."""

    weights: dict[str, float] | None = Field(
        None,
        description="of every source in the batches, instead of those in `crawl.sources`, such as {web: 3, books: 1}; "
        "0 leaves one out; null: those, or where they have none every token once an epoch",
    )
    model: ModelSettings = Field(default_factory=ModelSettings)

    @field_validator("weights")
    @classmethod
    def weights_have_a_cycle(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        if weights is not None:
            if wrong := [name for name, weight in weights.items() if not 0 <= weight <= 1e6]:
                raise ValueError(f"weights: {wrong[0]} has {weights[wrong[0]]:g}; give 0 to 1,000,000")
            whole_weights(weights)
        return weights


class SftSettings(TrainingSettings):
    """Supervised fine-tuning on conversations: from files, or question-answer pairs derived from the corpus."""

    files: Files[list[str]] = Field(
        default_factory=list,
        description="JSONL files (paths, globs, URIs) of {messages} or {prompt, response}; "
        "none: synthetic pairs from the corpus",
    )
    length: int = Field(512, ge=32, description="tokens of a packed sequence; longer conversations are left out and counted")
    pairs: int = Field(20_000, ge=10, description="synthetic pairs at most, an even sample of all pages")
    pairs_per_page: int = Field(12, ge=1, description="synthetic pairs that one page gives at most")
    answer_characters: int = Field(400, ge=20, description="synthetic answers are cut at the last sentence within these")
    heldout_share: float = Field(0.05, gt=0, lt=1, description="of the prompts, by their hash")
    optimiser: OptimiserSettings = Field(default_factory=lambda: OptimiserSettings(learning_rate=5e-4, warmup_steps=20))


class RewardSettings(TrainingSettings):
    """A Bradley-Terry reward model from preference pairs: from files, or by a simulated rater."""

    files: Files[list[str]] = Field(
        default_factory=list,
        description="JSONL files (paths, globs, URIs) of {prompt, chosen, rejected} or HH-RLHF {chosen, rejected} dialogues; "
        "none: pairs that a simulated rater makes of the assistant's conversations",
    )
    pairs: int = Field(20_000, ge=10, description="simulated pairs at most")
    length: int = Field(512, ge=32, description="tokens of a dialogue at most; longer ones are left out and counted")
    heldout_share: float = Field(0.1, gt=0, lt=1, description="of the prompts, by their hash")
    optimiser: OptimiserSettings = Field(
        default_factory=lambda: OptimiserSettings(learning_rate=3e-4, weight_decay=0.0, warmup_steps=10)
    )
