from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import WorkError
from cluster.store import Location, shard_records
from pipeline.dedup.near.component_phases import components, read_edges
from pipeline.dedup.near.components import fingerprint, union_find
from pipeline.dedup.runs import run_bytes

edges = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)).filter(lambda edge: edge[0] != edge[1]), max_size=25)


def reachable(pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Every member but the smallest -> the smallest that a search from it reaches."""
    found = {}
    for start in {member for pair in pairs for member in pair}:
        seen, open_ = {start}, [start]
        while open_:
            here = open_.pop()
            for one, other in pairs:
                for there in ({other} if one == here else set()) | ({one} if other == here else set()):
                    if there not in seen:
                        seen.add(there)
                        open_.append(there)
        if min(seen) != start:
            found[start] = min(seen)
    return found


class InFiles:
    """Runs the phases one after the other below a directory."""

    def __init__(self, place: Path) -> None:
        self.place, self.names = Location.of(place), list[str]()

    def write(self, pairs: list[tuple[int, int]], files: int) -> list[Location]:
        places = []
        for file in range(files):
            own = sorted((max(pair), min(pair)) for pair in pairs[file::files])
            table = pa.table(
                {"low": pa.array([b for _, b in own], pa.int64()), "high": pa.array([a for a, _ in own], pa.int64())}
            )
            places.append(self.place / f"edges-{file}.parquet")
            places[-1].write_bytes(run_bytes(table))
        return places

    def __call__(self, name: str, units: list[dict[str, Any]], worker: Any, *arguments: Any) -> Any:
        self.names.append(name)
        output = self.place / name
        done = shard_records(output)
        work = worker(*arguments, output)
        for unit in units:
            if unit["shard"] not in done:
                work(unit)
        return output, shard_records(output)

    def labels(self, pairs: list[tuple[int, int]], files: int, buckets: int, most: int, rounds: int = 60) -> dict[int, int]:
        places = components(self, self.write(pairs, files), len(pairs), buckets, most, rounds)
        found: dict[int, int] = {}
        for bucket in range(buckets):
            members, smallest = read_edges(places, bucket)
            assert not set(members.tolist()) & set(found)
            found |= dict(zip(members.tolist(), smallest.tolist(), strict=True))
        return found


@given(pairs=edges)
def test_union_find_gives_each_member_the_smallest_that_a_search_reaches(pairs: list[tuple[int, int]]) -> None:
    low, high = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    members, smallest = union_find(low, high)
    assert dict(zip(members.tolist(), smallest.tolist(), strict=True)) == reachable(pairs)


@settings(max_examples=15, deadline=None)
@given(pairs=edges, buckets=st.sampled_from([1, 2, 8]), files=st.integers(1, 3))
def test_stars_over_files_give_what_union_find_gives(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], buckets: int, files: int
) -> None:
    shuffled = InFiles(tmp_path_factory.mktemp("stars")).labels(pairs, files, buckets, most=-1)
    at_once = InFiles(tmp_path_factory.mktemp("once")).labels(pairs, files, buckets, most=10**6)
    assert shuffled == at_once == reachable(pairs)


def test_a_path_of_thousand_pages_takes_about_log_rounds(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(1000).tolist()
    run = InFiles(tmp_path)
    assert run.labels(list(pairwise(order)), 3, 4, most=0) == dict.fromkeys(range(1, 1000), 0)
    assert 3 <= sum(name.startswith("large") for name in run.names) <= 14  # log2(1000) is 10


def test_rounds_that_do_not_end_are_an_error_that_names_them(tmp_path: Path) -> None:
    path = list(zip(range(200), range(1, 201), strict=True))
    with pytest.raises(WorkError, match=r"dedup: \d+ edges of components still change after 2 rounds; raise dedup\.max_rounds"):
        InFiles(tmp_path).labels(path, 2, 2, most=0, rounds=2)
    # The finished rounds stay: the next attempt goes on.
    again = InFiles(tmp_path)
    kept = (tmp_path / "small-001/part-000000.parquet").stat().st_mtime_ns
    assert again.labels(path, 2, 2, most=0) == dict.fromkeys(range(1, 201), 0)
    assert (tmp_path / "small-001/part-000000.parquet").stat().st_mtime_ns == kept


def test_a_fingerprint_does_not_depend_on_order_and_notices_any_edge() -> None:
    node, neighbour = np.arange(1000) * 3 + 1, np.arange(1000)
    order = np.random.default_rng(0).permutation(1000)
    assert fingerprint(node, neighbour) == fingerprint(node[order], neighbour[order])
    for at in range(0, 1000, 97):
        other = neighbour.copy()
        other[at] += 1
        assert fingerprint(node, other) != fingerprint(node, neighbour)
