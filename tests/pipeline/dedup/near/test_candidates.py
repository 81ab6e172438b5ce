from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.near.candidates import ALL_PAIRS, group_pairs, representatives_of, shard_pairs, shard_run
from pipeline.dedup.near.components import union_find

matrices = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), max_size=25)


def pairs_of(found: np.ndarray) -> set[tuple[int, int]]:
    assert len({tuple(pair) for pair in found.tolist()}) == len(found)
    return {(low, high) for low, high in found.tolist()}


@given(rows=matrices)
def test_candidates_of_a_shard_are_the_pairs_that_share_a_key(rows: list[list[int]]) -> None:
    keys = np.array(rows, dtype=np.uint64).reshape(-1, 2) + np.array([0, 10], dtype=np.uint64)
    ids = np.arange(len(rows)) * 7 + 3
    expected = {(int(ids[a]), int(ids[b])) for a, b in combinations(range(len(rows)), 2) if (keys[a] == keys[b]).any()}
    assert pairs_of(shard_pairs(keys, ids)) == expected


def test_a_hot_key_gives_one_edge_a_page_and_still_connects_all() -> None:
    ids = np.random.default_rng(0).permutation(1000)
    pairs = group_pairs(np.zeros(1000, dtype=np.uint64), ids)
    assert len(pairs) == 999
    members, smallest = union_find(pairs[:, 0], pairs[:, 1])
    assert members.tolist() == list(range(1, 1000))
    assert set(smallest.tolist()) == {0}
    few = group_pairs(np.zeros(ALL_PAIRS, dtype=np.uint64), np.arange(ALL_PAIRS))
    assert len(few) == ALL_PAIRS * (ALL_PAIRS - 1) // 2


@given(sizes=st.lists(st.integers(1, 12), max_size=8), number=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_shard_sends_on_the_smallest_and_at_most_so_many_rows_of_a_key(sizes: list[int], number: int, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    ids = np.random.default_rng(seed).permutation(len(groups)).astype(np.int64)
    rows = representatives_of(groups, ids, number)
    for group, size in enumerate(sizes):
        sent = ids[rows[groups[rows] == group]].tolist()
        assert len(set(sent)) == len(sent) == min(size, number)
        assert int(ids[groups == group].min()) in sent


def test_a_template_on_50_000_pages_costs_a_bounded_number_of_rows_and_pairs() -> None:
    """Half of the bands are the template's, the others each page's own."""
    chance = np.random.default_rng(1)
    keys = chance.integers(0, 2**63, (50_000, 14)).astype(np.uint64)
    keys[:, ::2] = keys[0, ::2]
    ids = np.arange(50_000)
    run = shard_run(keys, ids, 4)
    assert run.num_rows == 7 * 4 + 7 * 50_000
    hot, counts = np.unique(run["key"].to_numpy(), return_counts=True)
    assert counts.max() == 4
    assert set(hot[counts == 4].tolist()) == set(keys[0, ::2].tolist())
    assert len(shard_pairs(keys, ids)) == 49_999  # one star for all bands
    # 100 shards of the same: the key meets 400 rows, not five million.
    groups = np.zeros(400, dtype=np.uint64)
    assert len(group_pairs(groups, np.arange(400) << 32)) == 399


def test_representatives_keep_the_kinds_of_a_shared_template_apart() -> None:
    """Five kinds of pages share one band; pairs of equal kind lie in different shards. With one row a shard most are lost."""
    kinds, shards = 4, 6
    lost = {}
    for number in (1, 4):
        groups, ids, kind_of = [], [], {}
        for shard in range(shards):
            kind = np.repeat(np.arange(kinds), 10)
            own = (shard << 32) + np.random.default_rng(shard).permutation(len(kind))
            keys = np.stack([np.full(len(kind), 1, dtype=np.uint64), (kind + 100).astype(np.uint64)], axis=1)
            run = shard_run(keys[:, :1].repeat(2, axis=1) if number < 0 else keys, own, number)
            template = run["key"].to_numpy() == 1
            groups.append(run["key"].to_numpy()[template])
            ids.append(run["representative"].to_numpy()[template])
            kind_of |= dict(zip(own.tolist(), kind.tolist(), strict=True))
        pairs = group_pairs(np.concatenate(groups), np.concatenate(ids))
        alike = {(kind_of[a], a >> 32, b >> 32) for a, b in pairs.tolist() if kind_of[a] == kind_of[b] and a >> 32 != b >> 32}
        kinds_met = {kind for kind, *_ in alike}
        lost[number] = kinds - len(kinds_met)
    assert lost[4] == 0
    assert lost[1] >= 1
