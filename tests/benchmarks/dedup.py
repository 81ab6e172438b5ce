"""Near-duplicates here, in datasketch and in datatrove, on the same documents.

    python -m tests.benchmarks.dedup DATA_DIR [DOCUMENTS ...]

DATA_DIR: the folder of real data. DOCUMENTS: sizes, 20000 unless said otherwise. Documents are pages made of sentences of real
news, every fourth an edited copy of another one. Prints Markdown: documents a second here, on Ray with two workers and in one
process by phases; of datasketch's MinHashLSH in one process; and of datatrove's four stages with two workers where its
environment is. Above 200,000 documents the others are left out. Memory: 2 kB a document.
"""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasketch

from cluster.session import Embedded
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import Artefact
from cluster.track.events import Track
from cluster.track.recorder import Recorder
from pipeline.dedup import stage as decide
from pipeline.dedup.decisions import all_dropped
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import jaccard, ngram_hashes, normalised, shingles
from pipeline.pool import run_by_size, run_here
from tests.benchmarks.pages import watch
from tests.benchmarks.peers import environment
from tests.pipeline.dedup.conftest import Crawl

SHARD = 5000  # documents of a pages file
WORKERS = 2
PEERS_MOST = 200_000  # documents; one process of datasketch does 800 a second or fewer
JUDGED_MOST = 20_000  # pages whose similarity to the one that stays is computed anew, evenly over all that go
STEPS = {
    "signatures": ("sketch",),
    "exact": ("text-runs", "text"),
    "candidates": ("runs", "candidates"),
    "verification": ("shingles", "verified"),
    "components and choice": ("components", "seed", "large", "small", "labels", "canonical"),
}


