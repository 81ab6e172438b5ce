"""Settings of the `aligned` stage. Light on purpose: a plan reads them without importing torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actors.settings import OptimiserSettings
from cluster.fields import How


class RlhfSettings(BaseModel):
    """Reinforcement learning from the judge's reward. Defaults suit a model of a few billion parameters."""

    model_config = ConfigDict(extra="forbid")

    steps: int = Field(500, ge=1, description="batches of prompts; each is answered, scored and learnt from once")
    prompts: int = Field(64, ge=1, description="prompts a step")
    samples: int = Field(8, ge=2, description="answers a prompt; their rewards are compared with one another (TRL's default)")
    prompt_tokens: int = Field(512, ge=8, description="longest prompt in tokens; longer ones are left out and counted")
    answer_tokens: int = Field(256, ge=4, description="longest answer in tokens (TRL's default)")
    temperature: float = Field(1.0, ge=0.1, le=2, description="of sampling, and of the probabilities that are learnt from")
    algorithm: Literal["grpo", "rloo"] = Field(
        "grpo",
        description="advantage of an answer: its distance to the group's mean in standard deviations (Shao et al. 2024), "
        "or to the mean of the others (Ahmadian et al. 2024)",
    )
    clip: float = Field(
        0.2, gt=0, lt=1, description="largest change of a token's probability ratio that is rewarded (Schulman et al. 2017)"
    )
    importance_cap: float = Field(
        2.0, ge=1, description="cap of the weights that correct for the engine's numerics (Yao et al. 2025)"
    )
    kl: Literal["reward", "loss"] = Field(
        "loss", description="distance to the reference: k1 taken off the reward, or k2 added to the loss"
    )
    kl_coefficient: float = Field(0.05, ge=0, le=10, description="weight of that distance (InstructGPT: 0.02; TRL's PPO: 0.05)")
    unended_penalty: float = Field(
        1.0, ge=0, description="taken off the reward of an answer that does not end by itself (missing_eos_penalty in TRL)"
    )
    minibatches: int = Field(2, ge=1, description="optimiser steps a batch; from the second on the clip can bind")
    staleness: Literal[0, 1] = Field(
        1, description="1: the next answers are sampled while this batch is learnt from, one step off-policy; 0: never"
    )
    optimiser: OptimiserSettings = Field(
        default_factory=lambda: OptimiserSettings(
            learning_rate=1e-6, warmup_steps=10, weight_decay=0.0, schedule="cosine", final=0.1
        )
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the policy's and the engine's computation; bf16 on GPUs")
    sync_tolerance: How[float] = Field(
        5e-3,
        gt=0,
        description="largest mean |log p(engine) - log p(trainer)| of a token, in nats, once the engine has new weights: "
        "some 1e-6 in fp32, some 1e-2 in bf16",
    )
    engine_cache_mb: How[int] = Field(256, ge=16, description="key-value cache of the rollout engine, MiB")
    seed: int = Field(0, ge=0, description="of the order of prompts and of sampling")
