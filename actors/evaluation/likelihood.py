"""How likely a model finds held-out documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from actors.rl.logprobs import token_logprobs

ROWS = 16  # windows a forward pass


def windows(ids: Sequence[int], context: int) -> Iterator[tuple[list[int], int]]:
    """Cut a document into windows of at most `context` tokens; yields each with how many of its last tokens it scores.

    Every token but the first is scored once. Where a document is longer than the context, windows overlap by half, so
    that no token behind the first window is predicted from less than half a context.
    """
    yield list(ids[:context]), min(len(ids), context) - 1
    stride = context // 2
    for end in range(context + stride, len(ids) + stride, stride):
        new = min(end, len(ids)) - (end - stride)
        last = min(end, len(ids))
        yield list(ids[max(0, last - context) : last]), new


@torch.inference_mode()
def documents_nats(model: PreTrainedModel, documents: Sequence[Sequence[int]], context: int) -> float:
    """Summed -log p of every token but each document's first, in nats. Documents begin with the end-of-text token.

    Memory: ROWS x context x vocabulary x 8 bytes for the logits.
    """
    cut = sorted((window for ids in documents for window in windows(ids, context)), key=lambda window: -len(window[0]))
    nats = 0.0
    for start in range(0, len(cut), ROWS):
        part = cut[start : start + ROWS]
        ids = torch.zeros((len(part), len(part[0][0])), dtype=torch.int64)
        scored = torch.zeros(ids.shape, dtype=torch.bool)
        for row, (window, new) in enumerate(part):
            ids[row, : len(window)] = torch.tensor(window)
            scored[row, len(window) - new : len(window)] = True
        logits = model(input_ids=ids.to(model.device), use_cache=False).logits
        nats -= float(token_logprobs(logits, ids.to(model.device)).cpu()[scored].sum(dtype=torch.float64))
    return nats
