"""`make bench`: measures what the README states, on this machine, and prints it as Markdown.

    python -m tests.benchmarks [NAME ...]        all of them, or those that are named

`quickstart` and `niceness` need nothing; the others need the folder of real data (PAGELOOM_SHARED, or `shared` beside the
checkout).
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil

from tests.benchmarks import niceness, quickstart

ON_REAL_DATA = (
    "extraction",
    "filters",
    "classifiers",
    "personal",
    "rights",
    "language",
    "pages",
    "dedup",
    "dedup_recall",
    "memorisation",
    "manifests",
)


def machine() -> str:
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{len(models)} cores {models[0]}, {memory:.0f} GiB, Python {platform.python_version()}, load {load:.2f} at the start"
    )


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name not in ("quickstart", "niceness", *ON_REAL_DATA)]:
        sys.exit(f"{unknown[0]}: no such benchmark; there are quickstart, niceness, {', '.join(ON_REAL_DATA)}")
    data = Path(os.environ.get("PAGELOOM_SHARED") or Path(__file__).parents[3] / "shared") / "data"
    print(f"Machine: {machine()}\n", flush=True)
    if not names or "quickstart" in names:
        for table in quickstart.measure():
            print(table, "\n", flush=True)
    if not names or "niceness" in names:
        print("## niceness\n", flush=True)
        niceness.main(list(niceness.NICENESSES))
    for name in names or ON_REAL_DATA:
        if name in ("quickstart", "niceness"):
            continue
        print(f"## {name}\n", flush=True)
        if not data.is_dir():
            print("not measured: the folder of real data is not here\n")
            continue
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", str(data)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
