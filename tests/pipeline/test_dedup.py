from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import datasketch
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.store import Location
from pipeline.dedup.candidates import ALL_PAIRS, bucket_pairs, candidate_pairs
from pipeline.dedup.canonical import choose
from pipeline.dedup.components import connected
from pipeline.dedup.decide import Pages
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import band_keys, exact_hash, jaccard, normalised_words, shingles, signatures
from pipeline.dedup.worker import SketchWorker

SETTINGS = DedupSettings()


def word_sets_jaccard(one: Sequence[str], other: Sequence[str], ngram: int = 5) -> float:
    """By the definition, on the n-grams themselves."""

    def grams(words: Sequence[str]) -> set[tuple[str, ...]]:
        width = min(ngram, len(words))
        return {tuple(words[at : at + width]) for at in range(len(words) - width + 1)} if words else set()

    a, b = grams(one), grams(other)
    return len(a & b) / len(a | b) if a | b else 1.0


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
    assert jaccard(shingles(one, ngram), shingles(other, ngram)) == pytest.approx(word_sets_jaccard(one, other, ngram))


def test_layout_case_and_punctuation_do_not_make_another_text() -> None:
    one, other = normalised_words("The  Tide,\nand the boats!", 1000), normalised_words("the tide AND the — boats", 1000)
    assert exact_hash(one) == exact_hash(other)
    assert exact_hash(one) != exact_hash(normalised_words("the tide and a boat", 1000))
    assert len(exact_hash(one)) == 16


def test_signatures_estimate_similarity_as_well_as_datasketch() -> None:
    base = [f"w{number}" for number in range(400)]
    texts = [base, *[varied(base, changes, changes) for changes in (2, 5, 10, 20, 40)]]
    sets = [shingles(text, 5) for text in texts]
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
        keys = band_keys(signatures([shingles(each, 5) for each in pair], 112, seed=1), bands=14)
        found += len(candidate_pairs(keys))
    assert 100 < expected < 190
    assert found == pytest.approx(expected, abs=25)


keys = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), max_size=25)


@given(rows=keys)
def test_candidates_are_the_pairs_that_share_a_key(rows: list[list[int]]) -> None:
    matrix = np.array(rows, dtype=np.uint64).reshape(-1, 2)
    expected = [(a, b) for a, b in combinations(range(len(rows)), 2) if rows[a][0] == rows[b][0] or rows[a][1] == rows[b][1]]
    assert list(map(tuple, candidate_pairs(matrix).tolist())) == expected


def test_a_hot_key_gives_two_edges_a_page_and_still_connects_all() -> None:
    bucket = list(range(1000))
    pairs = bucket_pairs(bucket)
    assert len(pairs) == 999 + 998
    assert connected(pairs) == [bucket]
    assert len(bucket_pairs(bucket[:ALL_PAIRS])) == ALL_PAIRS * (ALL_PAIRS - 1) // 2


edges = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=25)


@given(edges=edges)
def test_components_are_what_a_search_from_every_member_reaches(edges: list[tuple[int, int]]) -> None:
    def reachable(start: int) -> frozenset[int]:
        found, open_ = {start}, [start]
        while open_:
            here = open_.pop()
            for one, other in edges:
                for there in ({other} if one == here else set()) | ({one} if other == here else set()):
                    if there not in found:
                        found.add(there)
                        open_.append(there)
        return frozenset(found)

    expected = {reachable(member) for edge in edges for member in edge}
    assert {frozenset(group) for group in connected(edges)} == {group for group in expected if len(group) > 1}


def test_a_member_that_only_a_chain_connects_is_not_dropped() -> None:
    alike = {(0, 1): 0.9, (1, 2): 0.9, (0, 2): 0.5, (2, 3): 0.85, (1, 3): 0.4, (0, 3): 0.3}
    chosen = choose([0, 1, 2, 3], lambda page: (page,), lambda a, b: alike[min(a, b), max(a, b)], 0.8)
    assert chosen == [(0, 0, 1.0), (1, 0, 0.9), (2, 2, 1.0), (3, 2, 0.85)]


class Silent:
    def advance(self, *_: object, **__: object) -> None:
        """Where no Ray runs nobody follows the progress."""


