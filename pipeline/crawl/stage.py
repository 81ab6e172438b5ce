"""The crawl stage: files of pages, fetched politely from the web or named by the user."""

from __future__ import annotations

import contextlib
import ipaddress
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from yarl import URL

from cluster.errors import RequestError, WorkError
from cluster.inputs import reaches
from cluster.report.blocks import Bars, Table
from cluster.stage import Context
from cluster.store import parquet_bytes, shard_records
from pipeline.crawl.inventory import inventory
from pipeline.crawl.pydoc_server import UNSAFE_PAGES, PydocServer
from pipeline.crawl.settings import CRAWLED, CrawlSettings
from pipeline.room import CRAWLER_CPUS
from pipeline.url import canonical_url, host_of

INVENTORY = "inventory.json"
FETCHES = "fetches.parquet"


def run_crawl(ctx: Context) -> None:
    """Fill `inventory.json` with the files that hold the pages."""
    if ctx.settings.all_sources():
        list_files(ctx)
    else:
        crawl_web(ctx)


def list_files(ctx: Context) -> None:
    """Take the user's files. Those that cannot be read are counted; raises RequestError where none can."""
    sources = ctx.settings.all_sources()
    if any(reaches(pattern, ctx.root) for pattern in ctx.settings.patterns()):
        ctx.track.say(f"files below {ctx.root}, where runs write, are no input")
    files, unreadable = inventory(ctx.external, sources)
    if not files:
        first = unreadable[0]
        raise RequestError(
            f"crawl: none of the {len(unreadable)} files can be read (first: {first['uri']}: {first['reason']}); "
            "give WARC, WET, HTML, JSONL, Parquet, text, source code or Stack Exchange files"
        )
    described = {
        source.name: {"weight": source.weight, "priority": source.priority, "options": source.options()} for source in sources
    }
    (ctx.output / INVENTORY).write_json({"files": files, "unreadable": unreadable, "sources": described})
    formats = Counter(file["format"] for file in files)
    ctx.count(files=len(files), unreadable_files=len(unreadable), bytes=sum(file["bytes"] for file in files))
    ctx.track.progress(len(files), len(files), "files")
    ctx.tell(
        Bars(title="Input files by format", labels=list(formats), values=[float(n) for n in formats.values()], unit="files")
    )
    if unreadable:
        first = unreadable[0]
        ctx.track.say(
            f"{len(unreadable)} of {len(files) + len(unreadable)} files are left out, as they cannot be read "
            f"(first: {first['uri']}: {first['reason']}); the report lists them"
        )
        rows: list[list[Any]] = [[each["uri"], each["reason"]] for each in unreadable]
        ctx.tell(Table(title="Files that could not be read", columns=["file", "reason"], rows=rows))


def crawl_web(ctx: Context) -> None:
    """Crawl the seeds' hosts with Ray actors; raises WorkError where nothing could be fetched."""
    settings: CrawlSettings = ctx.settings
    with contextlib.ExitStack() as stack:
        seeds, beside_driver = list(settings.seeds), False
        if settings.pydoc is not None:
            server = stack.enter_context(PydocServer(settings.pydoc))
            settings = settings.model_copy(update={"exclude": [*settings.exclude, *UNSAFE_PAGES]})
            seeds, beside_driver = [server.url, *seeds], True
        hosts = seeds_by_host(seeds)
        if settings.contact is None and (strangers := [host for host in hosts if not is_loopback(host)]):
            raise RequestError(f"crawl.contact: give a URL or e-mail where the owner of {strangers[0]} reaches you")
        run_crawlers(ctx, settings, hosts, beside_driver)
    fetches = read_journals(ctx)
    (ctx.output / FETCHES).write_bytes(parquet_bytes(fetches.drop_columns(["host", "depth", "links"])))
    from pipeline.rights.host_files import HOST_RULES

    rules = read_host_rules(ctx)
    (ctx.output / HOST_RULES).write_bytes(parquet_bytes(rules))
    tell_fetches(ctx, fetches)
    ok = pc.sum(pc.equal(fetches["reason"], "ok")).as_py()
    if not ok:
        reason = dict(zip(fetches["url"].to_pylist(), fetches["reason"].to_pylist(), strict=True)).get(seeds[0], "unreachable")
        raise WorkError(f"nothing could be fetched from {seeds[0]} ({reason}); check that the seed answers, then run again")
    files = [
        {"path": record["path"], "format": "warc", "bytes": record["bytes"], "source": CRAWLED}
        for _, record in sorted(shard_records(ctx.output).items())
    ]
    (ctx.output / INVENTORY).write_json(
        {"files": files, "unreadable": [], "sources": {CRAWLED: {"weight": None, "priority": 0, "options": {}}}}
    )
    ctx.count(
        pages=ok,
        urls=fetches.num_rows,
        files=len(files),
        bytes=pc.sum(fetches["bytes"]).as_py(),
        host_rules=dict(Counter(rules["kind"].to_pylist())),
    )


