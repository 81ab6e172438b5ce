"""Packing conversations: whole ones, side by side in fixed-length sequences, each blind to the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

IGNORED = -100  # label of a token that is not learned: torch's cross_entropy ignores it


def pack(conversations: Sequence[tuple[Sequence[int], Sequence[bool]]], length: int, padding: int) -> dict[str, np.ndarray]:
    """Pack (ids, said) conversations of at most `length` tokens, first fit, in the order given.

    Returns int64 [sequences, length] each: `ids`; `labels`, the id to be predicted at each position, or
    IGNORED where the assistant does not say it; `positions`, which start from 0 in each conversation.
    transformers reads the restarts as borders that attention does not cross; padding is at position 0.
    """
    sequences: list[list[int]] = []  # numbers of the conversations in each
    room: list[int] = []
    open_from = 0  # sequences before it are as good as full
    for number, (ids, _) in enumerate(conversations):
        place = next((each for each in range(open_from, len(room)) if room[each] >= len(ids)), None)
        if place is None:
            place = len(room)
            sequences.append([])
            room.append(length)
        sequences[place].append(number)
        room[place] -= len(ids)
        while open_from < len(room) and (room[open_from] < 8 or len(room) - open_from > 64):
            open_from += 1

    shape = (len(sequences), length)
    packed = {
        "ids": np.full(shape, padding, np.int64),
        "labels": np.full(shape, IGNORED, np.int64),
        "positions": np.zeros(shape, np.int64),
    }
    for row, numbers in enumerate(sequences):
        start = 0
        for number in numbers:
            ids, said = np.asarray(conversations[number][0]), np.asarray(conversations[number][1], bool)
            end = start + len(ids)
            packed["ids"][row, start:end] = ids
            packed["positions"][row, start:end] = np.arange(len(ids))
            packed["labels"][row, start : end - 1] = np.where(said[1:], ids[1:], IGNORED)
            start = end
    return packed
