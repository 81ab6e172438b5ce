"""What the niceness of Ray's workers costs them, and what it spares others, where the machine has other work.

    python -m tests.benchmarks.niceness [NICENESS ...]

For each niceness an embedded Ray with a busy worker a core, beside as many busy processes of niceness 0, which are started
once in this session of the kernel's (the same terminal) and once in one of their own (another terminal, where Linux groups
processes by session, sched_autogroup). Prints Markdown: the workers' share of the processor time that both get together, which
a third load on the machine hardly changes, and how many times as long their work takes for it; and how long somebody at
the keyboard waits for 5 ms of work (99th percentile of 300) while only the workers are busy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from cluster.cgroup import cores
from cluster.session import Embedded
from cluster.settings import ClusterSettings

SECONDS = 8.0
NICENESSES = (15, 10, 5, 0)
KEYBOARD = """
import json, time
spent = []
for _ in range(300):
    time.sleep(0.005)
    began, until = time.perf_counter(), time.thread_time() + 0.005
    while time.thread_time() < until:
        pass
    spent.append((time.perf_counter() - began) * 1000)
print(json.dumps(sorted(spent)[296]))
"""


class Worker:
    """An actor that is busy for as long as it is asked."""

    def identity(self) -> tuple[int, int]:
        return os.getpid(), os.nice(0)

    def work(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass


def measure(niceness: int) -> dict[str, float]:
    import ray

    os.environ.update({"RAY_worker_niceness": str(niceness)})
    session = Embedded(ClusterSettings(dashboard=False, object_store_mb=100, cpus=4))
    session.start()
    try:
        worker: Any = ray.remote(num_cpus=1)(Worker)
        workers = [worker.remote() for _ in range(cores())]
        identities = ray.get([each.identity.remote() for each in workers])
        assert {nice for _, nice in identities} == {niceness}
        processes = [psutil.Process(pid) for pid, _ in identities]
        found = {}
        for name, own_session in (("same", False), ("other", True)):
            pending = [each.work.remote(SECONDS + 3) for each in workers]
            found[name] = share_beside_others(processes, own_session)
            ray.get(pending)
        pending = [each.work.remote(SECONDS) for each in workers]
        found["keyboard"] = json.loads(
            subprocess.run([sys.executable, "-c", KEYBOARD], capture_output=True, check=True, start_new_session=True).stdout
        )
        ray.get(pending)
    finally:
        session.stop()
    return found


def share_beside_others(workers: list[psutil.Process], own_session: bool) -> float:
    """The workers' part of the processor time that they and as many busy processes as there are cores get together."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command, start_new_session=own_session) for _ in range(cores())]
    try:
        time.sleep(1)  # both are at it
        processes = [psutil.Process(each.pid) for each in others]
        before = busy(workers), busy(processes)
        time.sleep(SECONDS)
        mine, theirs = busy(workers) - before[0], busy(processes) - before[1]
        return mine / (mine + theirs)
    finally:
        for each in others:
            each.kill()
            each.wait()


def busy(processes: list[psutil.Process]) -> float:
    return sum(each.cpu_times().user + each.cpu_times().system for each in processes)


def main(wanted: list[int]) -> None:
    switch = Path("/proc/sys/kernel/sched_autogroup_enabled")
    print(f"sched_autogroup {switch.read_text().strip() if switch.is_file() else 'absent'}; an equal share is 50%\n")
    print("| niceness | share beside others of this session | times as long | of another session | 5 ms at the keyboard, p99 |")
    print("|---:|---:|---:|---:|---:|")
    for niceness in wanted:
        found = measure(niceness)
        shares = f"{found['same']:.1%} | {1 / found['same']:.1f} | {found['other']:.0%}"
        print(f"| {niceness} | {shares} | {found['keyboard']:.0f} ms |", flush=True)


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or list(NICENESSES))
