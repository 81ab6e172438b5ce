"""Which prompts are held out of training, and which are drawn: by hashes, the same in every stage and every run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import xxhash

from actors.data.chat import Message
from cluster.errors import RequestError

ASSISTANT, JUDGE = "assistant", "judge"  # what prompts are held out of


def digest(text: str, purpose: str, seed: int = 0) -> int:
    """64 bits that follow from a text, others for each purpose: what is drawn for one is even among what another draws."""
    return xxhash.xxh3_64_intdigest(f"{purpose}\0{text}".encode(), seed=seed)


def held_out(prompt: str, share: float, of: str) -> bool:
    """Whether a prompt belongs to the held-out split of ASSISTANT or JUDGE. prompt: as `identity` has it."""
    return digest(prompt, f"held out of the {of}") < share * 2**64


def check_splits(splits: Mapping[str, int], what: str, remedy: str) -> None:
    """Raises RequestError where one of 'train' and 'heldout' is without a row. splits: rows of each."""
    if not splits.get("train") or not splits.get("heldout"):
        raise RequestError(f"{sum(splits.values())} {what} make no training and held-out split; {remedy}")


def identity(messages: Sequence[Message]) -> str:
    """A dialogue as the one string by which it is held out: of a single question its text, whatever form it came in."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    return json.dumps([[message["role"], message["content"]] for message in messages])
