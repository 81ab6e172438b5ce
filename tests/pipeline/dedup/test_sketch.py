from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import combinations

import datasketch
import numpy as np
import pytest
import rensa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.near.candidates import shard_pairs
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import (
    band_keys,
    exact_hash,
    jaccard,
    ngram_hashes,
    normalised,
    page_ngrams,
    shingles,
    signatures,
    token_hashes,
    tokens,
)


def word_sets_jaccard(one: Sequence[str], other: Sequence[str], ngram: int = 5) -> float:
    """By the definition, on the n-grams themselves."""

    def grams(words: Sequence[str]) -> set[tuple[str, ...]]:
        width = min(ngram, len(words))
        return {tuple(words[at : at + width]) for at in range(len(words) - width + 1)} if words else set()

    a, b = grams(one), grams(other)
    return len(a & b) / len(a | b) if a | b else 1.0


def sets_of(texts: Sequence[Sequence[str]], ngram: int) -> list[np.ndarray]:
    return list(map(shingles, ngram_hashes([" ".join(words) for words in texts], [ngram] * len(texts))))


def varied(words: Sequence[str], changes: int, seed: int) -> list[str]:
    """`words` with some of them replaced."""
    chance = random.Random(seed)
    changed = list(words)
    for at in chance.sample(range(len(changed)), changes):
        changed[at] = f"new{chance.randrange(10**6)}"
    return changed


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=30)


@given(one=words, other=words, ngram=st.integers(1, 6))
def test_similarity_of_shingles_is_that_of_the_ngrams(one: list[str], other: list[str], ngram: int) -> None:
    assert jaccard(*sets_of([one, other], ngram)) == pytest.approx(word_sets_jaccard(one, other, ngram))


