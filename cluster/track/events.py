"""One `track(metrics, step)` for all stages: history, console, W&B and Prometheus.

Workers anywhere in the cluster put events into one mailbox actor; the driver drains it. Nothing here raises into the
work or holds it up: what cannot be delivered is kept, sent again, and counted where there is no room left.

Ray is imported where it is called: it takes half a second, and commands that only look at a root do not need it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from cluster.track.mailbox import Event, Receipt

KEPT = 10_000  # events that a process keeps until the driver has them: some 5 MB
BATCH = 1_000  # events in one call
HAND_OVER_SECONDS = 5.0  # that a call waits for the mailbox to have its event, once; not while it is known to be away
SETTLE_SECONDS = 30.0  # that a checkpoint waits for the driver to save what was measured before it
ANSWER_SECONDS = 10.0  # without an answer the mailbox counts as away
PAUSES = (0.2, 5.0)  # seconds between attempts to reach it: the first, the longest
POLL, POLL_SETTLING = 1.0, 0.05  # seconds between looks at how far the driver is


class Track:
    """A stage's way to say what it measures. Picklable; callable from the driver and from any worker."""

    def __init__(self, stage: str, mailbox: Any) -> None:
        self.stage = stage
        self.mailbox = mailbox

    def _put(self, wait: bool = True, **event: Any) -> None:
        sender_to(self.mailbox).put({"stage": self.stage, "time": time.time(), **event}, wait)

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step. A step said twice (after a resume) keeps the later value.

        Returns when the mailbox has them, so a worker that is killed later loses nothing; at once while it is away.
        """
        self._put(metrics={name: float(value) for name, value in metrics.items()}, step=step)

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """How far the stage is, in absolute terms, for the progress line."""
        self._put(wait=False, done=done, total=total, unit=unit)

    def advance(self, by: float, total: float | None = None, unit: str = "") -> None:
        """As `progress`, for parallel workers: adds to what is done."""
        self._put(wait=False, advance=by, total=total, unit=unit)

    def part(self, of: int) -> None:
        """One of `of` parts of the work is done: what the bar follows where no total of the amount is known beforehand."""
        self._put(parts=of)

    def worked(self, start: float, end: float) -> None:
        """Say that a worker did the stage's own work from `start` to `end` (seconds since the epoch).

        What no worker claims of a stage's wall time is start-up and orchestration.
        """
        self._put(worked=(start, end))

    def say(self, text: str) -> None:
        """One line for people, above the progress: what the stage does not do that was asked of it."""
        self._put(said=text)

    def settle(self, seconds: float = SETTLE_SECONDS) -> bool:
        """Wait until the driver has saved all that was said: before a checkpoint, so that a resumed history has no hole.

        False where it has not within `seconds`, or knows that it cannot: the work goes on, and the run says so.
        """
        if sender_to(self.mailbox).settle({"stage": self.stage, "time": time.time(), "settle": True}, seconds):
            return True
        self._put(wait=False, unsettled=True)
        return False


class Sender:
    """A process's events on their way: numbered, kept until the driver has them, sent by a thread of its own."""

    def __init__(self, mailbox: Any) -> None:
        self.mailbox, self.name = mailbox, secrets.token_hex(6)
        self.kept: deque[tuple[int, Event]] = deque()
        self.number = self.lost = self.settling = 0
        self.life: str | None = None
        self.receipt = Receipt("")
        self.away = False
        self.changed = threading.Condition()
        threading.Thread(target=self._send, daemon=True, name="track").start()

    def put(self, event: Event, wait: bool) -> None:
        """Keep an event; with `wait`, until the mailbox has it, HAND_OVER_SECONDS at most. Without room the oldest goes."""
        with self.changed:
            number = self._keep(event)
            if wait:
                self.changed.wait_for(lambda: self.away or self.receipt.arrived >= number, HAND_OVER_SECONDS)

    def hand_over(self, seconds: float) -> None:
        """Wait until the mailbox has all that was said, also while it is away."""
        with self.changed:
            self.changed.wait_for(lambda: self.receipt.arrived >= self.number, seconds)

    def settle(self, event: Event, seconds: float) -> bool:
        with self.changed:
            number = self._keep(event)
            self.settling += 1
            try:
                self.changed.wait_for(
                    lambda: self.receipt.saved >= number or (self.receipt.arrived >= number and not self.receipt.keeps), seconds
                )
                return self.receipt.saved >= number
            finally:
                self.settling -= 1

    def _keep(self, event: Event) -> int:
        if len(self.kept) == KEPT:
            self.kept.popleft()
            self.lost += 1
        self.number += 1
        self.kept.append((self.number, event))
        self.changed.notify_all()
        return self.number

    def _next(self) -> list[tuple[int, Event]]:
        """What the mailbox lacks: at once where there is something, else nothing, to ask how far the driver is."""
        with self.changed:
            pause = None if not self.kept else POLL_SETTLING if self.settling else POLL
            self.changed.wait_for(lambda: self.receipt.arrived < self.number, pause)
            return [each for each in self.kept if each[0] > self.receipt.arrived][:BATCH]

    def _send(self) -> None:
        import ray

        pause = PAUSES[0]
        while True:
            batch = self._next()
            try:
                call = self.mailbox.put.remote(self.name, self.life, self.lost, batch)
                receipt: Receipt = ray.get(call, timeout=ANSWER_SECONDS)
            except Exception:  # whatever it is, the work must not end for it
                if not ray.is_initialized():
                    return
                with self.changed:
                    self.away = True
                    self.changed.notify_all()
                time.sleep(pause)
                pause = min(2 * pause, PAUSES[1])
                continue
            pause = PAUSES[0]
            if batch and receipt.arrived < batch[0][0]:  # it has no room
                time.sleep(POLL)
            self._heard(receipt)

    def _heard(self, receipt: Receipt) -> None:
        with self.changed:
            if self.life not in (None, receipt.life):  # what the earlier one had and the driver had not is to be sent again
                receipt = Receipt(receipt.life, self.receipt.taken, self.receipt.taken, self.receipt.saved, receipt.keeps)
            self.life, self.receipt, self.away = receipt.life, receipt, False
            while self.kept and self.kept[0][0] <= receipt.taken:
                self.kept.popleft()
            self.changed.notify_all()


_senders: dict[Any, Sender] = {}  # by mailbox: one for each that this process has spoken to
_lock = threading.Lock()


def sender_to(mailbox: Any) -> Sender:
    with _lock:
        if mailbox not in _senders:
            _senders[mailbox] = Sender(mailbox)
        return _senders[mailbox]
