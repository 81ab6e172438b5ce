"""What the store asks of an object store: few requests, and none that grows where it need not."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from cluster.store import WORK, Store, shard_records, write_shard
from tests.faults.test_root import bucket, lose, server  # noqa: F401
from tests.faults.writer import manifest

pytestmark = pytest.mark.slow


def asked(server: str) -> Counter[str]:  # noqa: F811
    counted = Counter(method for method, _ in httpx.get(f"{server}/-requests").json())
    lose(server)
    return counted


def test_requests_of_an_artefact_are_counted(bucket: str, server: str) -> None:  # noqa: F811
    store, shards = Store(bucket), 50
    place = store.attempt("pages", "k")
    lose(server)
    (place / WORK / "small").write_bytes(b"x")
    assert asked(server) == {"PUT": 1}  # not the three of an upload in parts
    for index in range(shards):
        write_shard(place, index, f"part-{index}", b"rows")
    assert asked(server) == {"PUT": 2 * shards}
    assert len(shard_records(place)) == shards
    reading = asked(server)
    assert reading == {"GET": shards + 1, "HEAD": shards}
    store.commit(place, manifest("k"))
    committing = asked(server)
    assert committing["PUT"] <= 3  # the manifest, and marks of directories that were emptied
    assert sum(committing.values()) <= sum(reading.values()) + 15  # shards are not read again
    again = store.artefact("pages", "k")
    assert again is not None
    assert asked(server) == {"HEAD": 1, "GET": 1}
    store.tidy(again, 2)
    assert sum(asked(server).values()) <= 3
