"""Answers of a model to prompts, sampled in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

ROWS = 64  # prompts that are answered together


@dataclass(frozen=True)
class Answers:
    """Token ids of the answers, end tokens included, and whether each came to its end by itself."""

    ids: list[list[int]]
    ended: np.ndarray


def sample_answers(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], longest: int, temperature: float, stop: Sequence[int], seed: int
) -> Answers:
    """One answer of at most `longest` tokens to each prompt, drawn from the model's whole distribution.

    The same seed and prompts give the same answers.
    """
    torch.manual_seed(seed)
    answers = continuations(model, prompts, longest, stop, do_sample=True, temperature=temperature, top_k=0, top_p=1.0)
    return Answers(answers, np.array([answer[-1] in stop for answer in answers]))


def greedy_answers(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], longest: int, stop: Sequence[int]
) -> list[list[int]]:
    """One answer of at most `longest` tokens to each prompt, always the most probable token; end tokens included."""
    return continuations(model, prompts, longest, stop, do_sample=False)


@torch.inference_mode()
def continuations(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], longest: int, stop: Sequence[int], **how: Any
) -> list[list[int]]:
    """One answer to each prompt. Prompts of like length are answered together, padded on the left.

    how: what `generate` is told of how to choose tokens.
    """
    generate: Any = model.generate
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        width = max(len(prompts[row]) for row in rows)
        ids = torch.full((len(rows), width), stop[0])
        for at, row in enumerate(rows):
            ids[at, width - len(prompts[row]) :] = torch.tensor(prompts[row])
        mask = torch.arange(width) >= torch.tensor([[width - len(prompts[row])] for row in rows])
        generated = generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.long().to(model.device),
            max_new_tokens=longest,
            eos_token_id=list(stop),
            pad_token_id=stop[0],
            **how,
        )
        for row, found in zip(rows, generated[:, width:].tolist(), strict=True):
            answers[row] = until_end(found, stop)
    return answers


def until_end(ids: Sequence[int], stop: Sequence[int]) -> list[int]:
    """`ids` up to and with the first end token."""
    for position, token in enumerate(ids):
        if token in stop:
            return list(ids[: position + 1])
    return list(ids)
