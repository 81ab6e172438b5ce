"""Only one run writes to a root, and the others hear who does."""

import errno
import fcntl
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cluster import record_lock
from cluster.errors import RequestError, WorkError
from cluster.holder import LOCK
from cluster.lease import Intervals, acquire, lease
from cluster.lock import current_holder, lock_root
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


def test_every_holder_has_a_higher_number_also_after_one_that_was_killed(
    tmp_path: Path, other_run: multiprocessing.Process
) -> None:
    other_run.kill()
    other_run.join()
    fences = []
    for _ in range(3):
        with lock_root(Location.of(tmp_path)) as held:
            fences.append(held.fence)
    assert fences == [2, 3, 4]


def test_who_waits_says_for_whom(tmp_path: Path, other_run: multiprocessing.Process) -> None:
    said: list[str] = []

    def say(words: str) -> None:
        said.append(words)
        other_run.kill()

    with lock_root(Location.of(tmp_path), wait=True, say=say):
        assert said == [said[0]]
        assert f"waiting for another run (pid {other_run.pid} on " in said[0]


def test_a_loser_is_told_the_winner_and_not_who_held_the_root_before(tmp_path: Path) -> None:
    """The winner has the lock a moment before its name is in the file."""
    with lock_root(Location.of(tmp_path)):
        pass
    winner = os.open(tmp_path / LOCK, os.O_RDWR)
    assert record_lock.taken(winner, record_lock.HELD, Location.of(tmp_path))

    def write_name_later() -> None:
        time.sleep(0.2)
        record_lock.write_record(winner, {"pid": 12345, "host": "winner", "since": "now", "fence": 2})
        record_lock.taken(winner, record_lock.NAMED, Location.of(tmp_path))

    naming = threading.Thread(target=write_name_later)
    naming.start()
    with pytest.raises(RequestError, match="pid 12345 on winner"), lock_root(Location.of(tmp_path)):
        pass
    naming.join()
    os.close(winner)


def test_who_holds_a_root_is_answered_where_nothing_may_be_written(tmp_path: Path, other_run: multiprocessing.Process) -> None:
    (tmp_path / LOCK).chmod(0o444)
    before = (tmp_path / LOCK).stat()
    holder = current_holder(Location.of(tmp_path))
    assert holder is not None
    assert holder["pid"] == other_run.pid
    after = (tmp_path / LOCK).stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert current_holder(Location.of(tmp_path / "nothing")) is None


def test_a_filesystem_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(RequestError, match=r"its filesystem has no locks \(No locks available\), so two runs.*; use a root"):
        lock_root(Location.of(tmp_path)).__enter__()
    (tmp_path / LOCK).touch()
    assert current_holder(Location.of(tmp_path)) is None


def test_a_lease_is_held_named_and_given_back_with_its_number(s3_root: str) -> None:
    root = Location.of(s3_root)
    quick = Intervals(renew=0.1, stop=20, expire=30)
    with lease(root, False, print, quick) as first:
        holder = current_holder(root)
        assert holder is not None
        assert (holder["pid"], holder["fence"]) == (os.getpid(), 1)
        assert holder["renewed"]
        with (
            pytest.raises(RequestError, match=rf"held by another run \(pid {os.getpid()} on .*--wait"),
            lease(root, False, print, quick),
        ):
            pass
        first.check()
    assert current_holder(root) is None
    began = time.monotonic()
    with lease(root, False, print, quick) as second:
        assert second.fence == 2
    assert time.monotonic() - began < 10  # a lease that was given back is not watched


def test_a_lease_that_nobody_renews_is_taken_over_after_the_observers_own_time(s3_root: str) -> None:
    root, said = Location.of(s3_root), list[str]()
    future = {"fence": 7, "pid": 1, "host": "elsewhere", "since": "2099", "nonce": "n", "state": "held", "beat": 1e12}
    (root / LOCK).write_json(future)
    began = time.monotonic()
    with lease(root, False, said.append, Intervals(renew=0.1, stop=0.7, expire=1)) as held:
        assert 1 <= time.monotonic() - began < 20
        assert held.fence == 8
    assert "looking for up to 1 s whether it is alive" in said[0]
    assert "taken over from a run that has not renewed its hold for 1 s (pid 1 on elsewhere" in said[1]


def test_a_holder_that_was_taken_over_is_stopped_with_the_name_of_its_successor(s3_root: str) -> None:
    root = Location.of(s3_root)

    def hold_until_stopped() -> None:
        with lease(root, False, print, Intervals(renew=0.1, stop=20, expire=30)):
            (root / LOCK).write_json({"fence": 2, "pid": 99, "host": "thief", "since": "now", "nonce": "x", "state": "held"})
            time.sleep(30)

    began = time.monotonic()
    with pytest.raises(WorkError, match=r"no longer holds the root \(taken over by another run \(pid 99 on thief"):
        hold_until_stopped()
    assert time.monotonic() - began < 20
    assert (root / LOCK).read_json()["pid"] == 99  # not given back by who no longer has it


def test_the_check_of_an_overdue_holder_fails_before_its_lease_is_judged(s3_root: str) -> None:
    root, forever = Location.of(s3_root), 1000.0
    holding = acquire(root, False, print, Intervals(renew=forever, stop=0.05, expire=forever))
    time.sleep(0.1)
    with pytest.raises(WorkError, match=r"not renewed for 0\.05 s"):
        holding.check()


def test_an_unreachable_store_is_one_line(s3_root: str, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
    with pytest.raises(RequestError, match=r"cannot be the root \(.*; check the address, the credentials") as caught:
        lock_root(Location.of(s3_root)).__enter__()
    assert "\n" not in str(caught.value)
