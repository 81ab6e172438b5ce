from __future__ import annotations

import numpy as np
import pytest

from cluster.errors import RequestError
from pipeline.tokens.index import TokenIndex
from pipeline.tokens.mixture import MixtureOrder
from pipeline.tokens.order import SequenceOrder
from pipeline.tokens.stage import by_source, listed, told_sources, weights_of

SHARDS = [
    {
        "shard": "train-00000",
        "sources": {
            "books": {"documents": 2, "sequences": 3, "tokens": 48, "dropped": 5},
            "code": {"documents": 1, "sequences": 0, "tokens": 0, "dropped": 9},
        },
    },
    {"shard": "train-00001", "sources": {"books": {"documents": 1, "sequences": 1, "tokens": 16, "dropped": 0}}},
    {"shard": "train-00002", "sources": {"web": {"documents": 9, "sequences": 12, "tokens": 192, "dropped": 1}}},
]


def index(weights: dict[str, float] | None = None) -> TokenIndex:
    splits = {"train": [listed(shard) for shard in SHARDS], "heldout": []}
    return TokenIndex(sequence_length=16, dtype="<u2", vocabulary=300, splits=splits, weights=weights)


def test_the_index_knows_where_the_sequences_of_each_source_lie() -> None:
    assert index().sequences("train") == {"books": 4, "web": 12}
    assert index().first_sequences("train") == {"train-00000": 0, "train-00001": 3, "train-00002": 4}
    assert TokenIndex.model_validate(index({"books": 1.5, "web": 1}).model_dump()) == index({"books": 1.5, "web": 1})


def test_without_weights_every_sequence_comes_once_an_epoch_in_the_order_of_one_source() -> None:
    assert index().training_order(7).sequence_ids(0, 16).tolist() == SequenceOrder(16, 7).sequence_ids(0, 16).tolist()


def test_every_sequence_leads_to_its_source() -> None:
    assert index().sources_of("train", np.array([15, 3, 4, 0])) == ["web", "books", "web", "books"]


def test_an_index_from_before_there_were_sources_keeps_its_order() -> None:
    splits = {"train": [{"name": "train-00000", "sequences": 9}, {"name": "train-00001", "sequences": 7}], "heldout": []}
    old = TokenIndex.model_validate({"sequence_length": 16, "dtype": "<u2", "vocabulary": 300, "splits": splits})
    assert old.training_order(7).sequence_ids(0, 16).tolist() == SequenceOrder(16, 7).sequence_ids(0, 16).tolist()
    assert old.first_sequences("train") == {"train-00000": 0, "train-00001": 9}


def test_a_training_s_own_weights_come_first_then_those_of_the_sources() -> None:
    chosen, runs = {"books": 3.0, "web": 1.0}, [("books", 3), ("books", 1), ("web", 12)]
    expected = MixtureOrder(runs, chosen, 7).sequence_ids(3, 16).tolist()
    assert index(chosen).training_order(7).sequence_ids(3, 16).tolist() == expected
    assert index({"books": 1, "web": 9}).training_order(7, chosen).sequence_ids(3, 16).tolist() == expected


def test_weights_that_do_not_fit_the_sources_are_refused_in_one_line() -> None:
    with pytest.raises(RequestError, match=r"source web has no weight, others have; give it one in pretrain\.weights"):
        index().training_order(7, {"books": 1})
    with pytest.raises(
        RequestError, match=r"source code has a weight and no training sequence of 16 tokens \(there are .* books, web\)"
    ):
        index({"books": 1, "web": 1, "code": 1}).training_order(7)
    assert index().training_order(7, {"books": 1, "web": 1, "code": 0}).steps_of(0, 0, 4) == []


def test_the_weights_of_the_crawl_s_sources_are_all_or_none() -> None:
    assert weights_of({"crawl": {"weight": None}}) is None
    assert weights_of({"web": {"weight": 3.0}, "books": {"weight": 1.0}}) == {"web": 3.0, "books": 1.0}


def test_the_table_of_sources_adds_up_over_shards_and_says_what_weights_make_of_it() -> None:
    sources = by_source(SHARDS)
    assert sources["books"] == {"documents": 3, "sequences": 4, "tokens": 64, "dropped": 5}
    assert told_sources(sources, {"books": 3, "code": 0, "web": 1}).rows == [
        ["books", 3, 64, 0.25, 3, 0.75],
        ["code", 1, 0, 0, 0, 0],
        ["web", 9, 192, 0.75, 1, 0.25],
    ]
    assert [row[4:] for row in told_sources(sources, None).rows] == [[None, 0.25], [None, 0], [None, 0.75]]
