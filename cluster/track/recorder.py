"""The driver's side of tracking: takes events out of the mailbox and passes them to the sinks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from cluster.errors import first_line
from cluster.store import METRICS, WORK, Location
from cluster.track.events import sender_to
from cluster.track.history import History, merge_history
from cluster.track.mailbox import Delivery, Event
from cluster.track.sinks import CLOSE_SECONDS, Sink

LOOK_SECONDS = 0.3  # between looks into the mailbox
AWAY_SECONDS = 60.0  # that the end of a stage waits for a mailbox that is away: the loss of a node takes 15 to be noticed
FLUSH_SECONDS = 2.0  # that the end of a stage waits for the sinks that live as long as the run


class Recorder:
    """Follows one stage. Its history is a sink of its own; `sinks` are the run's.

    fault: says to people, once each, what did not work; `faults` keeps it.
    """

    def __init__(
        self,
        stage: str,
        mailbox: Any,
        output: Location,
        sinks: Sequence[Sink] = (),
        fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.stage, self.mailbox, self.output, self.sinks, self.say = stage, mailbox, output, sinks, fault
        self.faults: list[str] = []
        self.place = output / WORK / "metrics"
        self.history = History(self.place)
        meaning = f"the stage goes on, {METRICS} may have a hole"
        self.kept = Sink(f"{stage}: history", self.history.take, self.fault, self.history.save, meaning)
        self.spans: list[tuple[float, float]] = []
        self.life = ""
        self.call: Any = None
        self.taken: dict[str, int] = {}  # by sender
        self.reached: dict[str, tuple[int, int]] = {}  # what the mailbox was told of taken and saved
        self.lost: dict[str, int] = {}
        self.unsettled = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True, name=f"recorder-{stage}")

    def __enter__(self) -> Recorder:
        self.thread.start()
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.stopping.set()
        self.thread.join()
        if kind is None:
            self._take_the_rest()
        self.kept.close(CLOSE_SECONDS if kind is None else FLUSH_SECONDS)
        for sink in self.sinks:
            sink.flush(FLUSH_SECONDS)
        if lost := sum(self.lost.values()) + self.history.segments.lost:
            self.fault(f"{self.stage}: history: {lost} events found no room and are lost")
        if self.unsettled:
            self.fault(
                f"{self.stage}: history: {self.unsettled} checkpoints were taken before the metrics of their steps were saved; "
                "a run resumed from one has a hole there"
            )

    def fault(self, text: str) -> None:
        self.faults.append(text)
        self.say(text)

    def commit(self) -> None:
        """Put metrics.jsonl among the artefact's files (nothing where nothing was tracked)."""
        try:
            merge_history(self.place, self.output, self.history.segments.waiting())
        except OSError as error:  # what was made is worth more than how it was measured
            (self.output / METRICS).delete()
            self.fault(f"{self.stage}: history: {first_line(error)}; the artefact is without {METRICS}")

    def work_seconds(self) -> float:
        """Wall time during which at least one worker was doing the stage's own work."""
        total, reached = 0.0, 0.0
        for start, end in sorted(self.spans):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        return total

    def _follow(self) -> None:
        while not self.stopping.wait(LOOK_SECONDS):
            self._look(LOOK_SECONDS)

    def _take_the_rest(self) -> None:
        """What workers said last, and this process itself."""
        deadline = time.monotonic() + AWAY_SECONDS
        sender_to(self.mailbox).hand_over(AWAY_SECONDS)
        while not self._look(1.0):
            if time.monotonic() > deadline:
                self.fault(f"{self.stage}: history: no mailbox for {AWAY_SECONDS:g} s; its end may be missing")
                return
            time.sleep(0.1)  # it is being started again
        self._look(1.0)  # so that senders know what they need not keep

    def _look(self, seconds: float) -> bool:
        """Take what is there; False while the mailbox does not answer. A call under way is waited for again, never repeated:
        what its answer holds is nowhere else."""
        import ray

        if self.call is None:
            now = {sender: (number, self.history.saved.get(sender, 0)) for sender, number in self.taken.items()}
            changed = {sender: reach for sender, reach in now.items() if self.reached.get(sender) != reach}
            self.call = self.mailbox.drain.remote(changed, not self.kept.failing)
            self.reached = now
        try:
            delivery: Delivery = ray.get(self.call, timeout=seconds)
        except ray.exceptions.GetTimeoutError:
            return False
        except Exception:  # the actor starts again, elsewhere where its node is lost; or the session is going down
            self.call, self.reached = None, {}
            return False
        self.call = None
        if delivery.life != self.life:
            self.life, self.reached = delivery.life, {}
        self.lost.update(delivery.lost)
        for sender, number, event in delivery.events:
            if number > self.taken.get(sender, 0):
                self.taken[sender] = number
                if event["stage"] == self.stage:
                    self._pass_on({**event, "sender": sender, "number": number})
        return True

    def _pass_on(self, event: Event) -> None:
        if "worked" in event:
            self.spans.append(event["worked"])
        self.unsettled += "unsettled" in event
        for sink in (self.kept, *self.sinks):
            sink.put(event)
