"""A run as the root sees it: takes the root, makes artefacts of shards, files and a directory; tests kill it meanwhile.

    python -m tests.faults.writer ROOT ARTEFACTS [STOP_AFTER]

STOP_AFTER: waits for a line on stdin after so many shards in all. Prints a line for what it has done.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

SKEW = float(os.environ.get("CLOCK_SKEW", "0"))
if SKEW:
    right = time.time
    time.time = lambda: right() + SKEW

from cluster.errors import RequestError, WorkError  # noqa: E402
from cluster.holder import Held  # noqa: E402
from cluster.lease import Intervals, lease  # noqa: E402
from cluster.lock import lock_root  # noqa: E402
from cluster.store import WORK, Location, Manifest, Store, shard_records, write_shard  # noqa: E402

SHARDS = 4
QUICK = Intervals(renew=0.1, stop=1.0, expire=1.5)
PATIENT = Intervals(renew=0.05, stop=30, expire=40)  # for a machine that is too busy for QUICK


def hold(root: Location, intervals: Intervals = QUICK) -> AbstractContextManager[Held]:
    """The root, with a lease of `intervals` where it is no local one."""
    return lock_root(root) if root.is_local else lease(root, False, print, intervals)


def contend(root: str, rounds: int, together: Any, told: Any) -> None:
    """Start in the same instant as another process, time after time; who gets the root commits one artefact.

    together: a barrier for both. told: a queue of (round, pid, what the loser was told).
    """
    store = Store(root)
    for key in (f"{number:016x}" for number in range(rounds)):
        together.wait(120)
        try:
            with hold(store.root, PATIENT) as held:
                attempt = store.attempt("made", key, held.fence)
                (attempt / "pid").write_json(os.getpid())
                store.commit(attempt, manifest(key), held.check)
                told.put((key, os.getpid(), ""))
                together.wait(120)  # the other has heard
        except RequestError as error:
            told.put((key, os.getpid(), str(error)))
            together.wait(120)
        together.wait(120)  # the root is free again


def manifest(key: str) -> Manifest:
    return Manifest("made", key, {}, {}, [], "1", "0", 0.0, 1.0, 0.5, 10, "here")


def shard(key: str, index: int) -> bytes:
    return f"{key} {index} ".encode() * 5000


def make(store: Store, key: str, held: Held, done: list[int], stop_after: int) -> None:
    """An artefact whose bytes follow from its key."""
    attempt = store.attempt("made", key, held.fence)
    (attempt / WORK / "state.json").write_json({"of": key})
    for index in range(SHARDS):
        if index not in shard_records(attempt):
            write_shard(attempt, index, f"part-{index:06d}", shard(key, index), number=index)
            done.append(index)
        if len(done) == stop_after:
            print("waiting", flush=True)
            sys.stdin.readline()
    with tempfile.TemporaryDirectory() as directory:
        for name in ("config.json", "weights"):
            Path(directory, name).write_bytes(shard(key + name, 0))
        (attempt / "model").upload(Path(directory))
    (attempt / "list.json").write_json([key])
    artefact = store.commit(attempt, manifest(key), held.check)
    print("committed", key, artefact.location.name, flush=True)


def main(root: str, artefacts: int, stop_after: int) -> None:
    store, done = Store(root), list[int]()
    print("ready", flush=True)
    with hold(store.root) as held:
        print("holds", held.fence, flush=True)
        for key in (f"{number:016x}" for number in range(artefacts)):
            if found := store.artefact("made", key):
                store.tidy(found, held.fence)
            else:
                make(store, key, held, done, stop_after)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else -1)
    except (RequestError, WorkError) as error:
        print("pageloom:", error, flush=True)
        sys.exit(2 if isinstance(error, RequestError) else 1)
