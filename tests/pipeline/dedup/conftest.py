"""A crawl of given texts through the dedup stage's phases, without Ray unless a test brings one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import WORK, Artefact, Location, Manifest, Store, parquet_bytes
from pipeline.dedup.decisions import all_dropped
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.stage import deduplicate, tell_duplicates
from pipeline.pool import Run, run_here
from tests.pipeline.silent import Silent

# Columns of text: what `Crawl.pages` calls a list of their values.
NAMED = {"fetch_time": "times", "url": "urls", "source": "sources", "host": "hosts", "code_language": "code_languages"}


def manifest(stage: str, key: str, settings: Mapping[str, Any], parents: Mapping[str, str], counts: dict[str, Any]) -> Manifest:
    blank: dict[str, Any] = {"external": [], "version": "3", "pageloom": "", "started": 0, "seconds": 0, "work_seconds": 0}
    return Manifest(stage, key, settings, parents, **blank, peak_memory_bytes=0, host="", counts=counts)


class Crawl:
    """Pages under a root of their own, and what the dedup stage makes of them.

    cluster, track: of the Ray session whose pools shall run the phases; not needed for `run_here`.
    """

    def __init__(self, root: Path | str, cluster: ClusterSettings | None = None, track: Any = None) -> None:
        self.store, self.cluster = Store(root), cluster
        self.track: Any = track or Silent()

    def pages(self, texts: Sequence[str], shards: int, **columns: Sequence[Any]) -> Artefact:
        place = self.store.attempt("pages", "p")
        size = -(-len(texts) // shards)
        for shard in range(shards):
            at = range(len(texts))[shard * size : (shard + 1) * size]
            table = {
                "doc_id": pa.array([shard << 32 | row for row in range(len(at))], pa.int64()),
                "priority": pa.array(
                    [columns["priorities"][each] if "priorities" in columns else 0 for each in at], pa.int32()
                ),
                "text": pa.array([texts[each] for each in at], pa.large_string()),
                "status": pa.array(["kept" for _ in at], pa.string()),
            }
            for name, key in NAMED.items():
                table[name] = pa.array([columns[key][each] if key in columns else "" for each in at], pa.string())
            (place / f"part-{shard:06d}.parquet").write_bytes(parquet_bytes(pa.table(table)))
        return self.store.commit(place, manifest("pages", "p", {}, {}, {"kept": len(texts)}))

    def context(self, pages: Artefact, settings: DedupSettings, key: str) -> Context:
        place = self.store.attempt("dedup", key)
        cluster: Any = self.cluster
        return Context(settings, cluster, {"pages": pages}, [], place, place / WORK, self.track, "", self.store.root)

    def run(self, pages: Artefact, settings: DedupSettings, key: str = "d", pool: Run = run_here) -> Artefact:
        ctx = self.context(pages, settings, key)
        deduplicate(ctx, pool)
        tell_duplicates(ctx)
        told = manifest("dedup", key, settings.model_dump(mode="json"), {"pages": "p"}, ctx.counts)
        return self.store.commit(ctx.output, told)


def decisions_of(dedup: Artefact) -> dict[int, dict[str, Any]]:
    """By doc_id, the pages that go."""
    return {row["doc_id"]: row for table in all_dropped(dedup) for row in table.to_pylist()}


Decide = Callable[..., dict[int, tuple[int, float | None, str]]]


@pytest.fixture
def decide(tmp_path: Path) -> Decide:
    """Texts -> by position in them, the pages that go: (position of the one that stays, similarity, reason)."""
    number = 0

    def decide(texts: Sequence[str], settings: DedupSettings | None = None, shards: int = 2, **columns: Sequence[Any]) -> dict:
        nonlocal number
        number += 1
        crawl = Crawl(tmp_path / f"crawl-{number}")
        dedup = crawl.run(crawl.pages(texts, shards, **columns), settings or DedupSettings())
        size = -(-len(texts) // shards)

        def position(doc_id: int) -> int:
            return (doc_id >> 32) * size + (doc_id & 0xFFFFFFFF)

        return {
            position(each): (position(row["canonical_id"]), row["similarity"], row["reason"])
            for each, row in decisions_of(dedup).items()
        }

    return decide


__all__ = ["Crawl", "Decide", "Location", "Silent", "decisions_of"]
