"""Gopher's, C4's and FineWeb's filters here and in datatrove on the same pages: python -m tests.benchmarks.filters DATA_DIR

DATA_DIR: the folder of real data. Makes datatrove's environment where it is missing. Prints Markdown: speed on one core,
in CPU seconds, of all signals and their decision against the four filters' verdicts; then how often both agree.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from pipeline.measure.signals import signals
from pipeline.measure.words import Vocabulary
from pipeline.pages.settings import HeuristicSettings
from pipeline.pages.thresholds import decide
from tests.benchmarks.peers import environment


def texts(data: Path, number: int) -> list[str]:
    """Main contents of real pages as people extracted them, without blank lines, as datatrove's extractor writes them."""
    with gzip.open(data / "html/wcxb/gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        contents = [json.loads(line)["gold"]["main_content"] or "" for line in lines]
    return [re.sub(r"\n\s*\n", "\n", text).strip() for text in contents if text.strip()][:number]


def ours(pages: list[str], vocabulary: Vocabulary) -> tuple[list[str], float]:
    began = time.process_time()
    table = pa.Table.from_pylist([signals(text, vocabulary) for text in pages])
    html = pa.array([0.0] * len(pages))
    table = table.append_column("spam_link_density", html).append_column("spam_parked_phrases", html)
    reasons = decide(table, HeuristicSettings(max_top_word=None, max_parked_phrases=None))["reason"].to_pylist()
    return reasons, time.process_time() - began


def measure(data: Path, number: int = 300) -> list[str]:
    pages = texts(data, number)
    python = environment.make(environment.directory())
    with tempfile.TemporaryDirectory() as place:
        documents, values = Path(place, "documents.jsonl"), Path(place, "values.jsonl")
        documents.write_text("".join(json.dumps({"name": str(at), "text": text}) + "\n" for at, text in enumerate(pages)))
        script = Path(environment.__file__).parent / "datatrove_values.py"
        said = subprocess.run([python, script, documents, values], check=True, capture_output=True, text=True).stdout
        theirs = json.loads(said)["seconds"]
        verdicts = [json.loads(line)["verdicts"] for line in values.read_text().splitlines()]
    vocabulary = Vocabulary()
    _, cold = ours(pages, vocabulary)
    reasons, warm = ours(pages, vocabulary)
    megabytes = sum(len(text.encode()) for text in pages) / 1e6
    rows = [("datatrove 0.10.1, four filters", theirs), ("here, first sight of every word", cold), ("here, words known", warm)]
    same = sum(
        (all(said is True for said in verdict.values()) and not reason)
        or (bool(reason) and any(said is not True for said in verdict.values()))
        for verdict, reason in zip(verdicts, reasons, strict=True)
    )
    kept = sum(not reason for reason in reasons)
    return [
        f"{len(pages)} pages, {megabytes:.1f} MB of text; kept here: {kept}; same decision: {same} ({same / len(pages):.1%})\n",
        "| | pages/s | MB/s | ratio |\n|---|---:|---:|---:|",
        *(f"| {name} | {len(pages) / s:.0f} | {megabytes / s:.2f} | {theirs / s:.1f} |" for name, s in rows),
    ]


if __name__ == "__main__":
    for line in measure(Path(sys.argv[1])):
        print(line)
