"""What stands for a page when pages are compared: its normalised hash, its shingles, its MinHash bands."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np
import xxhash
from rensa import RMinHash

from pipeline.dedup.settings import DedupSettings


def marks() -> str:
    """Every combining mark as a character class: `\\w` leaves out the vowel signs of Thai, Hindi, Burmese, ..."""
    found = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    ends = np.flatnonzero(np.diff(found) > 1)
    firsts, lasts = [found[0], *(found[at + 1] for at in ends)], [*(found[at] for at in ends), found[-1]]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


ASCII_WORD = re.compile(r"[a-z0-9_]+")
PLAIN_WORD, MARK = re.compile(r"\w+"), re.compile(f"[{marks()}]")  # looking for marks first saves most of the time
WORD = re.compile(rf"[\w{marks()}]+")
HAN = re.compile("[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
ABUGIDA = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f]+")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd (Knuth's multiplicative hashing)


def normalised_words(text: str, characters: int) -> list[str]:
    """Words of the first `characters`, NFKC and in lower case: what is left when layout and punctuation do not count.

    In a text without any word (signs, emoji) what stands between blanks counts as words, so that two such texts are the
    same only if they are.
    """
    begin = text[:characters].lower()
    if begin.isascii():  # five times as fast, and the same
        return ASCII_WORD.findall(begin) or begin.split()
    begin = unicodedata.normalize("NFKC", begin).lower()
    return (WORD if MARK.search(begin) else PLAIN_WORD).findall(begin) or begin.split()


def exact_hash(words: Sequence[str]) -> bytes:
    """xxh3-128 of the words: 16 bytes, equal for pages that differ in layout, case or punctuation only."""
    return xxhash.xxh3_128_digest(" ".join(words).encode())


def tokens(words: Sequence[str], han: int, abugida: int, ngram: int) -> tuple[Sequence[str], int]:
    """What a page's shingles are made of, and how many of them make one.

    Words, unless most of the letters belong to a script without blanks: then single characters, `han` of them for
    Chinese and Japanese, `abugida` for Thai, Lao, Khmer and Burmese. The lengths were measured on the declaration of
    human rights (UDHR): the share of n-grams that its two halves have in common by chance is .003 for 5 English words
    and .001 for French ones; for Japanese .010 at 6 characters and .003 at 8, for Chinese .003 and .001; for Thai .008
    at 12 and .001 at 16, for Burmese .014 and .004. Longer ones only make one edit cost more: 5 English words are 11
    Japanese, 7 Chinese or 26 Thai characters of the same text.
    """
    joined = "".join(words)
    if joined.isascii():
        return words, ngram
    for script, width in ((HAN, han), (ABUGIDA, abugida)):
        # Most texts have none of it: one search, which stops at the first, is all they cost.
        if script.search(joined) and 2 * sum(map(len, script.findall(joined))) > len(joined):
            return joined, width
    return words, ngram


def word_hashes(words: Sequence[str]) -> np.ndarray:
    """A 64-bit hash of each word: uint64 [len(words)]. words: none holds a blank, one at least.

    By tabulation (Zobrist 1970; Patrascu and Thorup 2012): a random number for each byte at each place is added up. Three
    times as fast as a look-up a word, and two words share a hash with probability 2^-64. Memory: 20 bytes a byte.
    """
    data = np.frombuffer(" ".join(words).encode(), dtype=np.uint8)
    blanks = np.flatnonzero(data == 32)
    starts, ends = np.append(0, blanks + 1), np.append(blanks, len(data))
    place = np.arange(len(data)) - np.repeat(starts, np.diff(np.append(starts, len(data))))
    sums = np.add.reduceat(BYTE_AT_PLACE[(place & (PLACES - 1)) << 8 | data], starts)
    return mixed(sums + (ends - starts).astype(np.uint64))


def shingles(words: Sequence[str], ngram: int) -> np.ndarray:
    """Hashes of the distinct n-grams of words (or characters), sorted: uint64 [<= len(words)].

    Fewer words than `ngram` make one shingle.
    """
    if not words:
        return np.zeros(0, dtype=np.uint64)
    hashes = word_hashes(words)
    width = min(ngram, len(words))
    grams = hashes[: len(words) - width + 1].copy()
    with np.errstate(over="ignore"):
        for place in range(1, width):
            grams = mixed(grams * MULTIPLIER + hashes[place : len(words) - width + 1 + place])
    grams.sort()
    new = np.ones(len(grams), dtype=bool)
    np.not_equal(grams[1:], grams[:-1], out=new[1:])
    return grams[new]


def page_shingles(words: Sequence[str], settings: DedupSettings) -> np.ndarray:
    """The shingles of a page by its script: uint64, sorted, distinct."""
    return shingles(*tokens(words, settings.han_ngram, settings.abugida_ngram, settings.ngram))


def mixed(values: np.ndarray) -> np.ndarray:
    """Spread every input bit over all 64 (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


PLACES = 64  # bytes of a word after which the numbers repeat
BYTE_AT_PLACE = mixed(np.arange(1, PLACES * 256 + 1, dtype=np.uint64) * MULTIPLIER)
BYTE_AT_PLACE.reshape(PLACES, 256)[:, 32] = 0  # the blank behind a word


def signatures(documents: Sequence[np.ndarray], hashes: int, seed: int) -> np.ndarray:
    """MinHash signatures: uint64 [len(documents), hashes]. documents: the shingles of each.

    Source: Broder 1997; rensa's R-MinHash, whose error is at most that of classic MinHash (tested against the
    true value).
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
