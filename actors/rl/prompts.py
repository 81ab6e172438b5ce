"""What the models are asked: the prompts of the assistant's conversations, and their order in a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actors.data.chat import encode_prompt
from actors.data.conversations import CONVERSATIONS
from cluster.errors import WorkError
from cluster.store import Location, parquet_bytes


def read_prompts(assistant: Location, split: str) -> list[str]:
    """The different prompts of a split ('train' or 'heldout'), in file order. Raises WorkError where there is none."""
    with (assistant / CONVERSATIONS).open() as file:
        table = pq.read_table(file, columns=["prompt", "split"])
    rows = zip(table["prompt"].to_pylist(), table["split"].to_pylist(), strict=True)
    prompts = list(dict.fromkeys(prompt for prompt, where in rows if where == split))
    if not prompts:
        raise WorkError(f"{assistant}/{CONVERSATIONS}: no prompt in split {split!r}; give the sft stage more conversations")
    return prompts


def encode_prompts(tokenizer: Any, prompts: Sequence[str], longest: int) -> dict[str, list[int]]:
    """The prompts of at most `longest` tokens, with the token ids up to where the assistant begins.

    Raises WorkError where all are longer.
    """
    encoded = {prompt: encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts}
    short = {prompt: ids for prompt, ids in encoded.items() if len(ids) <= longest}
    if not short:
        raise WorkError(f"every prompt is longer than {longest} tokens; raise prompt_tokens")
    return short


def write_prompt_ids(prompts: Sequence[Sequence[int]], place: Location) -> None:
    """Token ids of each prompt, as one Parquet file."""
    place.write_bytes(parquet_bytes(pa.table({"ids": pa.array(prompts, pa.list_(pa.int32()))})))


def read_prompt_ids(place: Location) -> list[list[int]]:
    with place.open() as file:
        return pq.read_table(file)["ids"].to_pylist()


def prompts_of_step(step: int, per_step: int, count: int, seed: int) -> list[int]:
    """Indices of the prompts of a step: each epoch is a permutation of its own. A pure function, so it needs no saving."""
    positions = range(step * per_step, (step + 1) * per_step)
    orders = {epoch: np.random.default_rng([seed, epoch]).permutation(count) for epoch in {at // count for at in positions}}
    return [int(orders[at // count][at % count]) for at in positions]
