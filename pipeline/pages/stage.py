"""The pages stage: which records become pages. Thresholds only: changing one reads no archive again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.errors import WorkError
from cluster.report.blocks import Bars, Headline, Samples, Table
from cluster.stage import Context
from pipeline import ledger
from pipeline.classifiers.linear import cut
from pipeline.classifiers.stage import scores_of
from pipeline.pool import run_by_size
from pipeline.records.shard import record_shards
from pipeline.rights.forget import read_forgotten
from pipeline.shards import part_name

EXAMPLES, EXAMPLE_CHARACTERS = 2, 200  # of each reason in the report


def run_pages(ctx: Context) -> None:
    """Decide shard by shard, in a pool of actors where there are many; check and tell the ledger."""
    from pipeline.pages.worker import PageWorker

    records, classifiers = ctx.inputs["records"], ctx.inputs["classifiers"]
    quality = scores_of(classifiers.paths(".parquet"), "quality", ctx.settings.cut_apart())
    least = {source: cut(scores, ctx.settings.rules_of(source).keep_quality) for source, scores in quality.items()}
    scores = {place.name: str(place) for place in classifiers.paths(".parquet")}
    units = [
        {"shard": shard, "uri": str(place), "scores": scores.get(place.name, ""), "total": records.counts["records"]}
        for shard, place in enumerate(record_shards(records))
    ]
    forgotten = read_forgotten(ctx.root, ctx.external)
    shards = run_by_size(records)(ctx, units, PageWorker, ctx.settings, least, forgotten, ctx.output, ctx.track)
    lines = {shard: record["counts"] for shard, record in shards.items()}
    total = ledger.balance("pages", lines)
    if total["records"] != records.counts["records"]:
        raise WorkError(f"pages: {records.counts['records']} records went in and {total['records']} came out; please report it")
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
    """Figures and pictures: the funnel, sources, languages, lengths, examples of every reason."""
    lengths = list[np.ndarray]()
    for shard in sorted(lines):
        table = pq.read_table((ctx.output / part_name(shard)).open(), columns=["status", "characters"])
        lengths.append(table.filter(pc.equal(table["status"], "kept"))["characters"].to_numpy())
    characters = np.concatenate(lengths) if lengths else np.zeros(0)
    rows = [row for line in lines.values() for row in line["groups"]]
    languages = Counter[str]()
    for row in rows:
        if row["language"]:
            languages[row["language"]] += row["rows"]
    ctx.count(**total, characters=int(characters.sum()), languages=dict(languages.most_common()))
    rejected = total["rejected"]
    ctx.tell(
        Headline(label="pages kept", value=total["kept"]),
        Bars(
            title="Pages kept and rejected, by reason",
            labels=["read", "kept", *rejected],
            values=[float(total["records"]), float(total["kept"]), *map(float, rejected.values())],
            unit="records",
        ),
        table_by("source", rows),
        table_by("language", rows),
        length_histogram(characters),
    )
    if examples := examples_of(ctx, lines):
        ctx.tell(
            Samples(
                title="Rejected pages, examples of each reason",
                columns=["reason", "value and limit", "page", "text"],
                rows=examples,
                note="`pageloom show pages --reason REASON` prints more",
            )
        )


def table_by(name: str, rows: list[dict[str, Any]]) -> Table:
    """Records, kept ones and their characters for each source or language, most records first."""
    read, kept, characters = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        value = row[name] or "(no text)"
        read[value] += row["rows"]
        if row["status"] == "kept":
            kept[value] += row["rows"]
            characters[value] += row["characters"]
    return Table(
        title=f"Pages by {name}",
        columns=[name, "records", "kept", "characters kept"],
        rows=[[value, number, kept[value], characters[value]] for value, number in read.most_common(12)],
    )


def examples_of(ctx: Context, lines: Mapping[int, Mapping[str, Any]]) -> list[list[str]]:
    """Some rejected pages of each reason that a threshold gave, with the beginning of their text."""
    from pipeline.pages.rejected import rejected_pages

    found = []
    records = ctx.inputs["records"]
    reasons = Counter[str]()
    for line in lines.values():
        reasons.update(line["rejected"])
    for reason, _ in reasons.most_common():
        shards = [shard for shard in sorted(lines) if reason in lines[shard]["rejected"]]
        for page in rejected_pages(records, [ctx.output / part_name(shard) for shard in shards], [reason], EXAMPLES):
            if page.text:
                found.append([reason, page.measured(), page.url, page.text[:EXAMPLE_CHARACTERS]])
    return found


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
