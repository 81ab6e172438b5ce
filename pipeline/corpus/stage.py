"""The corpus stage: the pages that are left, without personal data, part of them held out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cluster.errors import WorkError
from cluster.report.blocks import Bars, Table
from cluster.stage import Context
from cluster.store import Location
from pipeline.corpus.settings import CorpusSettings
from pipeline.dedup.decisions import dropped
from pipeline.pages.shard import page_shards
from pipeline.pool import run_shards

SHOWN_HITS = 20


def run_corpus(ctx: Context) -> None:
    """Join pages and decisions shard by shard in a pool of actors; the split is by content, so it does not move."""
    from pipeline.corpus.worker import SPLITS, CorpusWorker

    places = page_shards(ctx.inputs["pages"])
    decisions = ctx.inputs["dedup"].location
    kept = surviving(places, decisions)
    if kept.num_rows < 2:
        raise WorkError(
            f"{kept.num_rows} pages are left after filters and deduplication, training and held-out text need two at least; "
            "give more pages or loosen pages.* (the report of `pages` tells what was rejected)"
        )
    heldout = choose_heldout(kept, ctx.settings.heldout_share, ctx.settings.heldout_least)
    units = [
        {
            "shard": part * len(SPLITS) + side,
            "part": part,
            "split": split,
            "uri": str(place),
            "heldout": [doc_id for doc_id in heldout if doc_id >> 32 == part],
            "total": kept.num_rows,
        }
        for part, place in enumerate(places)
        for side, split in enumerate(SPLITS)
    ]
    records = run_shards(ctx, units, CorpusWorker, ctx.settings, decisions, ctx.output, ctx.track)
    lines = [record["counts"] for record in records.values()]
    documents, size, characters, spans = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    contaminated = sum(line["contaminated"] for line in lines)
    for line in lines:
        documents[line["split"]] += line["documents"]
        size[line["split"]] += line["bytes"]
        characters[line["split"]] += line["characters"]
        spans.update(line["spans"])
    emptied = sum(line["emptied"] for line in lines)
    if documents.total() + contaminated + emptied != kept.num_rows:
        raise WorkError(
            f"corpus: {kept.num_rows} pages went in, {documents.total()} documents, {contaminated} benchmarks and {emptied} "
            "pages of nothing but repeated lines came out; please report it"
        )
    ctx.count(
        documents=documents.total(),
        contaminated=contaminated,
        emptied=emptied,
        train_documents=documents["train"],
        heldout_documents=documents["heldout"],
        train_bytes=size["train"],
        heldout_bytes=size["heldout"],
        redacted=dict(spans.most_common()),
        sources=by_source(lines),
    )
    ctx.tell(
        Table(
            title="Corpus",
            columns=["split", "documents", "characters", "bytes"],
            rows=[[split, documents[split], characters[split], size[split]] for split in SPLITS],
        ),
        *told_sources(by_source(lines)),
        *told_hits([hit for line in lines for hit in line["hits"]], ctx.settings),
        Bars(
            title="Personal data replaced",
            labels=list(ctx.settings.redact),
            values=[float(spans[kind]) for kind in ctx.settings.redact],
            unit="spans",
            note="by placeholders; where each stood in its page is in the column `personal`, what it was nowhere",
        ),
    )


def by_source(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Documents, held-out ones among them and characters of each source, in name order, from the shards' counts."""
    found = defaultdict[str, Counter[str]](Counter)
    for line in lines:
        for name, each in line["sources"].items():
            held = each["documents"] if line["split"] == "heldout" else 0
            found[name].update(documents=each["documents"], heldout=held, characters=each["characters"])
    return {name: dict(figures) for name, figures in sorted(found.items())}


def told_sources(sources: Mapping[str, Mapping[str, int]]) -> list[Table]:
    """How much of the corpus is of each source; nothing where all is of one."""
    if len(sources) < 2:
        return []
    return [
        Table(
            title="Corpus by source",
            columns=["source", "documents", "of them held out", "characters"],
            rows=[[name, each["documents"], each["heldout"], each["characters"]] for name, each in sources.items()],
        )
    ]


def told_hits(hits: list[list[Any]], settings: CorpusSettings) -> list[Table]:
    """What of the benchmarks was found, the most of it first; nothing where the recipe names none.

    hits: [doc_id, benchmark file, item, shared n-grams, overlap], one a paragraph.
    """
    if not settings.benchmarks:
        return []
    removed = sum(hit[-1] >= settings.benchmark_overlap for hit in hits)
    strongest = sorted(hits, key=lambda hit: (-hit[-1], hit[0]))[:SHOWN_HITS]
    return [
        Table(
            title="Benchmarks found in the corpus",
            columns=["document", "benchmark", "item", "shared n-grams", "overlap"],
            rows=strongest,
            note=f"{len(hits)} paragraphs share n-grams with a benchmark, {removed} were taken out",
        )
    ]


def surviving(places: list[Location], decisions: Location) -> pa.Table:
    """doc_id and content_hash of the pages that are neither rejected nor duplicates. Memory: 60 bytes a page.

    decisions: where the dedup artefact is.
    """
    from pipeline.pages.shard import kept_pages

    found = []
    for shard, place in enumerate(places):
        pages = kept_pages(place, ["doc_id", "content_hash"])
        gone = dropped(decisions, shard)["doc_id"]
        found.append(pages.filter(pc.invert(pc.is_in(pages["doc_id"], gone))))
    return pa.concat_tables(found)


def choose_heldout(pages: pa.Table, share: float, least: int) -> list[int]:
    """doc_ids with the smallest content hashes: those below `share` of the range, `least` at least, never all.

    The hash is of the content alone, so a page stays on its side whatever else is crawled.
    """
    hashes = np.array([int(each[:16], 16) for each in pages["content_hash"].to_pylist()], dtype=np.uint64)
    below = int((hashes < np.uint64(int(share * 2**64))).sum())
    number = min(max(below, least), len(hashes) - 1)
    order = np.argsort(hashes, kind="stable")[:number]
    return sorted(pages["doc_id"].to_numpy()[order].tolist())
