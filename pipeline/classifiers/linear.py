"""A linear classifier of texts on hashed n-grams: quality and toxicity, seconds to train, a float a text to keep.

What fastText's supervised mode does (Joulin et al. 2016) without the embedding between: for two classes it only halves
the rank of a weight per n-gram. n-gram counts are dampened and each text has length one (as in LIBLINEAR's guide); the
weights minimise the logistic loss with an L2 penalty, which has one minimum: no seed and no order of texts matters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
import xxhash

from pipeline.classifiers.settings import LinearSettings
from pipeline.hashing import MULTIPLIER, mixed

TOKEN = re.compile(r"\w+|[^\w\s]")
SPACE = re.compile(r"\s+")
SENTENCE_END = re.compile(r"[.!?]\s+|\n")
FIRST = np.array([True])
REMEMBERED = 300_000  # words whose hash a process keeps: some 40 MB


class WordHashes(dict[str, int]):
    """A word -> its xxh3-64, looked up once."""

    def __missing__(self, word: str) -> int:
        number = self[word] = xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
        return number


class Features:
    """A text as weighted buckets of its n-grams. Memory: 40 bytes an n-gram of one text."""

    def __init__(self, settings: LinearSettings) -> None:
        self.settings, self.known = settings, WordHashes()
        self.mask = np.uint64((1 << settings.bits) - 1)

    def __call__(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """(buckets int64 ascending, weights float32 of length one together), both [distinct]; empty for an empty text."""
        text = text[: self.settings.characters].lower()
        hashes = [*self.of_words(text), *self.of_letters(text)]
        if not hashes or not sum(map(len, hashes)):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        # What np.unique does, without its overhead: passages are short.
        ordered = np.sort((np.concatenate(hashes) & self.mask).astype(np.uint32))
        edges = np.flatnonzero(np.concatenate((FIRST, ordered[1:] != ordered[:-1], FIRST)))
        weights = 1 + np.log(np.diff(edges).astype(np.float32))
        return ordered[edges[:-1]].astype(np.int64), weights / np.sqrt(weights @ weights)

    def of_words(self, text: str) -> Iterable[np.ndarray]:
        if not self.settings.words:
            return
        if len(self.known) > REMEMBERED:
            self.known = WordHashes()
        tokens = TOKEN.findall(text)
        yield from orders(
            np.fromiter(map(self.known.__getitem__, tokens), dtype=np.uint64, count=len(tokens)), 1, self.settings.words
        )

    def of_letters(self, text: str) -> Iterable[np.ndarray]:
        if not self.settings.most_letters:
            return
        letters = np.frombuffer(f" {SPACE.sub(' ', text)} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        yield from orders(letters.astype(np.uint64), self.settings.least_letters, self.settings.most_letters)


def orders(units: np.ndarray, least: int, most: int) -> Iterable[np.ndarray]:
    """Hashes of the n-grams of each order from `least` to `most`: uint64 [len(units) - order + 1] each."""
    grams = np.zeros(len(units), dtype=np.uint64)
    for order in range(1, min(most, len(units)) + 1):
        with np.errstate(over="ignore"):
            grams = mixed(grams[: len(units) - order + 1] * MULTIPLIER + units[order - 1 :] + np.uint64(1))
        if order >= least:
            yield grams


@dataclass(frozen=True)
class Matrix:
    """Texts as rows: those of text i are columns[starts[i] : starts[i + 1]], int64, and weights, float32."""

    columns: np.ndarray
    weights: np.ndarray
    starts: np.ndarray

    def times(self, vector: np.ndarray) -> np.ndarray:
        """float64 [texts]"""
        sums = np.concatenate(([0.0], np.cumsum(self.weights * vector[self.columns], dtype=np.float64)))
        return sums[self.starts[1:]] - sums[self.starts[:-1]]

    def transposed_times(self, vector: np.ndarray, columns: int) -> np.ndarray:
        """float64 [columns]"""
        spread = np.repeat(vector, np.diff(self.starts))
        return np.bincount(self.columns, weights=self.weights * spread, minlength=columns)


def matrix(texts: Iterable[str], features: Features) -> Matrix:
    rows = [features(text) for text in texts]
    return Matrix(
        np.concatenate([np.zeros(0, dtype=np.int64), *(row[0] for row in rows)]),
        np.concatenate([np.zeros(0, dtype=np.float32), *(row[1] for row in rows)]),
        np.concatenate(([0], np.cumsum([len(row[0]) for row in rows], dtype=np.int64))),
    )


@dataclass(frozen=True)
class Classifier:
    """weights: float32 [2 ** bits], one a bucket; bias: of the balanced classes, so that 0.5 is between them."""

    weights: np.ndarray
    bias: float
    settings: LinearSettings
    features: Features

    def score(self, texts: Iterable[str]) -> np.ndarray:
        """How probable the positive class is for each text, were both as frequent: float32 [texts].

        With `settings.passage` it is that of the passage where it is highest: three abusive sentences make 1 page of C4
        in 6 stand out as a whole, 7 in 8 by passages of 250 characters. Memory: one text's n-grams.
        """
        highest = []
        for text in texts:
            text = text[: self.settings.characters]
            parts = passages(text, self.settings.passage) if self.settings.passage else [text]
            highest.append(max(map(self.margin, parts), default=self.bias))
        return (1 / (1 + np.exp(-np.array(highest, dtype=np.float64)))).astype(np.float32)

    def margin(self, text: str) -> float:
        buckets, weights = self.features(text)
        return float(self.weights[buckets] @ weights) + self.bias if len(buckets) else self.bias

    def to_bytes(self) -> bytes:
        """A safetensors file: the weights that are not 0 and their buckets, the settings as its metadata."""
        buckets = np.flatnonzero(self.weights).astype(np.int32)
        return safetensors.numpy.save(
            {"buckets": buckets, "weights": self.weights[buckets], "bias": np.array([self.bias])},
            metadata={"settings": self.settings.model_dump_json()},
        )


def passages(text: str, least: int) -> list[str]:
    """Of whole sentences or lines, each of at least `least` characters but for the last; none for an empty text."""
    found, begin = [], 0
    for end in (match.end() for match in SENTENCE_END.finditer(text)):
        if end - begin >= least:
            found.append(text[begin:end])
            begin = end
    return [*found, text[begin:]] if begin < len(text) else found


def load(data: bytes) -> Classifier:
    """What `to_bytes` wrote. Raises SafetensorError where it is something else."""
    tensors = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    settings = LinearSettings.model_validate_json(header["__metadata__"]["settings"])
    weights = np.zeros(1 << settings.bits, dtype=np.float32)
    weights[tensors["buckets"]] = tensors["weights"]
    return Classifier(weights, float(tensors["bias"][0]), settings, Features(settings))


def train(texts: Sequence[str], labels: Sequence[bool], settings: LinearSettings) -> Classifier:
    """The classifier whose positive class are the texts labelled True. Both classes weigh the same, however many texts.

    Raises ValueError where a class has no text. Memory: 12 bytes a distinct n-gram of a text (about 10 kB a page of
    words alone) and, in L-BFGS, 160 bytes an n-gram of the vocabulary.
    """
    truth = np.asarray(labels, dtype=bool)
    positives = int(truth.sum())
    if not 0 < positives < len(truth):
        raise ValueError(f"{positives} of {len(truth)} texts are positive; a classifier needs texts of both classes")
    features = Features(settings)
    rows = matrix(texts, features)
    # Only n-grams that were seen often enough get a weight; the others stay 0, at no cost.
    buckets, inverse, counts = np.unique(rows.columns, return_inverse=True, return_counts=True)
    often = counts >= settings.least_documents
    kept = often[inverse]
    number = np.cumsum(often) - 1
    ends = np.concatenate(([0], np.cumsum(kept)))[rows.starts]
    small = Matrix(number[inverse[kept]], rows.weights[kept], ends)
    importance = np.where(truth, len(truth) / (2 * positives), len(truth) / (2 * (len(truth) - positives)))
    solution = minimise(small, np.where(truth, 1.0, -1.0), importance, int(often.sum()), settings)
    weights = np.zeros(1 << settings.bits, dtype=np.float32)
    weights[buckets[often]] = solution[:-1]
    return Classifier(weights, float(solution[-1]), settings, features)


def minimise(rows: Matrix, signs: np.ndarray, importance: np.ndarray, columns: int, settings: LinearSettings) -> np.ndarray:
    """Weights and, last, the bias that minimise sum(importance * log(1 + exp(-sign * margin))) + penalty / 2 * |weights|^2.

    signs, importance: float64 [texts]. Returns float64 [columns + 1].
    """
    import torch  # half a second that only training needs

    point = torch.zeros(columns + 1, dtype=torch.float64)
    optimiser = torch.optim.LBFGS([point], max_iter=settings.steps, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def loss() -> float:
        at = point.numpy()
        margins = signs * (rows.times(at[:-1]) + at[-1])
        slope = -importance * signs * np.exp(-np.logaddexp(0, margins))
        gradient = np.append(rows.transposed_times(slope, columns) + settings.regularisation * at[:-1], slope.sum())
        point.grad = torch.from_numpy(gradient)
        return float(importance @ np.logaddexp(0, -margins) + settings.regularisation / 2 * (at[:-1] @ at[:-1]))

    optimiser.step(loss)
    return point.numpy()


def cut(scores: np.ndarray, keep: float) -> float:
    """The score from which on the best `keep` of these texts are. Scores of ties at the cut all stay."""
    ordered = np.sort(scores)
    return float(ordered[len(ordered) - max(1, round(keep * len(ordered)))]) if len(ordered) else 0.0


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> float:
    """How probable it is that a positive scores above a negative (ties half): the ROC curve's area (Mann and Whitney)."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat((edges[:-1] + edges[1:] + 1) / 2, np.diff(edges))
    truth = np.asarray(labels, dtype=bool)
    positives = int(truth.sum())
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives)))
