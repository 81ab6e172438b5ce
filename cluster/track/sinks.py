"""Who is told what stages measure: each by a thread of its own, so that none can stop, slow or hang another or the run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from cluster.errors import first_line
from cluster.track.mailbox import Event

QUEUE = 20_000  # events that wait for a sink: some 10 MB; then the oldest goes
TICK = 0.3  # seconds after which a sink is called though nothing is new
PAUSES = (0.5, 30.0)  # seconds before a sink that failed is called again: the first, the longest
CLOSE_SECONDS = 30.0  # that the end of a stage waits for a sink; one that failed is called once more and not waited for


class Sink:
    """A queue, and the thread that hands it over.

    take: called with new events, and with none every TICK; keeps itself what it could not pass on and tries again then.
    finish: called last. What either raises is a failure: `fault` says it to people once, with what it means (`meaning`), and
    the sink is tried again later. wants: events that have one of these keys; none named: all.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[Sequence[Event]], None],
        fault: Callable[[str], None],
        finish: Callable[[], None] = lambda: None,
        meaning: str = "",
        wants: tuple[str, ...] = (),
        size: int = QUEUE,
    ) -> None:
        self.name, self.take, self.fault, self.finish, self.meaning = name, take, fault, finish, meaning
        self.wants, self.size = wants, size
        self.waiting: deque[Event] = deque()
        self.dropped = 0
        self.failing = self.told = self.closing = self.busy = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True, name=f"sink-{name}")
        self.thread.start()

    def put(self, event: Event) -> None:
        """Never waits."""
        if self.wants and not any(key in event for key in self.wants):
            return
        with self.changed:
            if len(self.waiting) == self.size:
                self.waiting.popleft()
                self.dropped += 1
            self.waiting.append(event)
            self.changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything so far is handed over, or `seconds` are over, or the sink fails."""
        with self.changed:
            self.changed.wait_for(lambda: self.failing or not (self.waiting or self.busy), seconds)
            return not (self.waiting or self.busy)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Hand over what is left and end; after `seconds` leave it behind, saying so."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self.thread.join(seconds)
        if self.thread.is_alive():
            self._failed(f"no answer within {seconds:g} s")
        elif self.dropped:
            self.fault(f"{self.name}: {self.dropped} events were dropped, as it took them more slowly than they came")

    def _run(self) -> None:
        pause, due = PAUSES[0], 0.0
        while True:
            with self.changed:
                wait = TICK if not self.failing else max(TICK, due - time.monotonic())
                self.changed.wait_for(lambda: self.closing or (self.waiting and not self.failing), wait)
                closing, events = self.closing, list(self.waiting)
                self.waiting.clear()
                self.busy = True
            try:
                self.take(events)
                if closing:
                    self.finish()
                self.failing = False
                pause = PAUSES[0]
            except Exception as error:  # a sink's failure is never the run's
                self._failed(first_line(error))
                due = time.monotonic() + pause
                pause = min(2 * pause, PAUSES[1])
            with self.changed:
                self.busy = False
                self.changed.notify_all()
            if closing:
                return

    def _failed(self, why: str) -> None:
        self.failing = True
        if not self.told:
            self.told = True
            self.fault(f"{self.name}: {why}" + (f"; {self.meaning}" if self.meaning else ""))
