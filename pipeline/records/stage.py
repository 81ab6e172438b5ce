"""The records stage: every archived record becomes a row with its text and all that can be measured of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.report.blocks import Bars, Headline, Table
from cluster.stage import Context
from cluster.store import Location, parquet_bytes
from pipeline import ledger
from pipeline.pool import run_shards
from pipeline.shards import part_name

RULES = "host_rules.parquet"


def run_records(ctx: Context) -> None:
    """Stream the inventory's files through a pool of actors, a shard a work unit; check and tell the ledger."""
    from pipeline.crawl.inventory import places
    from pipeline.read import plan_units
    from pipeline.records.worker import RecordWorker

    crawl = ctx.inputs["crawl"].location
    files = places((crawl / "inventory.json").read_json(), crawl)
    units = plan_units(files, int(ctx.settings.task_mb * 1e6))
    work = [{"shard": shard, "parts": [asdict(part) for part in unit]} for shard, unit in enumerate(units)]
    records = run_shards(ctx, work, RecordWorker, ctx.settings, rights_of(ctx, crawl, files), ctx.output, ctx.track)
    lines = {shard: record["counts"] for shard, record in records.items()}
    tell_records(ctx, ledger.balance("records", lines), lines)


def rights_of(ctx: Context, crawl: Location, files: list[dict[str, Any]]) -> Any:
    """What the workers judge by. The hosts' rules are kept as a file of the artefact: evidence."""
    from pipeline.rights.block_list import BlockList
    from pipeline.rights.host_files import collect_host_rules
    from pipeline.rights.host_rules import HostRules
    from pipeline.rights.verdict import Rights

    settings = ctx.settings.rights
    rules = collect_host_rules(ctx, crawl, [file for file in files if file["format"] == "warc"])
    (ctx.output / RULES).write_bytes(parquet_bytes(rules))
    ctx.count(hosts_with_rules=len(set(rules["host"].to_pylist())))
    return Rights(settings, HostRules(rules, settings), BlockList.read(settings.block_lists))


def tell_records(ctx: Context, total: Mapping[str, Any], lines: Mapping[int, Mapping[str, Any]]) -> None:
    """Figures and pictures: what the records were, how their text was found, unreadable files."""
    extractors, charsets, licences, repaired = Counter[str](), Counter[str](), Counter[str](), 0
    columns = ["extractor", "charset_source", "licence", "mojibake"]
    for shard in sorted(lines):
        table = pq.read_table((ctx.output / part_name(shard)).open(), columns=columns)
        extractors.update(filter(None, table["extractor"].to_pylist()))
        charsets.update(filter(None, table["charset_source"].to_pylist()))
        licences.update(filter(None, table["licence"].to_pylist()))
        repaired += pc.sum(table["mojibake"]).as_py() or 0
    about = sum(line["about"] for line in lines.values())
    unreadable = Counter[str]()
    for line in lines.values():
        unreadable.update(line["unreadable"])
    aside = [part for _, line in sorted(lines.items()) for part in line["set_aside"]]
    ctx.count(
        records=total["records"],
        with_text=total["kept"],
        without_text=total["rejected"],
        about_records=about,
        extractors=dict(extractors.most_common()),
        charset_sources=dict(charsets.most_common()),
        licences=dict(licences.most_common()),
        mojibake_repaired=repaired,
    )
    ctx.tell(
        Headline(label="records read", value=total["records"]),
        Bars(
            title="Records with text, and why the others have none",
            labels=["records", "with text", *total["rejected"]],
            values=[float(total["records"]), float(total["kept"]), *map(float, total["rejected"].values())],
            unit="records",
            note=f"{about} more records only describe requests or the archive itself",
        ),
        Bars(
            title="Which extractor the text is from",
            labels=list(extractors),
            values=[float(number) for number in extractors.values()],
            unit="pages",
        ),
    )
    if licences:
        ctx.tell(
            Table(title="Creative Commons licences", columns=["licence", "pages"], rows=list(map(list, licences.most_common())))
        )
    if unreadable:
        ctx.track.say(
            f"{sum(unreadable.values()):,} records cannot be read, in {len(unreadable)} files "
            f"(most: {unreadable.most_common(1)[0][0]}); the report counts them by file"
        )
        rows: list[list[Any]] = [[file, number] for file, number in sorted(unreadable.items())]
        ctx.tell(Table(title="Unreadable records by file", columns=["file", "records"], rows=rows))
    if aside:
        ctx.count(set_aside=len(aside))
        for file, start, _ in aside:
            ctx.track.say(f"{file} from {start} is set aside: it ended each worker that read it")
        ctx.tell(
            Table(
                title="Parts of files that were set aside",
                columns=["file", "from", "to"],
                rows=aside,
                note="each ended the worker that read it, several times: whatever records are in them count as one",
            )
        )
