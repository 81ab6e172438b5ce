"""What looking for opt-outs costs: `python -m tests.benchmarks.rights DATA_DIR` (its warc/ and optout/)."""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator
from rich.console import Console
from rich.table import Table

from cluster.store import Location
from pipeline.rights.block_list import BlockList
from pipeline.rights.host_files import HostFile, gather_host_rules, read_host_files, scan_archive
from pipeline.rights.host_rules import HostRules
from pipeline.rights.settings import RightsSettings
from pipeline.rights.verdict import Rights


def seconds(action: Callable[[], Any]) -> float:
    """The least of three of this process' own time."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        action()
        spent.append(time.process_time() - began)
    return min(spent)


def main(data: Path) -> None:
    settings, console = RightsSettings(), Console(width=120)
    archive = data / "warc/pages.warc.gz"
    with archive.open("rb") as stream:
        pages = [
            (record.headers["WARC-Target-URI"], list(record.http_headers), record.reader.read())
            for record in ArchiveIterator(stream)
            if record.http_headers is not None
        ]
    with gzip.open(data / "optout/robots_txt.jsonl.gz") as lines:
        robots = [json.loads(line) for line in lines]
    hosts = HostRules(gather_host_rules(HostFile(each["host"], "robots", "", each["robots_txt"]) for each in robots), settings)
    blocked = BlockList(f"blocked-{number}.example" for number in range(1_000_000))
    rights, alone = Rights(settings, hosts, blocked), Rights(settings)
    urls = [f"https://{each['host']}/2024/05/some-article.html?page=2" for each in robots]
    size = sum(len(body) for _, _, body in pages)

    def ask_all() -> None:
        for url in urls:
            hosts.opt_outs(url)

    def parse_all() -> None:
        hosts.parsed.cache_clear()
        ask_all()

    table = Table(
        title=f"{len(pages)} pages of {size / len(pages) / 1000:.0f} kB, {len(robots)} robots.txt, a million blocked domains"
    )
    table.add_column("step")
    table.add_column("cost", justify="right")
    for name, action, number in (
        ("headers, meta, licence of a page", lambda: [alone.of_page(*page) for page in pages], len(pages)),
        ("the same with host rules and block list", lambda: [rights.of_page(*page) for page in pages], len(pages)),
        ("block list alone", lambda: [blocked.entry_for(url) for url in urls], len(urls)),
        ("robots.txt of a URL, parsed before", ask_all, len(urls)),
        ("robots.txt of a new host", parse_all, len(urls)),
    ):
        table.add_row(name, f"{seconds(action) / number * 1e6:.0f} µs")
    mega = archive.stat().st_size / 1e6
    scans: list[tuple[str, Callable[[], Any]]] = [
        ("hosts' rules in an archive, by members", lambda: list(scan_archive(Location.of(archive)))),
        ("the same by reading it whole", lambda: list(read_host_files(Location.of(archive)))),
    ]
    for name, scan in scans:
        table.add_row(name, f"{mega / seconds(scan):.0f} MB/s")
    console.print(table)
    verdicts = [alone.of_page(*page) for page in pages]
    console.print("refused", dict(Counter(each.reason for each in verdicts if each.reason)))
    console.print("licences", dict(Counter(each.licence for each in verdicts if each.licence)))
    out = [(each["host"], said) for each in robots if (said := hosts.opt_outs(f"https://{each['host']}/"))]
    console.print(*(f"{host}  {said[0].text}" for host, said in out), sep="\n", markup=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m tests.benchmarks.rights DATA_DIR: give the folder that holds warc/ and optout/")
    main(Path(sys.argv[1]))