def made_documents(data: Path, number: int, seed: int = 5) -> tuple[list[str], list[tuple[int, int]]]:
    """Texts of some 300 words, and which are edited copies of which: every fourth, with 0 to 10% of its words changed."""
    lines = (data / "dedup/news_articles.train").read_text().splitlines()
    sentences = [part for line in lines for part in re.split(r"(?<=[.!?]) ", line.split(" ", 1)[1]) if len(part) > 40]
    chance = random.Random(seed)
    texts: list[str] = []
    pairs = []
    for at in range(number):
        if at % 4 == 3:
            source = chance.randrange(at // 4 * 4) if at > 4 else 0
            words = texts[source].split()
            for place in chance.sample(range(len(words)), int(len(words) * chance.choice((0, 0.005, 0.01, 0.02, 0.05, 0.1)))):
                words[place] = f"edit{chance.randrange(10**6)}"
            texts.append(" ".join(words))
            pairs.append((source, at))
        else:
            # Sentences are cut and joined anew, so that pages share words and phrases, as real ones do, but not pages.
            parts = [sentence.split()[chance.randrange(4) :] for sentence in chance.sample(sentences, 14)]
            texts.append(
                " ".join(word if chance.random() > 0.1 else f"n{chance.randrange(10**5)}" for part in parts for word in part)
            )
    return texts, pairs


def run_on_ray(texts: Sequence[str], root: Path, settings: DedupSettings) -> tuple[Artefact, dict[str, float]]:
    """The stage as `pageloom run` does it. Seconds of Ray's start, of the stage, of work in that, and the highest memory of
    a worker in MB."""
    session, seconds = Embedded(ClusterSettings(data_workers=WORKERS, dashboard=False)), dict[str, float]()
    began = time.perf_counter()
    mailbox = session.start()
    seconds["start"] = time.perf_counter() - began
    highest, stop = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(highest, stop), daemon=True)
    watcher.start()
    try:
        crawl = Crawl(root, session.settings, Track("dedup", mailbox))
        pages = crawl.pages(texts, -(-len(texts) // SHARD))
        with Recorder("dedup", mailbox, crawl.store.root / "recorded") as recorder:
            began = time.perf_counter()
            dedup = crawl.run(pages, settings, pool=run_by_size(pages))
            seconds["stage"] = time.perf_counter() - began
        seconds["work"] = recorder.work_seconds()
    finally:
        stop.set()
        watcher.join()
        session.stop()
    seconds["worker MB"] = highest[0] / 1e6
    return dedup, seconds


def run_ours(texts: Sequence[str], root: Path, settings: DedupSettings) -> tuple[Artefact, dict[str, float]]:
    """The stage in this process, and seconds of each phase."""
    seconds: dict[str, float] = {}

    def timed(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Any:
        began = time.perf_counter()
        records = run_here(ctx, units, worker, *arguments)
        name = re.sub(r"-\d+$", "", ctx.output.name)
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
        return records

    crawl = Crawl(root)
    pages = crawl.pages(texts, -(-len(texts) // SHARD))
    few, decide.FEW_PAGES = decide.FEW_PAGES, -1  # every phase through `timed`
    try:
        return crawl.run(pages, settings, pool=timed), seconds
    finally:
        decide.FEW_PAGES = few


def run_datasketch(texts: Sequence[str], settings: DedupSettings) -> tuple[float, float, set[tuple[int, int]]]:
    """Seconds and CPU seconds from texts to candidates in one process, by its documentation; and those that are alike."""
    began, cpu = time.perf_counter(), cpu_seconds()
    index = datasketch.MinHashLSH(num_perm=settings.bands * settings.rows, params=(settings.bands, settings.rows))
    found = set()
    for at, text in enumerate(texts):
        words = normalised(text, settings.characters).split()
        grams = {" ".join(words[place : place + settings.ngram]) for place in range(max(1, len(words) - settings.ngram + 1))}
        sketch = datasketch.MinHash(settings.bands * settings.rows, seed=1)
        sketch.update_batch([gram.encode() for gram in grams])
        found |= {(other, at) for other in index.query(sketch)}
        index.insert(at, sketch, check_duplication=False)
    seconds, cpu, sets = time.perf_counter() - began, cpu_seconds() - cpu, Sets(texts)
    return seconds, cpu, {pair for pair in found if sets.jaccard(*pair) >= settings.jaccard}


def run_datatrove(texts: Sequence[str], place: Path) -> dict[str, Any] | None:
    """What its four stages with two workers took, and what they kept; None where its environment is not there."""
    python = environment.python(environment.directory())
    if python is None:
        return None
    source = place / "documents"
    source.mkdir(parents=True)
    for half in (0, 1):
        with (source / f"{half}.jsonl").open("w") as stream:
            for at in range(half, len(texts), 2):
                stream.write(json.dumps({"id": str(at), "text": texts[at]}) + "\n")
    script = Path(environment.__file__).parent / "datatrove_dedup.py"
    command = [str(python), str(script), str(source), str(place / "output"), "2"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


def stand_ins(dedup: Artefact, number: int) -> dict[int, int]:
    """By position among the texts, the page that goes -> the one that stays."""
    size = -(-number // -(-number // SHARD))

    def position(doc_id: int) -> int:
        return (doc_id >> 32) * size + (doc_id & 0xFFFFFFFF)

    rows = (row for table in all_dropped(dedup) for row in table.select(["doc_id", "canonical_id"]).to_pylist())
    return {position(row["doc_id"]): position(row["canonical_id"]) for row in rows}


def measure(data: Path, number: int) -> list[str]:
    """The table of one size, and how good the answers are."""
    texts, planted = made_documents(data, number)
    settings, peers = DedupSettings(), number <= PEERS_MOST
    with tempfile.TemporaryDirectory(prefix="pageloom-bench-") as directory:
        place = Path(directory)
        on_ray, ray_seconds = run_on_ray(texts, place / "ray", settings)
        marks = [cpu_seconds()]
        dedup, seconds = run_ours(texts, place / "root", settings)
        marks.append(cpu_seconds())
        gone, same = stand_ins(dedup, number), on_ray.digest == dedup.digest
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        their_seconds, their_cpu, pairs = run_datasketch(texts, settings) if peers else (0.0, 0.0, set[tuple[int, int]]())
        marks.append(cpu_seconds())
        trove = run_datatrove(texts, place / "datatrove") if peers else None
        marks.append(cpu_seconds())
    one, two = sum(seconds.values()), ray_seconds["stage"]
    lines = ["| documents | who | seconds | documents/s | here against it |", "|---:|---|---:|---:|---:|"]
    lines.append(f"| {number} | here, Ray, {WORKERS} workers | {two:.1f} | {number / two:.0f} | |")
    lines.append(f"| | here, one process | {one:.1f} | {number / one:.0f} | |")
    for name, phases in STEPS.items():
        part = sum(seconds.get(phase, 0.0) for phase in phases)
        lines.append(f"| | {name} | {part:.2f} | {number / max(part, 1e-9):.0f} | |")
    if peers:
        spent = their_seconds
        lines.append(f"| | datasketch MinHashLSH, one process | {spent:.1f} | {number / spent:.0f} | {spent / one:.1f} |")
    if trove:
        spent = trove["seconds"]
        lines.append(f"| | datatrove, {WORKERS} workers | {spent:.1f} | {number / spent:.0f} | {spent / two:.1f} |")
    sets = Sets(texts)
    judged = list(gone.items())[:: -(-len(gone) // JUDGED_MOST) or 1]
    wrong = sum(sets.jaccard(page, to) < settings.jaccard for page, to in judged)
    alike = [pair for pair in planted[:: -(-len(planted) // JUDGED_MOST) or 1] if sets.jaccard(*pair) >= settings.jaccard]
    lines += [
        f"\nRay's start, not in these seconds: {ray_seconds['start']:.1f} s. Of the stage's seconds on Ray "
        f"{two - ray_seconds['work']:.1f} pass with nobody at work: pools of actors start and end.",
        f"Highest memory of a worker: {ray_seconds['worker MB']:.0f} MB; of the one process, with all texts: {memory:.0f} MB.",
        f"Both ways gave {'the same' if same else 'OTHER'} bytes.",
        f"{len(gone)} pages go; of {len(judged)} judged {wrong} do not resemble the page that stays at {settings.jaccard}.",
        f"Planted pairs of that similarity found: {recall(alike, set(gone)):.4f} of {len(alike)}.",
    ]
    if peers:
        missed = sum(page not in gone and other not in gone for page, other in pairs)
        ours_cpu, _, trove_cpu = (after - before for before, after in pairwise(marks))
        lines += [
            f"Of datasketch's {len(pairs)} pairs at this similarity {missed} were not; it does not verify, its seconds end "
            "with the candidates.",
            f"CPU seconds: {ours_cpu:.1f} here in one process, {their_cpu:.1f} datasketch, {trove_cpu:.1f} datatrove (where "
            "others use the cores, these are what to compare).",
        ]
    if trove:
        theirs_gone = set(range(number)) - set(trove["kept"])
        lines.append(f"datatrove found {recall(alike, theirs_gone):.4f} of the planted ones, removed {len(theirs_gone)} pages.")
    return [*lines, ""]


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    usage = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def recall(pairs: Sequence[tuple[int, int]], gone: set[int]) -> float:
    return sum(one in gone or other in gone for one, other in pairs) / max(1, len(pairs))


class Sets:
    """Similarities of texts by position, for judging."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def jaccard(self, one: int, other: int) -> float:
        pair = [normalised(self.texts[each], 500_000) for each in (one, other)]
        return jaccard(*map(shingles, ngram_hashes(pair, [5, 5])))


if __name__ == "__main__":
    for size in [int(each) for each in sys.argv[2:]] or [20_000]:
        print("\n".join(measure(Path(sys.argv[1]), size)), flush=True)
