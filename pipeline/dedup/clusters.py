"""Looking at clusters of duplicates: who stays, who goes, where they differ."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from cluster.errors import RequestError
from cluster.store import Artefact
from pipeline.dedup.decisions import all_dropped
from pipeline.dedup.identity import CRAWL_BITS, place_of
from pipeline.pages.shard import page_shards


class ShownMember(BaseModel):
    """A page of a cluster of duplicates. similarity, reason: why it goes; of the page that stays, 1 and empty.

    differences: a unified diff from the page that stays to this one, line by line.
    """

    doc_id: int
    url: str
    similarity: float | None
    reason: str
    differences: list[str] = []


def cluster_of(dedup: Artefact, pages: Artefact, doc_id: int, limit: int) -> list[ShownMember]:
    """The page that stays for `doc_id`, then at most `limit` of those that it stands for, least similar first.

    Raises RequestError where the page has no duplicates here. Memory: one shard's decisions, `limit` texts.
    """
    canonical = doc_id
    for table in all_dropped(dedup):
        for row in table.filter(pc.equal(table["doc_id"], doc_id)).to_pylist():
            canonical = row["canonical_id"]
    found = [table.filter(pc.equal(table["canonical_id"], canonical)) for table in all_dropped(dedup)]
    members = [row for table in found for row in table.to_pylist()]
    if not members:
        raise RequestError(f"--cluster {doc_id}: no duplicates of this page here; without --cluster, clusters are listed")
    members.sort(key=lambda row: (1.0 if row["similarity"] is None else row["similarity"], row["doc_id"]))
    members = members[:limit]
    known = url_and_text(pages, [canonical, *(row["doc_id"] for row in members)])
    earlier = f"document {canonical & ((1 << CRAWL_BITS) - 1)} of number {canonical >> CRAWL_BITS} in dedup.against"
    url, text = known.get(canonical, (earlier, ""))
    shown = [ShownMember(doc_id=canonical, url=url, similarity=1.0, reason="")]
    for row in members:
        own_url, own = known.get(row["doc_id"], ("", ""))
        lines = difflib.unified_diff(text.splitlines(), own.splitlines(), "stays", "goes", lineterm="", n=0) if text else ()
        shown.append(
            ShownMember(
                doc_id=row["doc_id"], url=own_url, similarity=row["similarity"], reason=row["reason"], differences=list(lines)
            )
        )
    return shown


def largest_clusters(dedup: Artefact, limit: int) -> list[tuple[int, int]]:
    """(page that stays, pages in the cluster), the largest first. Memory: 16 bytes a page that goes."""
    canonical = [table["canonical_id"].to_numpy() for table in all_dropped(dedup)]
    ids, copies = np.unique(np.concatenate(canonical) if canonical else np.zeros(0, dtype=np.int64), return_counts=True)
    order = np.lexsort((ids, -copies))[:limit]
    return [(int(ids[at]), int(copies[at]) + 1) for at in order]


def url_and_text(pages: Artefact, doc_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """URL and text of some pages, read shard by shard; those of other crawls are left out."""
    shards, found = page_shards(pages), dict[int, tuple[str, str]]()
    for shard in sorted({int(each) for each in place_of(np.array(doc_ids, dtype=np.int64))}):
        if shard < len(shards):
            wanted = pc.field("doc_id").isin(pa.array(doc_ids, pa.int64()))
            table = pq.read_table(shards[shard].open(), columns=["doc_id", "url", "text"], filters=wanted)
            found |= {row["doc_id"]: (row["url"], row["text"]) for row in table.to_pylist()}
    return found
