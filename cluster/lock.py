"""One run at a time may write to a root.

Local roots use flock, which the kernel releases when the holder dies. Object stores have no such thing:
there a lease file with a heartbeat says who holds the root, and a lease not renewed for a minute is void.
Artefacts stay whole even if two runs should slip past a lease, since every file is put in place at once
and equal keys give equal files.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.errors import RequestError
from cluster.store import Location

HEARTBEAT_SECONDS = 10
VOID_AFTER_SECONDS = 60
LOCK = ".pageloom.lock"


def holder() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S"), "beat": time.time()}


def held_message(root: Location, who: dict[str, Any]) -> str:
    return (
        f"{root}: held by another run (pid {who.get('pid')} on {who.get('host')} since {who.get('since')}); "
        "wait for it with --wait, or use another --root"
    )


def current_holder(root: Location) -> dict[str, Any] | None:
    """Who is writing to this root now, or None."""
    place = root / LOCK
    if not place.exists():
        return None
    if not root.is_local:
        who = place.read_json()
        return who if time.time() - who["beat"] <= VOID_AFTER_SECONDS else None
    with open(place.path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            return json.loads(file.read() or "{}")
    return None


@contextmanager
def lock_root(root: Location, wait: bool = False) -> Iterator[None]:
    """Hold the root for writing. Raises RequestError naming the holder, or waits for it with `wait`."""
    with local_lock(root, wait) if root.is_local else lease(root, wait):
        yield


@contextmanager
def local_lock(root: Location, wait: bool) -> Iterator[None]:
    Path(root.path).mkdir(parents=True, exist_ok=True)
    with open(Path(root.path, LOCK), "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            file.seek(0)
            text = file.read()
            raise RequestError(held_message(root, json.loads(text) if text else {})) from error
        file.seek(0)
        file.truncate()
        json.dump(holder(), file)
        file.flush()
        yield


@contextmanager
def lease(root: Location, wait: bool) -> Iterator[None]:
    place = root / LOCK
    while place.exists():
        who = place.read_json()
        if time.time() - who["beat"] > VOID_AFTER_SECONDS:
            break
        if not wait:
            raise RequestError(held_message(root, who))
        time.sleep(HEARTBEAT_SECONDS)
    mine = holder()
    place.write_json(mine)
    if place.read_json()["pid"] != mine["pid"]:
        raise RequestError(held_message(root, place.read_json()))
    released = threading.Event()

    def beat() -> None:
        while not released.wait(HEARTBEAT_SECONDS):
            place.write_json(mine | {"beat": time.time()})

    thread = threading.Thread(target=beat, daemon=True, name="lease")
    thread.start()
    try:
        yield
    finally:
        released.set()
        thread.join()
        place.delete()
