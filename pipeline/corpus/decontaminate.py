"""Texts of benchmarks in a corpus: found by word 13-grams, paragraph by paragraph.

Brown et al. 2020 introduced 13-grams of normalised words; that a paragraph goes when at least half of its n-grams are a
benchmark's is marin's rule. One shared 13-gram is often a quotation or an idiom, half a paragraph of them is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import xxhash

from pipeline.hashing import MULTIPLIER, mixed
from pipeline.read.data_files import rows, strings

WORD = re.compile(r"\w+")
NGRAM = 13
LEAST_WORDS = 8  # a shorter benchmark text is no evidence wherever it stands
BLOCK = 4096  # benchmark texts hashed together


@dataclass(frozen=True)
class Benchmark:
    """What a recipe evaluates on. hashes: uint64 [n] sorted, distinct; source: int32 [n], the text that each is from.

    names: (file, item) of each text; widths: the orders of n-gram among the hashes, shortest first; maybe: bool [2^k],
    whether some hash ends in these k bits, which spares most n-grams of a corpus the search. 20 to 28 bytes an n-gram.
    """

    hashes: np.ndarray
    source: np.ndarray
    names: Sequence[tuple[str, int]]
    widths: Sequence[int]
    maybe: np.ndarray


@dataclass(frozen=True)
class Hit:
    """A paragraph that shares n-grams with a benchmark. overlap: share of the paragraph's n-grams that are some benchmark's.

    file, item: the benchmark text with most of them, item counted from 0; ngrams: how many of this text's.
    """

    paragraph: int
    overlap: float
    file: str
    item: int
    ngrams: int


@dataclass(frozen=True)
class Cleaned:
    """text: without the paragraphs that went, "" where all did; dropped: how many went; hits: of all paragraphs."""

    text: str
    dropped: int
    hits: list[Hit]


def words(text: str) -> list[str]:
    """In lower case, without punctuation and layout."""
    return WORD.findall(text.lower())


def token_hashes(tokens: Sequence[str]) -> np.ndarray:
    """xxh3-64 of each word: uint64 [len(tokens)]."""
    known = {token: xxhash.xxh3_64_intdigest(token.encode()) for token in set(tokens)}
    return np.fromiter(map(known.__getitem__, tokens), dtype=np.uint64, count=len(tokens))


def ngram_hashes(hashes: np.ndarray, widths: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """For each width, shortest first, a 64-bit hash of each n-gram in order: uint64 [max(0, len(hashes) - width + 1)].

    Two different n-grams share one with probability 2^-64: against 10^8 of a benchmark, one n-gram of a corpus in 10^11.
    """
    grams = np.zeros(len(hashes), dtype=np.uint64)
    for width in range(1, max(widths, default=0) + 1):
        count = max(0, len(hashes) - width + 1)
        with np.errstate(over="ignore"):
            grams = mixed(grams[:count] * MULTIPLIER + hashes[width - 1 : width - 1 + count])
        if width in widths:
            yield width, grams


def benchmark(texts: Iterable[tuple[str, int, str]]) -> Benchmark:
    """Index of (file, item, text). A text of fewer than 13 words counts as one n-gram, of fewer than 8 not at all.

    Memory: 40 bytes an n-gram while it is built. Of texts that share an n-gram, the first is named.
    """
    names: list[tuple[str, int]] = []
    split: list[list[str]] = []
    grams, source = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int32)]
    widths: set[int] = set()

    def add() -> None:
        sizes = np.fromiter(map(len, split), dtype=np.int32, count=len(split))
        of = np.repeat(np.arange(len(split), dtype=np.int32), sizes)
        wanted = np.minimum(sizes, NGRAM)
        widths.update(wanted.tolist())
        for width, hashes in ngram_hashes(token_hashes(list(chain.from_iterable(split))), sorted(set(wanted.tolist()))):
            begins = of[: len(hashes)]
            chosen = (begins == of[width - 1 :]) & (wanted[begins] == width)
            grams.append(hashes[chosen])
            source.append(begins[chosen] + np.int32(len(names) - len(split)))
        split.clear()

    for file, item, text in texts:
        tokens = words(text)
        if len(tokens) >= LEAST_WORDS:
            names.append((file, item))
            split.append(tokens)
            if len(split) == BLOCK:
                add()
    add()
    flat = np.concatenate(source)
    order = np.argsort(flat, kind="stable")  # the first text with an n-gram is the one that is named
    hashes, first = np.unique(np.concatenate(grams)[order], return_index=True)
    maybe = np.zeros(1 << (8 * max(len(hashes), 1)).bit_length(), dtype=bool)
    maybe[hashes & np.uint64(len(maybe) - 1)] = True
    return Benchmark(hashes, flat[order][first], names, sorted(widths), maybe)


def hits(text: str, index: Benchmark) -> list[Hit]:
    """Every paragraph (a line with something in it) that shares an n-gram with a benchmark, in order.

    A paragraph's overlap is the share of its 13-grams that are a benchmark's. A benchmark text of fewer words is in a
    paragraph as a whole or not: its share is that of the paragraph's words that it fills. The larger of both counts.
    """
    split = list(map(words, paragraphs(text)))
    sizes = np.fromiter(map(len, split), dtype=np.int64, count=len(split))
    line = np.repeat(np.arange(len(split)), sizes)
    starts = np.cumsum(sizes) - sizes
    overlap: dict[int, float] = {}
    places: dict[int, list[np.ndarray]] = {}
    for width, grams in ngram_hashes(token_hashes(list(chain.from_iterable(split))), index.widths):
        inside = line[: len(grams)] == line[width - 1 :]
        candidates = np.flatnonzero(inside & index.maybe[grams & np.uint64(len(index.maybe) - 1)])
        place = np.searchsorted(index.hashes, grams[candidates])
        same = index.hashes[np.minimum(place, len(index.hashes) - 1)] == grams[candidates]
        candidates, place = candidates[same], place[same]
        numbers, firsts = np.unique(line[candidates], return_index=True)  # candidates ascend, so a line's stand together
        for number, first, end in zip(numbers.tolist(), firsts, np.append(firsts, len(candidates))[1:], strict=True):
            found, size = candidates[first:end] - starts[number], int(sizes[number])
            share = len(found) / (size - NGRAM + 1) if width == NGRAM else covered(found, width, size) / size
            overlap[number] = max(overlap.get(number, 0.0), share)
            places.setdefault(number, []).append(place[first:end])
    return [strongest(number, overlap[number], np.concatenate(places[number]), index) for number in sorted(overlap)]


def covered(starts: np.ndarray, width: int, words: int) -> int:
    """How many of a paragraph's words lie in one of the n-grams at `starts`."""
    edges = np.zeros(words + 1, dtype=np.int64)
    edges[starts] += 1
    edges[starts + width] -= 1
    return int(np.count_nonzero(np.cumsum(edges[:-1]) > 0))


def strongest(paragraph: int, overlap: float, places: np.ndarray, index: Benchmark) -> Hit:
    counts = np.bincount(index.source[places])
    best = int(counts.argmax())
    return Hit(paragraph, overlap, *index.names[best], int(counts[best]))


def paragraphs(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.isspace()]


def decontaminate(text: str, index: Benchmark, overlap: float = 0.5) -> Cleaned:
    """A text without the paragraphs of which at least `overlap` is a benchmark's. Nothing else of it changes."""
    found = hits(text, index)
    gone = {hit.paragraph for hit in found if hit.overlap >= overlap}
    if not gone:
        return Cleaned(text, 0, found)
    lines, number = [], -1
    for line in text.split("\n"):
        number += bool(line.strip())
        if not line.strip() or number not in gone:
            lines.append(line)
    return Cleaned(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n"), len(gone), found)


def read_benchmarks(uris: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """(file name, item from 0, text) of every item of benchmark files (pipeline.read.data_files): each of its strings is a
    text, nested ones included (a prompt, an answer). Memory: one file. Raises RequestError naming a file that cannot be read.
    """
    for name, item, value in rows(uris):
        for text in strings(value):
            yield name, item, text
