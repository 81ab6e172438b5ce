"""Who gives way to whom, one file a source shard, with rows only for the pages that go: written, and read by others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Artefact, Location, write_shard
from pipeline.dedup.exact import Compared, replaced
from pipeline.dedup.runs import run_bytes
from pipeline.dedup.sketch_worker import sketch_name

SCHEMA = pa.schema(
    [("doc_id", pa.int64()), ("canonical_id", pa.int64()), ("similarity", pa.float32()), ("reason", pa.string())]
)
REASONS = ("same_url", "exact_duplicate", "near_duplicate")


def decisions_name(shard: int) -> str:
    return f"decisions/part-{shard:06d}.parquet"


def dropped(dedup: Artefact | Location, shard: int) -> pa.Table:
    """The pages of one shard that go: doc_id (sorted), canonical_id, similarity (null for same_url), reason.

    canonical_id is a page that stays, of this crawl or (see `identity`) of an earlier one.
    """
    place = dedup.location if isinstance(dedup, Artefact) else dedup
    return pq.read_table((place / decisions_name(shard)).open())


def all_dropped(dedup: Artefact) -> Iterator[pa.Table]:
    """`dropped` of one shard after the other."""
    for file in dedup.manifest["files"]:
        if file["path"].startswith("decisions/"):
            yield pq.read_table((dedup.location / file["path"]).open())


class DecisionWorker:
    """Writes the decisions on a shard's pages, each followed through all comparisons to the page that stays.

    url, text: what the exact phases left (None where one was not asked for); near: the runs of the canonical phase.
    """

    def __init__(
        self, sketches: Location, url: Compared | None, text: Compared | None, near: Sequence[Location], output: Location
    ) -> None:
        self.sketches, self.url, self.text, self.near, self.output = sketches, url, text, near, output

    def __call__(self, unit: dict[str, Any]) -> None:
        shard = unit["shard"]
        ids = pq.read_table((self.sketches / sketch_name(shard)).open(), columns=["doc_id"])["doc_id"].to_numpy()
        by_url = self.url.follow(ids) if self.url else ids
        by_text = self.text.follow(by_url) if self.text else by_url
        to, found = replaced(by_text, self.near)
        similarity = np.ones(len(ids), dtype=np.float32)
        if found is not None:
            moved = to != by_text
            at = np.searchsorted(found["doc_id"].to_numpy(), by_text[moved])
            similarity[moved] = found["similarity"].to_numpy()[at]
        reason = np.select([by_url != ids, by_text != by_url, to != by_text], REASONS, "")
        gone = to != ids
        table = pa.table(
            {
                "doc_id": ids[gone],
                "canonical_id": to[gone],
                "similarity": pa.array(similarity[gone], mask=reason[gone] == REASONS[0]),
                "reason": reason[gone].tolist(),
            },
            schema=SCHEMA,
        )
        counts = {name: int((reason == name).sum()) for name in REASONS}
        write_shard(self.output, shard, decisions_name(shard), run_bytes(table), pages=len(ids), **counts)