def seeds_by_host(seeds: Iterable[str]) -> dict[str, list[str]]:
    """Canonical seeds under their hosts. Raises RequestError for none, or for one that is not a web address."""
    hosts: dict[str, list[str]] = {}
    for seed in seeds:
        url = canonical_url(seed)
        if url is None:
            raise RequestError(f"crawl.seeds: {seed} is not an http:// or https:// URL")
        hosts.setdefault(host_of(url), []).append(url)
    if not hosts:
        raise RequestError("nothing to crawl: give crawl.seeds, crawl.pydoc or --input FILES")
    return hosts


def is_loopback(host: str) -> bool:
    name = URL(f"http://{host}").raw_host or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def run_crawlers(ctx: Context, settings: CrawlSettings, hosts: dict[str, list[str]], beside_driver: bool) -> None:
    """Deal the hosts out to actors and wait. An actor that dies is restarted and goes on behind its last file."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from pipeline.crawl.crawler import CrawlWorker

    # The pydoc server answers on the driver's loopback only.
    here: Any = (
        NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False) if beside_driver else "DEFAULT"
    )
    actor: Any = ray.remote(num_cpus=CRAWLER_CPUS, max_restarts=3, max_task_retries=3, scheduling_strategy=here)(CrawlWorker)
    names = sorted(hosts)
    number = min(ctx.cluster.data_workers, len(names))
    crawlers = [actor.remote(each, settings, ctx.output, ctx.work) for each in range(number)]
    work = [
        crawler.crawl.remote({host: hosts[host] for host in names[each::number]}, ctx.track)
        for each, crawler in enumerate(crawlers)
    ]
    try:
        ray.get(work)
    finally:
        for crawler in crawlers:
            ray.kill(crawler)


def read_journals(ctx: Context) -> pa.Table:
    """What became of every URL, in the order of the files. Memory: about 200 bytes a URL."""
    from pipeline.crawl.crawler import journal_name

    return pa.concat_tables(
        pq.read_table((ctx.work / journal_name(index)).open()) for index in sorted(shard_records(ctx.output))
    )


def read_host_rules(ctx: Context) -> pa.Table:
    """robots.txt, tdmrep.json and ai.txt of the hosts (see `host_rules.SCHEMA`), so that `pages` need not look for them."""
    from pipeline.crawl.crawler import host_files_name
    from pipeline.rights.host_files import HostFile, gather_host_rules

    places = [ctx.work / host_files_name(index) for index in sorted(shard_records(ctx.output))]
    rows = (row for place in places if place.exists() for row in pq.read_table(place.open()).to_pylist())
    return gather_host_rules(HostFile(**row) for row in rows)


def tell_fetches(ctx: Context, fetches: pa.Table) -> None:
    counts = sorted(Counter(fetches["reason"].to_pylist()).items(), key=lambda each: -each[1])
    ctx.tell(
        Bars(
            title="What became of every URL",
            labels=[reason for reason, _ in counts],
            values=[float(number) for _, number in counts],
            unit="URLs",
        )
    )