def decide(
    tmp_path: Path,
    texts: list[str],
    times: list[str] | None = None,
    settings: DedupSettings = SETTINGS,
    priorities: list[int] | None = None,
) -> list[dict]:
    """The decisions on pages with these texts, in two shards."""
    half = len(texts) // 2
    places, sketches = {}, []
    for shard, part in enumerate((range(half), range(half, len(texts)))):
        table = pa.table(
            {
                "doc_id": pa.array([shard << 32 | row for row in range(len(part))], pa.int64()),
                "priority": pa.array([priorities[at] if priorities else 0 for at in part], pa.int32()),
                "fetch_time": [times[at] if times else "" for at in part],
                "text": pa.array([texts[at] for at in part], pa.large_string()),
                "status": ["kept"] * len(part),
            }
        )
        path = tmp_path / f"part-{shard:06d}.parquet"
        pq.write_table(table, path)
        places[shard] = Location.of(path)
        output = Location.of(tmp_path / "out")
        SketchWorker(settings, output, Silent())({"shard": shard, "uri": str(path)})  # type: ignore[arg-type]
        sketches.append(pq.read_table((output / f"signatures/part-{shard:06d}.parquet").open()))
    return Pages(pa.concat_tables(sketches), places, settings).decide().to_pylist()


BASE = [f"word{number}" for number in range(300)]
OTHER = [f"else{number}" for number in range(300)]


def test_the_longest_then_the_earliest_of_the_same_pages_stays(tmp_path: Path) -> None:
    text, longer = " ".join(BASE), " ".join([*BASE, "and", "more"])
    rows = decide(
        tmp_path,
        [text, " ".join(OTHER), text.upper(), longer, longer, "alone here"],
        ["2024-01-01", "", "2023-01-01", "2024-05-01", "2024-04-01", ""],
    )
    ids = [row["doc_id"] for row in rows]
    assert [row["reason"] for row in rows] == ["exact_duplicate", "", "near_duplicate", "exact_duplicate", "", ""]
    assert [ids.index(row["canonical_id"]) for row in rows] == [4, 1, 4, 4, 4, 5]
    true = word_sets_jaccard(BASE, [*BASE, "and", "more"])
    assert [row["similarity"] for row in rows] == pytest.approx([true, 1, true, 1, 1, 1])
    assert [row["kept"] for row in rows] == [row["reason"] == "" for row in rows]


def test_the_source_of_higher_priority_stays_though_it_is_shorter_and_later(tmp_path: Path) -> None:
    text, longer = " ".join(BASE), " ".join([*BASE, "and", "more"])
    rows = decide(tmp_path, [longer, text], ["2023-01-01", "2024-01-01"], priorities=[0, 2])
    assert [row["kept"] for row in rows] == [False, True]


def test_candidates_below_the_threshold_are_let_go(tmp_path: Path) -> None:
    texts = [" ".join(BASE), " ".join(varied(BASE, 13, 1))]
    assert 0.6 < word_sets_jaccard(texts[0].split(), texts[1].split()) < 0.8
    eager = DedupSettings(bands=112, rows=1)  # any equal hash makes a candidate
    assert [row["kept"] for row in decide(tmp_path, texts, settings=eager)] == [True, True]
    low = DedupSettings(bands=112, rows=1, jaccard=0.5)
    assert sorted(row["kept"] for row in decide(tmp_path, texts, settings=low)) == [False, True]


def test_without_near_only_exact_copies_go(tmp_path: Path) -> None:
    texts = [" ".join(BASE), " ".join(varied(BASE, 1, 1)), " ".join(BASE)]
    rows = decide(tmp_path, texts, settings=DedupSettings(near=False))
    assert [row["reason"] for row in rows] == ["", "", "exact_duplicate"]


def test_published_near_duplicates_are_found_and_nothing_else(shared: Path, tmp_path: Path) -> None:
    """News articles with ten known pairs; brute force over all pairs of 5-gram sets is the oracle."""
    truth = [
        tuple(line.split()) for line in (shared / "data/dedup/news_articles.truth").read_text().splitlines() if line.strip()
    ]
    lines = (shared / "data/dedup/news_articles.train").read_text().splitlines()
    known = {name for pair in truth for name in pair}
    chosen = [line.split(" ", 1) for number, line in enumerate(lines) if line.split(" ", 1)[0] in known or number % 4 == 0]
    names, texts = zip(*chosen, strict=True)
    rows = decide(tmp_path, list(texts))
    ids = {row["doc_id"]: name for row, name in zip(rows, names, strict=True)}
    dropped = {frozenset((ids[row["doc_id"]], ids[row["canonical_id"]])) for row in rows if not row["kept"]}
    sets = [shingles(normalised_words(text, 500_000), 5) for text in texts]
    similar = {
        frozenset((names[a], names[b]))
        for a, b in combinations(range(len(texts)), 2)
        if min(len(sets[a]), len(sets[b])) >= 0.8 * max(len(sets[a]), len(sets[b])) and jaccard(sets[a], sets[b]) >= 0.8
    }
    assert dropped == similar
    assert dropped <= {frozenset(pair) for pair in truth}
    assert len(dropped) >= 8
