"""Near-duplicates here, in datasketch and in datatrove, on the same documents.

    python -m tests.benchmarks.dedup DATA_DIR [DOCUMENTS ...]

DATA_DIR: the folder of real data. DOCUMENTS: sizes, 20000 unless said otherwise. Documents are pages made of sentences of real
news, every fourth an edited copy of another one. Prints Markdown: documents a second of each phase here in one process (so
without Ray's start), of datasketch's MinHashLSH in one process, and of datatrove's four stages where its environment is.
"""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasketch
import numpy as np

from cluster.stage import Context
from cluster.store import Artefact
from pipeline.dedup.decide import run_here
from pipeline.dedup.decisions import all_dropped
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import jaccard, normalised_words, shingles
from tests.benchmarks.peers import environment
from tests.pipeline.dedup.conftest import Crawl

SHARD = 5000  # documents of a pages file
DATASKETCH_MOST = 50_000  # one process of it does 800 a second or fewer; beyond, its figure at this size is told
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
    from pipeline.dedup import decide

    decide.FEW_PAGES = -1  # every phase through `timed`
    return crawl.run(pages, settings, pool=timed), seconds


def run_datasketch(texts: Sequence[str], settings: DedupSettings) -> tuple[float, set[tuple[int, int]]]:
    """Seconds of signatures and of filling and asking its index in one process, and the candidates that it verified."""
    sets = [shingles(normalised_words(text, settings.characters), settings.ngram) for text in texts]  # not timed
    began = time.perf_counter()
    index = datasketch.MinHashLSH(num_perm=settings.bands * settings.rows, params=(settings.bands, settings.rows))
    found = set()
    for at, each in enumerate(sets):
        sketch = datasketch.MinHash(settings.bands * settings.rows, seed=1, hashfunc=int)
        sketch.update_batch((each & np.uint64(0xFFFFFFFF)).tolist())
        found |= {(other, at) for other in index.query(sketch)}
        index.insert(at, sketch, check_duplication=False)
    seconds = time.perf_counter() - began
    return seconds, {pair for pair in found if jaccard(sets[pair[0]], sets[pair[1]]) >= settings.jaccard}


def run_datatrove(texts: Sequence[str], place: Path) -> float | None:
    """Seconds of its four stages with two tasks on two workers; None where its environment is not there."""
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
    done = subprocess.run([python, script, source, place], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def found_pairs(dedup: Artefact, number: int) -> dict[int, int]:
    size = -(-number // -(-number // SHARD))
    position = lambda doc_id: (doc_id >> 32) * size + (doc_id & 0xFFFFFFFF)  # noqa: E731
    rows = (row for table in all_dropped(dedup) for row in table.select(["doc_id", "canonical_id"]).to_pylist())
    return {position(row["doc_id"]): position(row["canonical_id"]) for row in rows}


def measure(data: Path, sizes: Sequence[int]) -> list[str]:
    lines = ["| documents | who | seconds | documents/s | ratio |", "|---:|---|---:|---:|---:|"]
    settings, notes = DedupSettings(), []
    for number in sizes:
        texts, planted = made_documents(data, number)
        with tempfile.TemporaryDirectory(prefix="pageloom-bench-") as directory:
            dedup, seconds = run_ours(texts, Path(directory) / "root", settings)
            total = sum(seconds.values())
            gone = found_pairs(dedup, number)
            lines.append(f"| {number} | here, one process | {total:.1f} | {number / total:.0f} | 1 |")
            for name, phases in STEPS.items():
                spent = sum(seconds.get(phase, 0.0) for phase in phases)
                lines.append(f"| | {name} | {spent:.2f} | {number / max(spent, 1e-9):.0f} | |")
            few = texts[:DATASKETCH_MOST]
            spent, pairs = run_datasketch(few, settings)
            rate = len(few) / spent
            lines.append(
                f"| {len(few)} | datasketch MinHashLSH, one process | {spent:.1f} | {rate:.0f} | {number / total / rate:.1f} |"
            )
            if (there := run_datatrove(texts, Path(directory) / "datatrove")) is not None:
                ratio = there / total
                lines.append(
                    f"| {number} | datatrove, four stages, two workers | {there:.1f} | {number / there:.0f} | {ratio:.1f} |"
                )
        sets = {at: shingles(normalised_words(texts[at], 500_000), 5) for pair in planted for at in pair}
        sets |= {at: shingles(normalised_words(texts[at], 500_000), 5) for pair in gone.items() for at in pair}
        wrong = sum(jaccard(sets[page], sets[to]) < settings.jaccard for page, to in gone.items())
        alike = [pair for pair in planted if jaccard(sets[pair[0]], sets[pair[1]]) >= settings.jaccard]
        found = sum(one in gone or other in gone for one, other in alike)
        missed = sum(one not in gone and other not in gone for one, other in pairs)
        notes.append(
            f"\n{number}: {wrong} of {len(gone)} dropped pages do not resemble the page that stays; {found} of {len(alike)} "
            f"planted pairs at {settings.jaccard} were found; {missed} of datasketch's {len(pairs)} verified pairs were not. "
            f"Highest memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB, texts included."
        )
    return [*lines, *notes]


if __name__ == "__main__":
    for line in measure(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or [20_000]):
        print(line)
