"""The lock of roots in object stores: a lease, one object that is only ever replaced as the version last seen.

Its holder renews it. An observer that sees no new version for `expire` seconds of its own clock replaces it, with the next
fence. A holder that has not managed to renew for `stop` seconds of its own clock, which is less, or finds another's lease,
stops its run. No clock is compared with another one.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster.conditional import Cell, Taken
from cluster.errors import RequestError, WorkError
from cluster.holder import LOCK, Held, Say, held_message, identity, named
from cluster.location import Location

if TYPE_CHECKING:
    from obstore import UpdateVersion

STOP_SIGNAL = signal.SIGUSR1  # not SIGINT, which a script's background jobs ignore
HELD, FREE = "held", "free"
TAKEN_NOW: UpdateVersion = {}  # another's version that this observer has not read yet
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


@dataclass(frozen=True)
class Intervals:
    """Seconds. renew: between renewals. stop: without a renewal until the holder stops. expire: until others may take over.

    Between `stop` and `expire` the holder's processes have time to end.
    """

    renew: float = 10
    stop: float = 45
    expire: float = 60


def now() -> float:
    return time.clock_gettime(CLOCK)


def current_lease(root: Location) -> dict[str, Any] | None:
    found = Cell(root / LOCK, retries=2).read()
    if found is None or (lease := decoded(found[0])).get("state") == FREE:
        return None
    place = root / LOCK
    renewed = place.filesystem.get_file_info(place.path).mtime
    told = {name: lease.get(name) for name in ("fence", "host", "pid", "since")}
    return told | {"renewed": f"{renewed.astimezone():%Y-%m-%d %H:%M:%S}" if renewed else ""}


def encoded(lease: dict[str, Any]) -> bytes:
    return json.dumps(lease).encode()


def decoded(data: bytes) -> dict[str, Any]:
    """A lease's fields; {} for an object that is none, which counts as one that nobody renews."""
    try:
        lease = json.loads(data)
    except ValueError:
        return {}
    return lease if isinstance(lease, dict) else {}


@contextmanager
def lease(root: Location, wait: bool, say: Say, intervals: Intervals | None = None) -> Iterator[Held]:
    """As `lock_root`, for object stores. A block in the main thread is stopped; in any other one only `check` tells."""
    holding = acquire(root, wait, say, intervals or Intervals())
    with stopping_main_thread() as stop:
        try:
            with holding.renewing(stop):
                yield Held(holding.fence, holding.check)
        except BaseException as error:
            if holding.lost:
                raise WorkError(holding.lost) from error
            raise
        finally:
            holding.release(say)


@contextmanager
def stopping_main_thread() -> Iterator[Callable[[], None]]:
    """Yields what interrupts the main thread as Ctrl-C does; called from another thread's block it does nothing."""
    main = threading.main_thread()
    if threading.current_thread() is not main:
        yield lambda: None
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(STOP_SIGNAL, interrupt)
    try:
        yield lambda: signal.pthread_kill(main.ident or 0, STOP_SIGNAL)
    finally:
        signal.signal(STOP_SIGNAL, before or signal.SIG_DFL)


def acquire(root: Location, wait: bool, say: Say, intervals: Intervals) -> Lease:
    """Take the lease: at once where it is free, else when its holder gives it back or has stopped renewing it.

    Raises RequestError naming the holder once it is seen to be alive, unless `wait`.
    """
    cell, watched = Cell(root / LOCK, retries=2), Watched()
    while True:
        found = watched.look(cell, root, intervals)
        before = decoded(found[0]) if found else {}
        held = found is not None and before.get("state") != FREE
        if found and held:
            alive, known = watched.compare(found[1], before.get("nonce", ""))
            if alive and not wait:
                raise RequestError(held_message(root, before))
            if not known:
                say(watching(root, before, wait, intervals))
            if now() - watched.since < intervals.expire:
                time.sleep(intervals.renew / 5)
                continue
        mine = identity(int(before.get("fence", 0)) + 1) | {"nonce": os.urandom(16).hex(), "state": HELD, "renewals": 0}
        began = now()
        try:
            version = cell.replace(encoded(mine), found[1]) if found else cell.create(encoded(mine))
        except Taken:
            watched.version = TAKEN_NOW
            continue
        except OSError as error:
            raise RequestError(f"{root}: cannot be written ({error}); check the credentials and what they permit") from error
        if held:
            say(f"{root}: taken over from a run that has not renewed its hold for {intervals.expire:g} s ({named(before)})")
        return Lease(root, mine, version, began, intervals)


