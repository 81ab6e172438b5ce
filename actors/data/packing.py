"""Packing conversations: whole ones, side by side in fixed-length sequences, each blind to the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

IGNORED = -100  # label of a token that is not learned: torch's cross_entropy ignores it

WINDOW = 64  # of the newest sequences that are still open: first fit stays linear in the conversations


def pack(conversations: Sequence[tuple[Sequence[int], Sequence[bool]]], length: int, padding: int) -> dict[str, np.ndarray]:
    """Pack (ids, said) conversations of at most `length` tokens, first fit, in the order given.

    Returns int64 [sequences, length] each: `ids`; `labels`, the id to be predicted at each position, or
    IGNORED where the assistant does not say it; `positions`, which start from 0 in each conversation.
    transformers reads the restarts as borders that attention does not cross; padding is at position 0.
    """
    sequences: list[list[int]] = []  # numbers of the conversations in each
    room: list[int] = []
    for number, (ids, _) in enumerate(conversations):
        recent = range(max(0, len(room) - WINDOW), len(room))
        place = next((each for each in recent if room[each] >= len(ids)), None)
        if place is None:
            place = len(room)
            sequences.append([])
            room.append(length)
        sequences[place].append(number)
        room[place] -= len(ids)

    shape = (len(sequences), length)
    packed = {
        "ids": np.full(shape, padding, np.int64),
        "labels": np.full(shape, IGNORED, np.int64),
        "positions": np.zeros(shape, np.int64),
    }
    for row, numbers in enumerate(sequences):
        start = 0
        for number in numbers:
            tokens, said = (np.asarray(part) for part in conversations[number])
            end = start + len(tokens)
            packed["ids"][row, start:end] = tokens
            packed["positions"][row, start:end] = np.arange(len(tokens))
            packed["labels"][row, start : end - 1] = np.where(said[1:], tokens[1:], IGNORED)
            start = end
    return packed