@pytest.mark.slow
@given(
    texts=st.lists(words, max_size=12),
    ngrams=st.lists(st.integers(1, 6), min_size=12, max_size=12),
    together=st.integers(1, 60),
)
def test_ngrams_are_the_same_whatever_other_texts_they_are_made_with(
    texts: list[list[str]], ngrams: list[int], together: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.dedup.sketch.PASS", together)
        found = ngram_hashes([" ".join(each) for each in texts], ngrams[: len(texts)])
    for each, ngram, hashes in zip(texts, ngrams, found, strict=False):
        assert len(hashes) == (max(1, len(each) - ngram + 1) if each else 0)
        assert hashes.tolist() == ngram_hashes([" ".join(each)], [ngram])[0].tolist()


@given(st.text(st.characters(codec="ascii")))
def test_ascii_text_is_normalised_as_a_regular_expression_would(text: str) -> None:
    expected = re.findall(r"[a-z0-9_]+", text.lower()) or text.lower().split()
    assert normalised(text, 1000) == " ".join(expected)


def test_repeated_ngrams_do_not_change_a_signature() -> None:
    once = np.arange(1, 200, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    one, other = signatures([once, np.concatenate([once, once[:50], once])], 112, seed=1)
    assert one.tolist() == other.tolist()


def test_layout_case_and_punctuation_do_not_make_another_text() -> None:
    one, other = normalised("The  Tide,\nand the boats!", 1000), normalised("the tide AND the — boats", 1000)
    assert exact_hash(one) == exact_hash(other)
    assert exact_hash(one) != exact_hash(normalised("the tide and a boat", 1000))
    assert len(exact_hash(one)) == 16


def test_signatures_estimate_similarity_as_well_as_datasketch() -> None:
    base = [f"w{number}" for number in range(400)]
    texts = [base, *[varied(base, changes, changes) for changes in (2, 5, 10, 20, 40)]]
    sets = sets_of(texts, 5)
    matrix = signatures(sets, 1024, seed=1)
    oracle = []
    for each in sets:
        sketch = datasketch.MinHash(1024, seed=1)
        sketch.update_batch([value.tobytes() for value in each])
        oracle.append(sketch)
    for other in range(1, len(texts)):
        true = word_sets_jaccard(texts[0], texts[other])
        ours = float((matrix[0] == matrix[other]).mean())
        # Four standard errors of 1,024 Bernoulli draws.
        margin = 4 * np.sqrt(true * (1 - true) / 1024)
        assert abs(ours - true) < margin
        assert abs(oracle[0].jaccard(oracle[other]) - true) < margin


def standard_error(similarity: np.ndarray, hashes: int) -> np.ndarray:
    """Of the share of equal hashes (Broder 1997)."""
    return np.sqrt(similarity * (1 - similarity) / hashes)


@pytest.mark.parametrize("who", ["ours", "rensa", "datasketch"])
def test_estimates_are_right_on_average_and_err_no_more_than_theory_says(who: str) -> None:
    """400 pairs of sets at similarities from .1 to .9, 112 hashes: deviations in standard errors have mean 0, variance 1.

    Within four standard deviations of what 400 normal numbers give. rensa's hashes are not independent of each other: for
    sets of few times as many elements as hashes its variance is two thirds of that, for larger ones the same.
    """
    pairs, hashes = 400, 112
    chance = random.Random(8)
    sets, true = [], []
    for pair in range(pairs):
        common, size = (pair % 17 + 2) * 20, 400
        words = [f"p{pair}w{chance.randrange(10**9)}" for _ in range(size)]
        apart = (size - common) // 2
        sets += [words[: common + apart], [*words[:common], *words[common + apart :]]]
        true.append(common / size)
    matrix = signed(who, sets, hashes)
    estimated = (matrix[::2] == matrix[1::2]).mean(axis=1)
    deviations = (estimated - np.array(true)) / standard_error(np.array(true), hashes)
    assert abs(deviations.mean()) < 4 / np.sqrt(pairs)
    assert (1 if who == "datasketch" else 0.5) - 4 * np.sqrt(2 / pairs) < deviations.var() < 1 + 4 * np.sqrt(2 / pairs)


def signed(who: str, sets: Sequence[Sequence[str]], hashes: int) -> np.ndarray:
    """Signatures of sets of words: [sets, hashes]."""
    if who == "ours":
        return signatures(sets_of(sets, 1), hashes, seed=1)
    made = []
    for words in sets:
        if who == "rensa":
            sketch = rensa.RMinHash(hashes, 1)
            sketch.update(list(words))
            made.append(sketch.digest())
        else:
            sketch = datasketch.MinHash(hashes, seed=1)
            sketch.update_batch([word.encode() for word in words])
            made.append(sketch.hashvalues)
    return np.array(made)


def test_bands_agree_exactly_where_all_their_hashes_do() -> None:
    matrix = np.random.default_rng(0).integers(0, 3, (60, 6)).astype(np.uint64)
    keys = band_keys(matrix, bands=3)
    assert keys.shape == (60, 3)
    for one, other in combinations(range(60), 2):
        for band in range(3):
            same = (matrix[one, 2 * band : 2 * band + 2] == matrix[other, 2 * band : 2 * band + 2]).all()
            assert (keys[one, band] == keys[other, band]) == same
    assert len(np.intersect1d(keys[:, 0], keys[:, 1])) == 0  # equal hashes in other bands are no candidates


def test_candidates_are_found_as_often_as_the_formula_says() -> None:
    """1 - (1 - J^8)^14 of the pairs with similarity J share a band (Leskovec et al., Mining of Massive Datasets, 3.4)."""
    expected = found = 0.0
    for seed in range(200):
        base = [f"t{seed}w{number}" for number in range(300)]
        pair = [base, varied(base, 9, seed)]
        similarity = word_sets_jaccard(*pair)
        expected += 1 - (1 - similarity**8) ** 14
        keys = band_keys(signatures(sets_of(pair, 5), 112, seed=1), bands=14)
        found += len(shard_pairs(keys, np.arange(2)))
    assert 100 < expected < 190
    assert found == pytest.approx(expected, abs=25)


def test_vowel_signs_belong_to_their_word() -> None:
    """Hindi "ki" and "ka", Thai "ka" with and without a tone mark: other words, though the letters are the same."""
    for one, other in (("की", "का"), ("กา", "ก่า"), ("한국어", "한국")):
        assert normalised(one, 100) == one
        assert exact_hash(normalised(one, 100)) != exact_hash(normalised(other, 100))


def test_texts_without_a_word_are_the_same_only_if_they_are() -> None:
    stars, hearts = normalised(" ★★★ ", 100), normalised("♥♥♥", 100)
    assert exact_hash(stars) == exact_hash(normalised("★★★", 100)) != exact_hash(hearts)
    assert normalised(" \n", 100) == ""


def test_full_width_letters_are_the_same_as_narrow_ones() -> None:
    assert normalised("ＡＢＣ　１２３ ｶﾀｶﾅ", 100) == "abc 123 カタカナ"


@pytest.mark.parametrize(
    ("text", "width", "pieces"),
    [
        ("この文書はどこで終わるのか、誰も知らない。", 8, 19),
        ("人人生而自由，在尊严和权利上一律平等", 8, 17),
        ("มนุษย์ทั้งหลายเกิดมามีอิสระ", 16, 27),
        ("all people are born free", 5, 5),
        ("모든 인간은 태어날 때부터 자유로우며", 5, 5),
        ("Toyota (トヨタ) builds cars in Japan and elsewhere", 5, 8),
    ],
)
def test_scripts_without_blanks_are_compared_by_characters(text: str, width: int, pieces: int) -> None:
    found, ngram = tokens(normalised(text, 1000), 8, 16, 5)
    assert (ngram, len(found.split(" "))) == (width, pieces)


def test_one_changed_character_does_not_make_a_thai_or_japanese_page_another() -> None:
    for text in (
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。" * 1 + "第一条",
        "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    ):
        long = "".join(f"{text[at:]}{text[:at]}" for at in range(1, len(text), 4))
        changed = long[:100] + "X" + long[101:]
        settings = DedupSettings()
        one, other = map(shingles, page_ngrams([normalised(each, 10**6) for each in (long, changed)], settings))
        width = tokens(normalised(long, 10**6), 8, 16, 5)[1]
        # One character is in `width` shingles of each side: at most 2 x width are not common.
        union = len(np.union1d(one, other))
        assert 1 - 2 * width / union <= jaccard(one, other) < 1


@given(
    words=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Zs", "Cc", "Zl", "Zp")), min_size=1), min_size=1)
)
def test_words_have_one_hash_each_wherever_they_stand(words: list[str]) -> None:
    hashes = token_hashes(" ".join(words))
    alone = [int(token_hashes(word)[0]) for word in words]
    assert hashes.tolist() == alone
    assert len(set(alone)) == len(set(words))


def test_similar_words_have_unrelated_hashes() -> None:
    """Every bit differs in half of the pairs of words that differ in one sign, within five standard deviations."""
    words = [f"w{number:05d}" for number in range(20_000)]
    hashes = token_hashes(" ".join(words))
    assert len(np.unique(hashes)) == len(words)
    bits = np.unpackbits((hashes[::2] ^ hashes[1::2]).view(np.uint8).reshape(-1, 8), axis=1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(len(bits))