@dataclass
class Watched:
    """What an observer has seen of a lease. version: the newest; since: when it was first seen; nonce: whose it was."""

    version: UpdateVersion | None = None
    since: float = 0.0
    nonce: str | None = None
    answered: float | None = None

    def look(self, cell: Cell, root: Location, intervals: Intervals) -> tuple[bytes, UpdateVersion] | None:
        """The lease now. Raises RequestError where the store does not answer at first, or for as long as a lease lasts."""
        while True:
            try:
                found = cell.read()
            except OSError as error:
                if self.answered is None or now() - self.answered > intervals.expire:
                    raise RequestError(
                        f"{root}: cannot be the root ({error}); check the address, the credentials and what they permit"
                    ) from error
                time.sleep(intervals.renew / 5)
            else:
                self.answered = now()
                return found

    def compare(self, version: UpdateVersion, nonce: str) -> tuple[bool, bool]:
        """Takes note of a version; returns whether its writer was alive since the first look, and whether it was known."""
        alive, known = self.version not in (None, version), self.nonce == nonce
        if self.version != version:
            self.version, self.since, self.nonce = version, now(), nonce
        return alive, known


def watching(root: Location, who: dict[str, Any], wait: bool, intervals: Intervals) -> str:
    doing = "waiting for" if wait else "held by"
    return f"{root}: {doing} another run ({named(who)}); looking for up to {intervals.expire:g} s whether it is alive"


class Lease:
    """A lease that this process holds. lost: why it no longer does, for people; empty as long as it does."""

    def __init__(
        self, root: Location, mine: dict[str, Any], version: UpdateVersion, renewed: float, intervals: Intervals
    ) -> None:
        self.root, self.mine, self.version, self.renewed, self.intervals = root, mine, version, renewed, intervals
        self.cell = Cell(root / LOCK)
        self.lost = ""
        self.losing = threading.Lock()
        self.ended = threading.Event()
        self.stop: Callable[[], None] = lambda: None

    @property
    def fence(self) -> int:
        return int(self.mine["fence"])

    def check(self) -> None:
        """Raises WorkError where another may have the root by now."""
        self._judge()
        if self.lost:
            raise WorkError(self.lost)

    @contextmanager
    def renewing(self, stop: Callable[[], None]) -> Iterator[None]:
        """Renew in one thread, judge in another, as a request may hang for longer than a holder may go on without one."""
        self.stop = stop
        threads = [threading.Thread(target=each, daemon=True, name="lease") for each in (self._renew, self._watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.ended.set()
            for thread in threads:
                thread.join()

    def release(self, say: Say) -> None:
        """Mark the lease as free, so that the next start need not watch it. One that others hold is left alone."""
        free = encoded(self.mine | {"state": FREE})
        try:
            found = self.cell.read()
            if found and not self.lost and decoded(found[0]).get("nonce") == self.mine["nonce"]:
                self.cell.replace(free, found[1])
        except (OSError, Taken) as error:
            say(f"{self.root}: could not be given back ({error}); the next run waits for {self.intervals.expire:g} s")

    def _renew(self) -> None:
        self.mine["renewals"] += 1
        while not self.ended.wait(self.intervals.renew):
            began = now()
            try:
                self.version = self.cell.replace(encoded(self.mine), self.version)
            except OSError:
                continue  # `_watch` counts the seconds; the same bytes again, as the answer alone may have been lost
            except Taken:
                self._lose(f"taken over by {self._successor()}")
                return
            self.renewed = began
            self.mine["renewals"] += 1

    def _watch(self) -> None:
        while not self.lost and not self.ended.wait(min(1.0, self.intervals.renew / 5)):
            self._judge()

    def _judge(self) -> None:
        if now() - self.renewed > self.intervals.stop:
            self._lose(f"not renewed for {self.intervals.stop:g} s: the store did not answer, or this machine stood still")

    def _successor(self) -> str:
        try:
            found = self.cell.read()
        except OSError as error:
            return f"another run, which the store does not name ({error})"
        return f"another run ({named(decoded(found[0]))})" if found else "somebody who deleted the lease"

    def _lose(self, why: str) -> None:
        with self.losing:
            if self.lost:
                return
            self.lost = f"{self.root}: this run no longer holds the root ({why}) and stops; what it committed stays, run again"
        self.stop()
