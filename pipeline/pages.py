"""The pages stage: every archived record becomes a row, kept or rejected with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.errors import WorkError
from cluster.report import Bars, Headline, Table
from cluster.stage import Context
from pipeline import ledger
from pipeline.shards import run_shards


def run_pages(ctx: Context) -> None:
    """Stream the inventory's files through a pool of actors, a shard a work unit; check and tell the ledger."""
    from pipeline.inventory import places
    from pipeline.page_worker import PageWorker
    from pipeline.read import plan_units

    source = ctx.inputs["crawl"].location
    listing = (source / "inventory.json").read_json()
    units = plan_units(places(listing, source), int(ctx.settings.task_mb * 1e6))
    work = [{"shard": shard, "parts": [asdict(part) for part in unit]} for shard, unit in enumerate(units)]
    records = run_shards(ctx, work, PageWorker, ctx.settings, ctx.output, ctx.track)
    lines = {shard: record["counts"] for shard, record in records.items()}
    total = ledger.balance("pages", lines)
    tell_pages(ctx, total, lines)
    if not total["kept"]:
        reasons = (
            ", ".join(f"{reason} {number}" for reason, number in list(total["rejected"].items())[:5]) or "no record at all"
        )
        raise WorkError(
            f"no page survived the filters: {total['records']} read, rejected by reason: {reasons}; "
            "loosen pages.* (such as --set pages.heuristics.min_words=null) or give other pages"
        )


def tell_pages(ctx: Context, total: Mapping[str, Any], lines: Mapping[int, Mapping[str, Any]]) -> None:
    """Figures and pictures: the funnel, languages, lengths, unreadable files."""
    lengths, characters, languages = list[np.ndarray](), 0, Counter[str]()
    for shard in sorted(lines):
        table = pq.read_table((ctx.output / f"part-{shard:06d}.parquet").open(), columns=["status", "text", "language"])
        languages.update(language for language in table["language"].to_pylist() if language)
        size = pc.utf8_length(table.filter(pc.equal(table["status"], "kept"))["text"]).to_numpy()
        lengths.append(size)
        characters += int(size.sum())
    about = sum(line["about"] for line in lines.values())
    unreadable = Counter[str]()
    for line in lines.values():
        unreadable.update(line["unreadable"])
    ctx.count(**total, about_records=about, characters=characters, languages=dict(languages.most_common()))
    rejected = total["rejected"]
    ctx.tell(
        Headline(label="pages read", value=total["records"]),
        Headline(label="pages kept", value=total["kept"]),
        Bars(
            title="Pages kept and rejected, by reason",
            labels=["read", "kept", *rejected],
            values=[float(total["records"]), float(total["kept"]), *map(float, rejected.values())],
            unit="records",
            note=f"{about} more records only describe requests or the archive itself",
        ),
        Bars(
            title="Languages found",
            labels=[language for language, _ in languages.most_common(12)],
            values=[float(number) for _, number in languages.most_common(12)],
            unit="pages",
        ),
        length_histogram(np.concatenate(lengths) if lengths else np.zeros(0)),
    )
    if unreadable:
        rows: list[list[Any]] = [[file, number] for file, number in sorted(unreadable.items())]
        ctx.tell(Table(title="Unreadable records by file", columns=["file", "records"], rows=rows))


def length_histogram(lengths: np.ndarray) -> Bars:
    """Kept pages by characters, in powers of two."""
    powers = np.bincount(np.log2(np.maximum(lengths, 1)).astype(int)) if len(lengths) else np.zeros(0, dtype=int)
    shown = [power for power in range(len(powers)) if powers[: power + 1].any()]
    return Bars(
        title="Kept pages by length",
        labels=[f"{2**power:,}-{2 ** (power + 1):,}" for power in shown],
        values=[float(powers[power]) for power in shown],
        unit="pages",
        note="characters of extracted text",
    )
