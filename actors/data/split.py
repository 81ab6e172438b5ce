"""Which prompts are held out of training."""

from __future__ import annotations

import xxhash


def held_out(prompt: str, share: float) -> bool:
    """Whether a prompt belongs to the held-out split. By its hash: the same in every stage and every run."""
    return xxhash.xxh3_64_intdigest(prompt.encode()) < share * 2**64
