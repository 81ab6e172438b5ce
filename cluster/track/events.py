"""One `track(metrics, step)` for all stages: console, metrics.jsonl, W&B and Prometheus.

Workers anywhere in the cluster put events into one mailbox actor; the driver drains it. A call returns
when the mailbox has the event, so a worker that is killed later loses nothing that it said.

Ray is imported where it is called: it takes half a second, and commands that only look at a root do not need it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any


class Mailbox:
    """An actor's class: events of all workers, in order of arrival, until the driver takes them; also Prometheus gauges."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.received = self.saved = self.awaited = 0  # numbers of events since the session began
        self.gauges: dict[str, Any] = {}

    def put(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.received += 1
        for name, value in event.get("metrics", {}).items():
            if name not in self.gauges:
                from ray.util.metrics import Gauge

                self.gauges[name] = Gauge("pageloom_" + name.replace("/", "_"), tag_keys=("stage",))
            self.gauges[name].set(value, tags={"stage": event["stage"]})

    def drain(self, saved: int) -> tuple[list[dict[str, Any]], int, bool]:
        """New events, how many there have been, whether somebody waits for their saving. saved: how many already are."""
        taken, self.events = self.events, []
        self.saved = max(self.saved, saved)
        return taken, self.received, self.awaited > self.saved

    def await_all(self) -> int:
        """Ask that all events so far are saved soon; returns their number."""
        self.awaited = self.received
        return self.awaited

    def is_saved(self, number: int) -> bool:
        return self.saved >= number


class Track:
    """A stage's way to say what it measures. Picklable; callable from the driver and from any worker."""

    def __init__(self, stage: str, mailbox: Any) -> None:
        self.stage = stage
        self.mailbox = mailbox

    def _put(self, **event: Any) -> None:
        import ray

        ray.get(self.mailbox.put.remote({"stage": self.stage, "time": time.time(), **event}))

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step. A step said twice (after a resume) keeps the later value."""
        self._put(metrics={name: float(value) for name, value in metrics.items()}, step=step)

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """How far the stage is, in absolute terms, for the progress line."""
        self._put(done=done, total=total, unit=unit)

    def advance(self, by: float, total: float | None = None, unit: str = "") -> None:
        """As `progress`, for parallel workers: adds to what is done."""
        self._put(advance=by, total=total, unit=unit)

    def part(self, of: int) -> None:
        """One of `of` parts of the work is done: what the bar follows where no total of the amount is known beforehand."""
        self._put(parts=of)

    def settle(self) -> None:
        """Return once the driver has saved all that was said: before a checkpoint, so that a resumed history has no hole."""
        import ray

        number = ray.get(self.mailbox.await_all.remote())
        while not ray.get(self.mailbox.is_saved.remote(number)):
            time.sleep(0.05)

    def worked(self, start: float, end: float) -> None:
        """Say that a worker did the stage's own work from `start` to `end` (seconds since the epoch).

        What no worker claims of a stage's wall time is start-up and orchestration.
        """
        self._put(worked=(start, end))

    def say(self, text: str) -> None:
        """One line for people, above the progress: what the stage does not do that was asked of it."""
        self._put(said=text)
