"""Peak memory of everything a run started, sampled from /proc."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil


class PeakMemory:
    """Samples the proportional set size (PSS: shared pages divided among their users) of this process
    and all its descendants every `interval` seconds; `take()` returns the peak since the last `take()`.

    Sees what this process started: all of a run with an embedded Ray, the driver alone where a cluster is joined. Peaks
    shorter than the interval can be missed. One sample costs some 5 ms of CPU a process.
    """

    def __init__(self, interval: float = 4.0) -> None:
        self.interval = interval
        self.peak = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True, name="peak-memory")

    def __enter__(self) -> PeakMemory:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()

    def take(self) -> int:
        """Peak in bytes since the last call."""
        peak, self.peak = max(self.peak, tree_bytes()), 0
        return peak

    def _sample(self) -> None:
        while not self.stopping.wait(self.interval):
            self.peak = max(self.peak, tree_bytes())


def tree_bytes() -> int:
    """PSS of this process and its descendants, in bytes (RSS where the kernel does not tell PSS)."""
    me = psutil.Process()
    return sum(process_bytes(process) for process in [me, *me.children(recursive=True)])


def process_bytes(process: psutil.Process) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return process.memory_info().rss
    except (OSError, psutil.Error):
        return 0  # gone between listing and reading
