from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import WorkError
from pipeline import ledger

rows = st.lists(st.sampled_from([("kept", ""), ("rejected", "language"), ("rejected", "http_status")]))


@given(shards=st.lists(rows, max_size=5))
def test_what_comes_in_is_what_is_kept_and_what_is_rejected(shards: list[list[tuple[str, str]]]) -> None:
    lines = {number: ledger.entry((s for s, _ in each), (r for _, r in each)) for number, each in enumerate(shards)}
    total = ledger.balance("pages", lines)
    assert total["records"] == sum(map(len, shards)) == total["kept"] + sum(total["rejected"].values())


def test_a_shard_that_does_not_add_up_is_named() -> None:
    good = {"records": 3, "kept": 1, "rejected": {"language": 2}}
    bad = {"records": 4, "kept": 1, "rejected": {"language": 2}}
    with pytest.raises(WorkError, match="pages: shard 7 does not add up: 4 records, 1 kept, 2 rejected"):
        ledger.balance("pages", {0: good, 7: bad})
