"""What has no room is known before any work, and only then refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.resources import Bundle, Node, missing, shortages

RANK = Bundle(1, 1, holder="rank", lower=("cluster.train_workers", "cluster.gpus_per_worker"))


def test_two_ranks_of_a_gpu_each_have_no_room_on_one_gpu() -> None:
    assert missing([RANK, RANK], [Node(8, 1)]) == (
        "no room for 1 x rank (1 CPU, 1 GPU), of 2 x rank (1 CPU, 1 GPU), on 1 node (8 CPU, 1 GPU); "
        "lower cluster.train_workers or cluster.gpus_per_worker"
    )
    assert missing([RANK, RANK], [Node(8, 2)]) == ""
    assert missing([RANK, RANK], [Node(8, 1), Node(1, 1)]) == ""


def test_a_bundle_lies_on_one_node_whole() -> None:
    two = Bundle(2, holder="engine")
    assert "no room for 1 x engine (2 CPU) on 8 nodes (8 x 1 CPU); join a larger cluster" in missing([two], [Node(1)] * 8)
    assert missing([two], [Node(1)] * 7 + [Node(2)]) == ""


def test_cpus_may_be_raised_only_where_they_are_what_lacks() -> None:
    own = Node(4, 0, more="cluster.cpus")
    worker = Bundle(1, holder="worker", lower=("cluster.data_workers",))
    assert missing([worker] * 5, [own]).endswith("; raise cluster.cpus or lower cluster.data_workers")
    assert missing([RANK], [own]).endswith("; lower cluster.train_workers or cluster.gpus_per_worker")


def test_small_bundles_do_not_take_the_place_of_large_ones() -> None:
    small, large = Bundle(1, holder="small"), Bundle(3, holder="large")
    assert missing([small, large], [Node(3), Node(1)]) == ""


def test_memory_and_labels_count_too() -> None:
    assert "1 x actor (1 CPU, 2.0 GiB)" in missing([Bundle(1, memory=2 << 30, holder="actor")], [Node(8, memory=1 << 30)])
    beside = Bundle(1, labels={"zone": "a"})
    assert missing([beside], [Node(8, labels={"zone": "b"})])
    assert missing([beside], [Node(8, labels={"zone": "a"})]) == ""


def test_fractions_add_up_without_rounding_errors() -> None:
    assert missing([Bundle(0.1)] * 10, [Node(1)]) == ""
    assert missing([Bundle(0, 1 / 3)] * 3, [Node(1, 1)]) == ""
    assert missing([Bundle(0.1)] * 11, [Node(1)])


def test_a_cluster_without_a_node_has_room_for_nothing_but_nothing() -> None:
    assert missing([], []) == ""
    assert "on 0 nodes" in missing([RANK], [])


def test_who_lacks_the_same_stands_in_one_line() -> None:
    found = shortages({"base": [RANK], "judge": [RANK], "crawl": [Bundle(1)], "serving": [Bundle(9)]}, [Node(8)])
    assert [line.partition(":")[0] for line in found] == ["base, judge", "serving"]


sizes = st.integers(1, 4)


@given(st.lists(sizes, max_size=5), st.lists(sizes, min_size=1, max_size=3))
def test_what_is_accepted_has_a_place_in_truth_and_what_fits_one_node_is_never_refused(
    asked: list[int], there: list[int]
) -> None:
    accepted = missing([Bundle(each) for each in asked], [Node(each) for each in there]) == ""
    possible = any(
        all(
            sum(size for size, at in zip(asked, places, strict=True) if at == node) <= there[node] for node in range(len(there))
        )
        for places in itertools.product(range(len(there)), repeat=len(asked))
    )
    assert possible or not accepted
    assert accepted or sum(asked) > max(there)


@pytest.mark.parametrize("ranks", [1, 2, 7])
def test_equal_bundles_are_refused_exactly_where_no_layout_exists(ranks: int) -> None:
    for nodes in itertools.product(range(4), repeat=3):
        assert (missing([RANK] * ranks, [Node(8, gpus) for gpus in nodes]) == "") == (sum(nodes) >= ranks)
