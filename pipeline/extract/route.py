"""Which lines of a page are its text, and whether trafilatura should be asked too.

A small convolutional network reads a page's lines in order (the idea of BoilerNet, Leonhardt et al. 2020, with
dilated convolutions in place of an LSTM) and gives each a probability of being main content. Its evidence is what
resiliparse says of the page and, where it was asked, trafilatura. pipeline.extract.training makes the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from pipeline.extract.lines import Lines, key_of, membership

WEIGHTS = "route.npz"
DILATIONS = (1, 2, 4)  # with windows of five lines: 14 to each side are seen
KEEP = 0.35  # about half of the F1 that is reached: where to cut for the best expected F1 (Lipton et al. 2014)


@dataclass(frozen=True)
class Choice:
    """kept: bool, a line. expected: the F1 that the probabilities let expect, between 0 and 1."""

    kept: np.ndarray
    expected: float


def choose(lines: Lines, second: str | None = None) -> Choice:
    """The lines that make up the text. second: what trafilatura found, where it was asked.

    Milliseconds: about 1 for 300 lines. Memory: 200 float32 a line.
    """
    if not len(lines.text):
        return Choice(np.zeros(0, dtype=bool), 0.0)
    probability = together(probabilities(evidence(lines, second)), lines)
    kept = probability > KEEP
    weight = lines.words * probability
    expected = 2 * float(weight[kept].sum()) / max(1.0, float(lines.words[kept].sum() + weight.sum()))
    return Choice(between(kept, lines.words), expected)


def evidence(lines: Lines, second: str | None) -> np.ndarray:
    """float32, lines x (FEATURES + 2): a line's features, whether trafilatura was asked, whether it has the line too."""
    asked = np.full((len(lines.text), 1), second is not None, dtype=np.float32)
    also = (
        membership(lines.keys, [key_of(line) for line in second.split("\n")])[:, None]
        if second is not None
        else np.zeros_like(asked)
    )
    return np.hstack([lines.features, asked, also])


def probabilities(features: np.ndarray) -> np.ndarray:
    """float32, of each line to be main content: the mean over the networks."""
    total = np.zeros(len(features), dtype=np.float32)
    for network in networks():
        hidden = np.maximum(features @ network["in"] + network["in_bias"], 0)
        for layer, dilation in enumerate(DILATIONS):
            hidden = hidden + np.maximum(convolved(hidden, network[f"window{layer}"], network[f"bias{layer}"], dilation), 0)
        total += 1 / (1 + np.exp(-np.clip(hidden @ network["out"] + network["out_bias"], -30, 30)))
    return total / len(networks())


def convolved(rows: np.ndarray, window: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
    """rows: lines x channels. window: places x channels x channels, centred on the line; zeros beyond the page's ends."""
    reach = len(window) // 2 * dilation
    padded = np.zeros((len(rows) + 2 * reach, rows.shape[1]), dtype=np.float32)
    padded[reach : reach + len(rows)] = rows
    views = [padded[place * dilation : place * dilation + len(rows)] for place in range(len(window))]
    return np.hstack(views) @ window.reshape(-1, window.shape[2]) + bias


def together(probability: np.ndarray, lines: Lines) -> np.ndarray:
    """One probability for a code block or a table: the mean over its words. Half a table is worth less than none."""
    weight = lines.words + 1e-6
    total = np.bincount(lines.blocks, weight)
    return (np.bincount(lines.blocks, weight * probability) / np.maximum(total, 1e-9))[lines.blocks]


def between(kept: np.ndarray, words: np.ndarray) -> np.ndarray:
    """A line without words (a bracket, a rule) is kept where the lines with words around it are."""
    worded = np.flatnonzero(words)
    if not len(worded):
        return np.zeros_like(kept)
    place = np.searchsorted(worded, np.arange(len(words)))
    before = kept[worded[np.maximum(place - 1, 0)]]
    after = kept[worded[np.minimum(place, len(worded) - 1)]]
    return np.where(words > 0, kept, before & after)


@cache
def networks() -> list[dict[str, np.ndarray]]:
    """The networks of the ensemble: arrays by name. No pickle is read."""
    with (files("pipeline.extract") / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    count = 1 + max(int(name.partition("/")[0]) for name in arrays)
    return [
        scaled({name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{number}/")})
        for number in range(count)
    ]


def scaled(network: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The standardisation of the features goes into the first layer: a page's lines pass once less through memory."""
    enter = network["in"] / network["deviation"][:, None]
    return network | {"in": enter, "in_bias": network["in_bias"] - network["mean"] @ enter}
