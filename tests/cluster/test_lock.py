"""Only one run writes to a root, and the others hear who does."""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cluster import lock
from cluster.errors import RequestError
from cluster.lock import LOCK, current_holder, lock_root
from cluster.store import Location


def hold(path: str, ready: Connection) -> None:
    with lock_root(Location.of(path)):
        ready.send(os.getpid())
        signal.pause()


@pytest.fixture
def other_run(tmp_path: Path):  # type: ignore[no-untyped-def]
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(str(tmp_path), there))
    process.start()
    assert here.poll(30)
    here.recv()
    yield process
    process.kill()
    process.join()


def test_the_second_run_is_told_who_holds_the_root(tmp_path: Path, other_run: multiprocessing.Process) -> None:
    with (
        pytest.raises(RequestError, match=rf"held by another run \(pid {other_run.pid} on .*--wait"),
        lock_root(Location.of(tmp_path)),
    ):
        pass
    holder = current_holder(Location.of(tmp_path))
    assert holder is not None
    assert holder["pid"] == other_run.pid


def test_a_holder_that_is_killed_frees_the_root(tmp_path: Path, other_run: multiprocessing.Process) -> None:
    other_run.kill()
    other_run.join()
    assert current_holder(Location.of(tmp_path)) is None
    with lock_root(Location.of(tmp_path)):
        pass


def test_waiting_gets_the_root_once_it_is_free(tmp_path: Path, other_run: multiprocessing.Process) -> None:
    other_run.kill()
    with lock_root(Location.of(tmp_path), wait=True):
        assert current_holder(Location.of(tmp_path)) is not None


def test_a_lease_on_an_object_store_is_held_named_and_void_when_not_renewed(s3_root: str) -> None:
    root = Location.of(s3_root)
    with lock_root(root), pytest.raises(RequestError, match=f"held by another run .pid {os.getpid()}"), lock_root(root):
        pass
    assert current_holder(root) is None
    (root / LOCK).write_json(lock.holder() | {"beat": time.time() - lock.VOID_AFTER_SECONDS - 1, "pid": 1})
    assert current_holder(root) is None
    with lock_root(root):
        assert current_holder(root)["pid"] == os.getpid()  # type: ignore[index]
