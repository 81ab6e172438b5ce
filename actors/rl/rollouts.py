"""What travels between the actors: sampled answers as token ids, and what was found out about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROWS = 16  # sequences that a model takes at once: bounds activations, and logits of rows x tokens x vocabulary x 4 bytes


@dataclass(frozen=True)
class Rollouts:
    """Answers to the prompts of one step, prompt-major: row i answers prompt i // samples.

    ids: int64 [B, T], prompt and answer, padded on the right. prompt_lengths, lengths: int64 [B], tokens of the prompt
    and of both together. behaviour: float32 [B, T], the engine's log-probability of each sampled token, 0 elsewhere.
    ended: bool [B], the answer came to its end token by itself. version: that of the weights that sampled it.
    seconds: wall time of sampling.
    """

    ids: np.ndarray
    prompt_lengths: np.ndarray
    lengths: np.ndarray
    behaviour: np.ndarray
    ended: np.ndarray
    version: int
    seconds: float

    @property
    def mask(self) -> np.ndarray:
        """bool [B, T]: the tokens that the policy chose."""
        positions = np.arange(self.ids.shape[1])
        return (positions >= self.prompt_lengths[:, None]) & (positions < self.lengths[:, None])

    @classmethod
    def pack(
        cls,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        logprobs: Sequence[Sequence[float]],
        ended: Sequence[bool],
        version: int,
        seconds: float,
        pad: int,
    ) -> Rollouts:
        """From ragged rows: a prompt, its answer and the answer's log-probabilities a row."""
        width = max(len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True))
        ids = np.full((len(prompts), width), pad, np.int64)
        behaviour = np.zeros(ids.shape, np.float32)
        for row, (prompt, answer, chosen) in enumerate(zip(prompts, answers, logprobs, strict=True)):
            end = len(prompt) + len(answer)
            ids[row, :end] = [*prompt, *answer]
            behaviour[row, len(prompt) : end] = chosen
        prompt_lengths = np.array([len(prompt) for prompt in prompts])
        lengths = prompt_lengths + [len(answer) for answer in answers]
        return cls(ids, prompt_lengths, lengths, behaviour, np.array(ended), version, seconds)


@dataclass(frozen=True)
class Batch:
    """Rollouts with all that the policy's step needs.

    rewards: float32 [B], what the judge gave, before any penalty. reference: float32 [B, T], log-probabilities of the
    reference model, 0 before the answer. score_seconds: wall time of finding both.
    """

    rollouts: Rollouts
    rewards: np.ndarray
    reference: np.ndarray
    score_seconds: float
