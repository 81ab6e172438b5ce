"""The dedup stage: for each kept page, whether a better copy of it exists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from cluster.report.blocks import Bars, Table
from cluster.stage import Context
from cluster.store import Location, shard_records
from pipeline.dedup.earlier import Earlier, open_earlier
from pipeline.dedup.exact import Compared
from pipeline.dedup.identity import place_number
from pipeline.dedup.runs import partitions_for
from pipeline.pages.shard import page_shards
from pipeline.pool import Records, Run, run_by_size, run_here

FEW_PAGES = 200_000  # a pool of actors takes longer to start than phases that read no texts take for so many
EXACT_BYTES = 200  # of a row while hashes are compared
LINE_BYTES = 128  # of a line, which has two keys, while they are added up


class Phases:
    """Runs phase after phase below `work`, each a set of units with shards of its own: what is finished is not redone.

    arrays, texts: how phases are run that read no texts, and those that do.
    """

    def __init__(self, ctx: Context, arrays: Run, texts: Run) -> None:
        self.ctx, self.arrays, self.texts = ctx, arrays, texts

    def __call__(
        self, name: str, units: Sequence[dict[str, Any]], worker: type, *arguments: Any, texts: bool = False
    ) -> tuple[Location, Records]:
        place = self.ctx.work / split_of(self.ctx.settings) / name
        run = self.texts if texts else self.arrays
        return place, run(replace(self.ctx, output=place), units, worker, *arguments, place)


def split_of(settings: Any) -> str:
    """Where phases go on from: settings that are in no key cut their work, so those of another cut are not gone on with."""
    return f"{settings.memory_mb}-{settings.partitions}-{settings.union_find_edges}"


def run_dedup(ctx: Context) -> None:
    """Each phase a set of units in a pool of actors; what they write is sorted, and read by ranges.

    Memory of a worker: the texts of one shard, or `memory_mb` of keys, edges or shingles, whatever the number of pages.
    Memory here: 16 bytes a page that goes, for the report.
    """
    deduplicate(ctx, run_by_size(ctx.inputs["pages"]))
    tell_duplicates(ctx)


def deduplicate(ctx: Context, pool: Run) -> None:
    """Write `decisions/` and `index/`. pool: `run_shards`, or `run_here` for few pages or where there is no Ray."""
    from pipeline.dedup.decisions import DecisionWorker
    from pipeline.dedup.earlier import IndexWorker
    from pipeline.dedup.sketch_worker import SketchWorker

    settings, earlier = ctx.settings, open_earlier(ctx.settings)
    total = ctx.inputs["pages"].counts["kept"]
    places = page_shards(ctx.inputs["pages"])
    shards = range(len(places))
    phase = Phases(ctx, run_here if total <= FEW_PAGES else pool, pool)
    units = [{"shard": shard, "uri": str(place), "total": total} for shard, place in enumerate(places)]
    sketches, _ = phase("sketch", units, SketchWorker, settings, ctx.track, texts=True)
    url = same_hash(phase, "url", sketches, len(places), total, settings, earlier, []) if settings.same_url else None
    before = [url] if url else []
    text = same_hash(phase, "text", sketches, len(places), total, settings, earlier, before) if settings.exact else None
    near = near_duplicates(phase, sketches, places, total, settings, earlier, [each for each in (url, text) if each])
    decided = [{"shard": shard} for shard in shards]
    phase.arrays(ctx, decided, DecisionWorker, sketches, url, text, near, ctx.output)
    kinds = ["text", *(["bands"] if settings.near else []), *(["url"] if settings.same_url else [])]
    indexed = [
        {"shard": turn * len(places) + shard, "part": shard, "kind": kind}
        for turn, kind in enumerate(kinds, 1)
        for shard in shards
    ]
    phase.arrays(ctx, indexed, IndexWorker, settings.representatives, sketches, ctx.output)
    if settings.paragraphs:
        repeated_lines(ctx, phase, units, (len(kinds) + 1) * len(places))


def repeated_lines(ctx: Context, phase: Phases, units: Sequence[dict[str, Any]], first_shard: int) -> None:
    """Write `paragraphs/`, and count what share of the words goes with the lines."""
    from pipeline.dedup.paragraphs import LineWorker, ParagraphWorker, RepeatedWorker

    settings = ctx.settings
    runs, told = phase("lines", units, LineWorker, settings.paragraphs, ctx.output, ctx.track, texts=True)
    size = LINE_BYTES * sum(record["counts"]["lines"] for record in told.values())
    partitions = partitions_for(size, settings.memory_mb, settings.partitions)
    files = [runs / told[shard]["path"] for shard in sorted(told)]
    place, found = phase("repeated", numbered(partitions), RepeatedWorker, files)
    repeated = [place / found[partition]["path"] for partition in range(partitions)]
    decided = [{"shard": first_shard + unit["shard"], "part": unit["shard"]} for unit in units]
    records = phase.arrays(ctx, decided, ParagraphWorker, settings.paragraphs, runs, repeated, ctx.output)
    words = sum(record["counts"]["words"] for record in told.values())
    removed = sum(record["counts"]["removed"] for record in records.values())
    lines = sum(record["counts"]["lines"] for record in records.values())
    ctx.count(removed_lines=lines, removed_words=removed, removed_words_share=removed / max(1, words))


def same_hash(
    phase: Phases,
    kind: str,
    sketches: Location,
    shards: int,
    total: int,
    settings: Any,
    earlier: Sequence[Earlier],
    before: Sequence[Compared],
) -> Compared:
    """The two phases over one kind of hash, among the pages that stay after those `before`."""
    from pipeline.dedup.exact import ExactRunWorker, ExactWorker

    runs, records = phase(f"{kind}-runs", [{"shard": shard} for shard in range(shards)], ExactRunWorker, kind, sketches, before)
    all_runs = [(0, runs / records[shard]["path"]) for shard in range(shards)]
    all_runs += [(each.crawl, run) for each in earlier for run in each.index[kind]]
    partitions = partitions_for(EXACT_BYTES * total, settings.memory_mb, settings.partitions)
    losers, _ = phase(kind, numbered(partitions), ExactWorker, all_runs)
    return Compared(runs, losers, partitions)


def numbered(partitions: int) -> list[dict[str, Any]]:
    return [{"shard": partition, "partition": partition, "partitions": partitions} for partition in range(partitions)]


def near_duplicates(
    phase: Phases,
    sketches: Location,
    places: Sequence[Location],
    total: int,
    settings: Any,
    earlier: Sequence[Earlier],
    exact: Sequence[Compared],
) -> list[Location]:
    """Files of (doc_id, canonical_id, similarity) of the pages that give way to one they resemble."""
    from pipeline.dedup.near.candidates import WORKING, CandidateWorker, ShardCandidateWorker
    from pipeline.dedup.near.canonical import CanonicalWorker
    from pipeline.dedup.near.component_phases import components
    from pipeline.dedup.near.shingle_store import ShingleWorker
    from pipeline.dedup.near.verify import VerifyWorker
    from pipeline.dedup.sketch_worker import sketch_name

    if not settings.near:
        return []
    shards = [{"shard": shard} for shard in range(len(places))]
    inside, records = phase("runs", shards, ShardCandidateWorker, settings.representatives, sketches, exact)
    runs = [(0, inside / sketch_name(shard)) for shard in range(len(places))]
    runs += [(each.crawl, run) for each in earlier for run in each.index["bands"]]
    rows = sum(record["counts"]["rows"] for record in records.values())
    partitions = partitions_for(WORKING * rows, settings.memory_mb, settings.partitions)
    between, pairs = phase("candidates", numbered(partitions), CandidateWorker, runs)
    crossing = [sketch_name(shard) for shard, record in sorted(pairs.items()) if record["counts"]["pairs"]]
    texts = [{"place": shard, "crawl": 0, "uri": str(place), "run": sketch_name(shard)} for shard, place in enumerate(places)]
    texts += [
        {"place": place_number(each.crawl, shard), "crawl": each.crawl, "uri": str(place), "run": ""}
        for each in earlier
        for shard, place in enumerate(each.pages)
    ]
    units = [{"shard": number, **unit} for number, unit in enumerate(texts)]
    nodes = [between / f"nodes-{name}" for name in crossing]
    shingles, _ = phase("shingles", units, ShingleWorker, settings, inside, nodes, phase.ctx.track, texts=True)
    crossing_pairs = [between / f"pairs-{name}" for name in crossing]
    verified, records = phase(
        "verified", units, VerifyWorker, settings.jaccard, settings.memory_mb, shingles, inside, crossing_pairs, texts=True
    )
    edges = sum(record["counts"]["edges"] for record in records.values())
    buckets = partitions_for(WORKING * 2 * edges, settings.memory_mb, settings.partitions)
    files = [verified / records[number]["path"] for number in sorted(records)]
    members = components(phase, files, edges, buckets, settings.union_find_edges, settings.max_rounds)
    decided = [{"shard": bucket} for bucket in range(buckets)]
    place, records = phase("canonical", decided, CanonicalWorker, settings.jaccard, settings.memory_mb, members, shingles)
    return [place / records[shard]["path"] for shard in sorted(records)]


def tell_duplicates(ctx: Context) -> None:
    from pipeline.dedup.decisions import REASONS, decisions_name

    shards = range(len(page_shards(ctx.inputs["pages"])))
    lines = [record["counts"] for shard, record in shard_records(ctx.output).items() if shard in shards]
    reasons = {name: sum(line[name] for line in lines) for name in REASONS}
    pages = sum(line["pages"] for line in lines)
    kept = pages - sum(reasons.values())
    canonical = [
        pq.read_table((ctx.output / decisions_name(shard)).open(), columns=["canonical_id"])["canonical_id"].to_numpy()
        for shard in shards
    ]
    _, copies = np.unique(np.concatenate(canonical) if canonical else np.zeros(0, dtype=np.int64), return_counts=True)
    sizes = Counter((copies + 1).tolist())
    plural = {"same_url": "same_url", "exact_duplicate": "exact_duplicates", "near_duplicate": "near_duplicates"}
    ctx.count(pages=pages, kept=kept, clusters=len(copies), **{plural[name]: number for name, number in reasons.items()})
    rows: list[list[Any]] = [[size, number] for size, number in sorted(sizes.items())]
    ctx.tell(
        Bars(
            title="Pages and their duplicates",
            labels=["kept", *reasons],
            values=[float(kept), *map(float, reasons.values())],
            unit="pages",
        ),
        Table(title="Clusters of duplicates", columns=["pages in the cluster", "clusters"], rows=rows),
    )
