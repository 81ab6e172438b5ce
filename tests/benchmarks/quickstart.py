"""The quickstart recipe from an empty root to an answer, then once more with everything there."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.memory import process_bytes
from cluster.store import Store
from pageloom import line

GIB = 2**30


@dataclass
class Measured:
    """One `pageloom run`, seen from outside: seconds to the answer and from Ctrl-C to its end, peak PSS of its tree."""

    answered: float
    stopped: float
    peak_bytes: int


def run_to_answer(root: Path) -> Measured:
    log = (root.parent / f"{time.time_ns()}.log").open("w+")
    began, due, peak = time.monotonic(), 0.0, 0
    process = subprocess.Popen([sys.executable, "-m", "pageloom", "run", "--root", str(root)], stdout=log, stderr=log)
    me = psutil.Process(process.pid)
    while "\nanswered " not in Path(log.name).read_text():
        if process.poll() is not None:
            raise SystemExit(f"the quickstart ended before it answered:\n{Path(log.name).read_text()}")
        if time.monotonic() > due:  # not at every look: a sample costs some 100 ms of CPU
            peak = max(peak, sum(map(process_bytes, [me, *me.children(recursive=True)])))
            due = time.monotonic() + 5
        time.sleep(0.5)
    answered = time.monotonic() - began
    process.send_signal(signal.SIGINT)
    process.wait()
    return Measured(answered, time.monotonic() - began - answered, peak)


def measure() -> Iterator[str]:
    """Markdown tables: the two runs, then every stage of the first."""
    with tempfile.TemporaryDirectory(prefix="pageloom-bench-") as directory:
        root = Path(directory, "root")
        first, second = run_to_answer(root), run_to_answer(root)
        yield "\n".join(
            [
                "| run | to the answer | peak memory | from Ctrl-C to the end |",
                "|---|---:|---:|---:|",
                *(
                    f"| {name} | {run.answered:.0f} s | {run.peak_bytes / GIB:.1f} GiB | {run.stopped:.1f} s |"
                    for name, run in (("from an empty root", first), ("everything there", second))
                ),
            ]
        )
        store = Store(root)
        manifests = [store.artefacts(name)[-1].manifest for name in line().names]
        rows = [
            f"| {m['stage']} | {m['seconds']:.1f} | {1 - m['work_seconds'] / m['seconds']:.0%} "
            f"| {m['peak_memory_bytes'] / GIB:.1f} |"
            for m in manifests
        ]
        total = sum(m["seconds"] for m in manifests)
        work = sum(m["work_seconds"] for m in manifests)
        yield "\n".join(
            [
                "| stage | seconds | start-up and orchestration | peak GiB |",
                "|---|---:|---:|---:|",
                *rows,
                f"| all stages | {total:.0f} | {1 - work / total:.0%} | |",
            ]
        )
        [evaluation] = [m for m in manifests if m["stage"] == "evaluation"]
        for block in evaluation["report"]:
            if block["kind"] == "table":
                lines = [block["columns"], ["---"] * len(block["columns"]), *block["rows"]]
                yield "\n".join(
                    "| " + " | ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in line) + " |"
                    for line in lines
                )
