"""The dedup stage: for each kept page, whether a better copy of it exists."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.report import Bars, Table
from cluster.stage import Context
from cluster.store import parquet_bytes
from pipeline.shards import run_shards

DECISIONS = "decisions.parquet"


def run_dedup(ctx: Context) -> None:
    """Sketch in parallel, decide in one process, write `decisions.parquet`.

    Memory here: about 200 bytes a page, and 8 bytes a word of those pages that are candidates. That is for
    crawls of up to some ten million pages; beyond, the candidate search has to be shuffled by band key.
    """
    from pipeline.dedup.worker import SketchWorker

    total = ctx.inputs["pages"].counts["kept"]
    places = ctx.inputs["pages"].paths(".parquet")
    units = [{"shard": shard, "uri": str(place), "total": total} for shard, place in enumerate(places)]
    records = run_shards(ctx, units, SketchWorker, ctx.settings, ctx.output, ctx.track)
    sketches = pa.concat_tables(pq.read_table((ctx.output / records[shard]["path"]).open()) for shard in sorted(records))
    pages = Pages(sketches, dict(enumerate(places)), ctx.settings)
    decisions = pages.decide()
    (ctx.output / DECISIONS).write_bytes(parquet_bytes(decisions))
    tell_duplicates(ctx, decisions)


class Pages:
    """The sketched pages of a crawl by position: 0, 1, ... in the order of their doc_id."""

    def __init__(self, sketches: pa.Table, places: dict[int, Any], settings: Any) -> None:
        self.places, self.settings = places, settings
        self.doc_ids = sketches["doc_id"].to_numpy()
        self.exact = sketches["exact"].to_pylist()
        self.priorities = sketches["priority"].to_numpy()
        self.characters = sketches["characters"].to_numpy()
        self.times = sketches["fetch_time"].to_pylist()
        self.keys = np.array(sketches["bands"].to_pylist(), dtype=np.uint64).reshape(len(self.doc_ids), -1)

    def decide(self) -> pa.Table:
        """Exact duplicates first, near ones among what is left of them."""
        from pipeline.dedup.canonical import choose
        from pipeline.dedup.components import connected

        number = len(self.doc_ids)
        canonical, similarity = np.arange(number), np.ones(number, dtype=np.float32)
        reason = np.full(number, "", dtype=object)
        same: dict[bytes, list[int]] = {}
        for page, digest in enumerate(self.exact):
            same.setdefault(digest, []).append(page)
        for group in same.values():
            best = min(group, key=self.preference)
            for page in group:
                if page != best:
                    canonical[page], reason[page] = best, "exact_duplicate"
        for group in connected(self.verified_edges(np.flatnonzero(reason == ""))):
            for page, best, how in choose(group, self.preference, self.similarity, self.settings.jaccard):
                if page != best:
                    canonical[page], similarity[page], reason[page] = best, how, "near_duplicate"
        # An exact copy of a page that a near-duplicate replaced goes to that one too.
        similarity = np.minimum(similarity, similarity[canonical])
        canonical = canonical[canonical]
        return pa.table(
            {
                "doc_id": self.doc_ids,
                "canonical_id": self.doc_ids[canonical],
                "similarity": similarity,
                "kept": reason == "",
                "reason": pa.array(reason.tolist(), pa.string()),
            }
        )

    def preference(self, page: int) -> tuple[int, int, str, int]:
        """Highest source priority first, then longest, then earliest, then smallest id (ISO times sort as text)."""
        return -int(self.priorities[page]), -int(self.characters[page]), self.times[page] or "~", int(self.doc_ids[page])

    def verified_edges(self, pages: np.ndarray) -> list[tuple[int, int]]:
        """Candidate pairs of `pages` whose true similarity reaches the threshold."""
        from pipeline.dedup.candidates import candidate_pairs

        if not self.settings.near or not len(pages):
            return []
        pairs = pages[candidate_pairs(self.keys[pages])]
        self.shingles = self.read_shingles(np.unique(pairs))
        return [(one, other) for one, other in pairs.tolist() if self.similarity(one, other) >= self.settings.jaccard]

    def similarity(self, one: int, other: int) -> float:
        return self._similarity(*sorted((one, other)))

    @functools.cache  # noqa: B019 - lives as long as the stage's one Pages
    def _similarity(self, one: int, other: int) -> float:
        from pipeline.dedup.sketch import jaccard

        return jaccard(self.shingles[one], self.shingles[other])

    def read_shingles(self, pages: np.ndarray) -> dict[int, np.ndarray]:
        """The shingles of some pages, read shard by shard."""
        from pipeline.dedup.sketch import normalised_words, shingles
        from pipeline.dedup.worker import kept_pages

        wanted = {int(self.doc_ids[page]): int(page) for page in pages}
        found: dict[int, np.ndarray] = {}
        for shard in sorted({doc_id >> 32 for doc_id in wanted}):
            table = kept_pages(self.places[shard], ["doc_id", "text"])
            for doc_id, text in zip(table["doc_id"].to_pylist(), table["text"], strict=True):
                if doc_id in wanted:
                    words = normalised_words(text.as_py(), self.settings.characters)
                    found[wanted[doc_id]] = shingles(words, self.settings.ngram)
        return found


def tell_duplicates(ctx: Context, decisions: pa.Table) -> None:
    reasons = Counter(reason or "kept" for reason in decisions["reason"].to_pylist())
    clusters = Counter(decisions["canonical_id"].to_pylist())
    sizes = Counter(size for size in clusters.values() if size > 1)
    ctx.count(
        pages=decisions.num_rows,
        kept=reasons["kept"],
        exact_duplicates=reasons["exact_duplicate"],
        near_duplicates=reasons["near_duplicate"],
        clusters=sum(sizes.values()),
    )
    rows: list[list[Any]] = [[size, number] for size, number in sorted(sizes.items())]
    ctx.tell(
        Bars(
            title="Pages and their duplicates",
            labels=["kept", "exact_duplicate", "near_duplicate"],
            values=[float(reasons[name]) for name in ("kept", "exact_duplicate", "near_duplicate")],
            unit="pages",
        ),
        Table(title="Clusters of duplicates", columns=["pages in the cluster", "clusters"], rows=rows),
    )
