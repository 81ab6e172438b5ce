"""Rows that stand together in sorted columns."""

from __future__ import annotations

import numpy as np


def begins(*columns: np.ndarray) -> np.ndarray:
    """bool [n]: where the sorted columns, n rows each, hold other values than in the row before; true of the first row."""
    new = np.ones(len(columns[0]), dtype=bool)
    new[1:] = np.logical_or.reduce([values[1:] != values[:-1] for values in columns])
    return new


def group_starts(*columns: np.ndarray) -> np.ndarray:
    """int64 [groups]: the first row of each group of equal values in sorted columns."""
    return np.flatnonzero(begins(*columns))
