"""What stands for a page when pages are compared: its normalised hash, its shingles, its MinHash bands."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import xxhash
from rensa import RMinHash

WORD = re.compile(r"\w+")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd (Knuth's multiplicative hashing)


def normalised_words(text: str, characters: int) -> list[str]:
    """Words of the first `characters` in lower case: what is left when layout and punctuation do not count."""
    return WORD.findall(text[:characters].lower())


def exact_hash(words: Sequence[str]) -> bytes:
    """xxh3-128 of the words: 16 bytes, equal for pages that differ in layout, case or punctuation only."""
    return xxhash.xxh3_128_digest(" ".join(words).encode())


def shingles(words: Sequence[str], ngram: int) -> np.ndarray:
    """Hashes of the distinct word n-grams, sorted: uint64 [<= len(words)]. Fewer words than `ngram` make one shingle."""
    if not words:
        return np.zeros(0, dtype=np.uint64)
    known: dict[str, int] = {}
    for word in words:
        if word not in known:
            known[word] = xxhash.xxh3_64_intdigest(word.encode())
    hashes = np.fromiter((known[word] for word in words), dtype=np.uint64, count=len(words))
    width = min(ngram, len(words))
    grams = hashes[: len(words) - width + 1].copy()
    with np.errstate(over="ignore"):
        for place in range(1, width):
            grams = mixed(grams * MULTIPLIER + hashes[place : len(words) - width + 1 + place])
    return np.unique(grams)


def mixed(values: np.ndarray) -> np.ndarray:
    """Spread every input bit over all 64 (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def signatures(documents: Sequence[np.ndarray], hashes: int, seed: int) -> np.ndarray:
    """MinHash signatures: uint64 [len(documents), hashes]. documents: the shingles of each.

    Source: Broder 1997; rensa's R-MinHash, whose error is that of classic MinHash (tested against the true value).
    """
    if not documents:
        return np.zeros((0, hashes), dtype=np.uint64)
    offsets = np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype(np.uint64)
    flat = np.concatenate(documents).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, hashes, seed)
    return np.array(matrix.to_rows(), dtype=np.uint64).reshape(len(documents), hashes)


def band_keys(matrix: np.ndarray, bands: int) -> np.ndarray:
    """One key a band: uint64 [documents, bands], equal where all hashes of the band are equal."""
    rows = matrix.reshape(len(matrix), bands, -1)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), rows.shape[:2]).copy()
    with np.errstate(over="ignore"):
        for place in range(rows.shape[2]):
            keys = mixed(keys * MULTIPLIER + rows[:, :, place])
    return keys


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Similarity of two sets of shingles (sorted, distinct); two empty ones are the same."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - common
    return common / union if union else 1.0
