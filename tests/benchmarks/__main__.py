"""`make bench`: measures what the README states, on this machine, and prints it as Markdown."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from tests.benchmarks import quickstart


def machine() -> str:
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{len(models)} cores {models[0]}, {memory:.0f} GiB, Python {platform.python_version()}, load {load:.2f} at the start"
    )


if __name__ == "__main__":
    print(f"Machine: {machine()}\n")
    for table in quickstart.measure():
        print(table, "\n")
