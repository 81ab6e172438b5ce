"""Documents laid end to end and cut into sequences of one length, with the way back to the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Packed:
    """sequences: uint16 or uint32 [number, length]. Spans, all int64 [spans]: tokens start..end (exclusive) of
    `sequence` are from document `doc_id`, its end mark included. dropped: tokens behind the last full sequence."""

    sequences: np.ndarray
    sequence: np.ndarray
    start: np.ndarray
    end: np.ndarray
    doc_id: np.ndarray
    dropped: int


def pack(documents: Sequence[np.ndarray], doc_ids: Sequence[int], length: int, end_mark: int, dtype: np.dtype) -> Packed:
    """Put `end_mark` behind each document, join all, cut into `length` tokens; a rest that fills no sequence is dropped.

    documents: int arrays, one a document. Memory: all tokens twice.
    """
    sizes = np.array([len(document) + 1 for document in documents], dtype=np.int64)
    ends = np.cumsum(sizes)
    flat = np.full(int(sizes.sum()), end_mark, dtype=dtype)
    for document, end in zip(documents, ends, strict=True):
        flat[end - 1 - len(document) : end - 1] = document
    number = len(flat) // length
    used = number * length
    # A span begins where a document or a sequence begins.
    starts = np.union1d(ends - sizes, np.arange(number, dtype=np.int64) * length)
    starts = starts[starts < used]
    stops = np.append(starts[1:], used)
    owner = np.searchsorted(ends, starts, side="right")
    sequence = starts // length
    return Packed(
        sequences=flat[:used].reshape(number, length),
        sequence=sequence,
        start=starts - sequence * length,
        end=stops - sequence * length,
        doc_id=np.array(doc_ids, dtype=np.int64)[owner],
        dropped=len(flat) - used,
    )
