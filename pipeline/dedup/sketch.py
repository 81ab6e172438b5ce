"""What stands for a page when pages are compared: its normalised hash, its shingles, its MinHash bands."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
import xxhash
from rensa import RMinHash

from pipeline.dedup.settings import DedupSettings
from pipeline.groups import begins
from pipeline.hashing import MULTIPLIER, mixed


def marks() -> str:
    """Every combining mark as a character class: `\\w` leaves out the vowel signs of Thai, Hindi, Burmese, ..."""
    found = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    ends = np.flatnonzero(np.diff(found) > 1)
    firsts, lasts = [found[0], *(found[at + 1] for at in ends)], [*(found[at] for at in ends), found[-1]]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


# Of ASCII text: letters in lower case, digits and underscores as they are, all else a blank.
ASCII_WORDS = bytes(ord(chr(code).lower()) if chr(code).isalnum() or code == 95 else 32 for code in range(128)) + bytes(128)
PLAIN_WORD, MARK = re.compile(r"\w+"), re.compile(f"[{marks()}]")  # looking for marks first saves most of the time
WORD = re.compile(rf"[\w{marks()}]+")
HAN = re.compile("[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
ABUGIDA = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f]+")


def normalised(text: str, characters: int) -> str:
    """The first `characters` without layout and punctuation: their words, NFKC and in lower case, with a blank between two.

    In a text without any word (signs, emoji) what stands between blanks counts as words, so that two such texts are the
    same only if they are.
    """
    begin = text[:characters]
    if begin.isascii():  # ten times as fast, and the same
        return b" ".join(begin.encode().translate(ASCII_WORDS).split()).decode() or " ".join(begin.lower().split())
    begin = unicodedata.normalize("NFKC", begin.lower()).lower()
    return " ".join((WORD if MARK.search(begin) else PLAIN_WORD).findall(begin) or begin.split())


def exact_hash(words: str) -> bytes:
    """xxh3-128 of a normalised text: 16 bytes, equal for pages that differ in layout, case or punctuation only."""
    return xxhash.xxh3_128_digest(words.encode())


def tokens(words: str, han: int, abugida: int, ngram: int) -> tuple[str, int]:
    """What a page's shingles are made of, a blank between two, and how many of them make one. words: normalised.

    Words, unless most of the letters belong to a script without blanks: then single characters, `han` of them for
    Chinese and Japanese, `abugida` for Thai, Lao, Khmer and Burmese. The lengths were measured on the declaration of
    human rights (UDHR): the share of n-grams that its two halves have in common by chance is .003 for 5 English words
    and .001 for French ones; for Japanese .010 at 6 characters and .003 at 8, for Chinese .003 and .001; for Thai .008
    at 12 and .001 at 16, for Burmese .014 and .004. Longer ones only make one edit cost more: 5 English words are 11
    Japanese, 7 Chinese or 26 Thai characters of the same text.
    """
    if words.isascii():
        return words, ngram
    joined = words.replace(" ", "")
    for script, width in ((HAN, han), (ABUGIDA, abugida)):
        # Most texts have none of it: one search, which stops at the first, is all they cost.
        if script.search(joined) and 2 * sum(map(len, script.findall(joined))) > len(joined):
            return " ".join(joined), width
    return words, ngram


def token_hashes(text: str) -> np.ndarray:
    """A 64-bit hash of each token: uint64 [tokens]. text: tokens with a blank between two, one at least.

    By tabulation (Zobrist 1970; Patrascu and Thorup 2012): a random number for each byte at each place is added up. Three
    times as fast as a look-up a word, and two words share a hash with probability 2^-64. Memory: 30 bytes a byte.
    """
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    starts = np.append(0, np.flatnonzero(data == 32) + 1)
    widths = np.diff(np.append(starts, len(data) + 1))
    place = np.arange(len(data)) - np.repeat(starts, widths)[: len(data)]
    sums = np.add.reduceat(BYTE_AT_PLACE[(place & (PLACES - 1)) << 8 | data], starts)
    return mixed(sums + (widths - 1).astype(np.uint64))


def ngram_hashes(texts: Sequence[str], widths: Sequence[int]) -> list[np.ndarray]:
    """Hashes of the n-grams of each text, in order and as often as they occur: uint64 [tokens - width + 1].

    texts: tokens with a blank between two. Fewer tokens than `width` make one n-gram. Texts are worked on together, some
    PASS characters at a time, because most are so short that calling numpy would take longer than its work.
    """
    found = [np.zeros(0, dtype=np.uint64)] * len(texts)
    counts = [text.count(" ") + 1 if text else 0 for text in texts]
    together: dict[int, list[int]] = {}
    for at, (width, count) in enumerate(zip(widths, counts, strict=True)):
        together.setdefault(min(width, count), []).append(at)
    for width, members in together.items():
        for batch in by_size(members, texts) if width else ():
            grams = hashes = token_hashes(" ".join([texts[at] for at in batch]))
            with np.errstate(over="ignore"):
                for place in range(1, width):  # those that reach into the next text are left out below
                    grams = mixed(grams[:-1] * MULTIPLIER + hashes[place:])
            begin = 0
            for at in batch:
                found[at] = grams[begin : begin + counts[at] - width + 1]
                begin += counts[at]
    return found


def by_size(members: Sequence[int], texts: Sequence[str]) -> Iterator[list[int]]:
    """Runs of `members` whose texts have PASS characters together, or one that has more."""
    batch, size = list[int](), 0
    for at in members:
        if batch and size + len(texts[at]) > PASS:
            yield batch
            batch, size = [], 0
        batch.append(at)
        size += len(texts[at])
    if batch:
        yield batch


def page_ngrams(texts: Sequence[str], settings: DedupSettings) -> list[np.ndarray]:
    """The n-grams of normalised pages, each by its script: as `ngram_hashes`."""
    made = [tokens(text, settings.han_ngram, settings.abugida_ngram, settings.ngram) for text in texts]
    return ngram_hashes([text for text, _ in made], [width for _, width in made])


def shingles(ngrams: np.ndarray) -> np.ndarray:
    """The set of a page's n-grams: uint64, sorted, distinct."""
    ordered = np.sort(ngrams)
    return ordered[begins(ordered)]


PASS = 1 << 17  # characters whose hashes still fit the processor's caches
PLACES = 64  # bytes of a word after which the numbers repeat
BYTE_AT_PLACE = mixed(np.arange(1, PLACES * 256 + 1, dtype=np.uint64) * MULTIPLIER)
BYTE_AT_PLACE.reshape(PLACES, 256)[:, 32] = 0  # the blank behind a word


def signatures(documents: Sequence[np.ndarray], hashes: int, seed: int) -> np.ndarray:
    """MinHash signatures: uint64 [len(documents), hashes]. documents: the n-grams of each; repetitions change nothing.

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
