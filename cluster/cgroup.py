"""What the control group of this process allows: cores and memory, of a container, a pod or a Slurm job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

PROC, MOUNT = Path("/proc"), Path("/sys/fs/cgroup")


def cores(proc: Path = PROC, mount: Path = MOUNT) -> int:
    """Processors that this process may keep busy: those it may run on, or what its quota amounts to if that is less.

    A quota is a share of time on all processors of the node: whoever asks `os.cpu_count()` in a pod of 2 CPUs on a node of 64
    starts 64 threads that stop each other. Rounded down, to 1 at least: a thread beyond the quota waits for the others' share.
    """
    shares = [quota for place in directories("cpu", proc, mount) if (quota := quota_of(place))]
    return max(1, int(min([len(os.sched_getaffinity(0)), *shares])))


def threads_each(processes: int) -> int:
    """Threads for each of so many processes that compute at the same time on this machine; 1 at least."""
    return max(1, cores() // processes)


def quota_of(place: Path) -> float | None:
    """Processors' worth of time in a control group, of version 2 or 1; None where there is no limit."""
    if (unified := place / "cpu.max").is_file():
        quota, _, period = unified.read_text().strip().partition(" ")
    elif (legacy := place / "cpu.cfs_quota_us").is_file():
        quota, period = legacy.read_text().strip(), (place / "cpu.cfs_period_us").read_text().strip()
    else:
        return None
    return int(quota) / int(period) if quota.isdigit() and int(period) else None  # "max" or -1: no limit


def free_memory(proc: Path = PROC, mount: Path = MOUNT) -> int:
    """Bytes that may still be had: the machine's, or what the nearest limit above leaves."""
    free = psutil.virtual_memory().available
    for place in directories("memory", proc, mount):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            if (place / limit).is_file() and (text := (place / limit).read_text().strip()).isdigit():
                free = min(free, int(text) - int((place / used).read_text()))
    return max(0, free)


def directories(controller: str, proc: Path, mount: Path) -> Iterator[Path]:
    """The control groups that hold this process as far as they can be seen from here, the innermost first.

    In a container the path may be the host's, of which only the mount itself is there.
    """
    listing = proc / "self" / "cgroup"
    for line in listing.read_text().splitlines() if listing.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for top in {mount / controllers, mount / controller} if controllers else {mount}:
            inner = top / path.strip("/")
            for place in (inner, *inner.parents):
                if place.is_dir() and (place == top or top in place.parents):
                    yield place
