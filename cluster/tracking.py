"""One `track(metrics, step)` for all stages: console, metrics.jsonl, W&B and Prometheus.

Workers anywhere in the cluster put events into one mailbox actor; the driver drains it. A call returns
when the mailbox has the event, so a worker that is killed later loses nothing that it said.

Ray is imported where it is called: it takes half a second, and commands that only look at a root do not need it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.store import METRICS, WORK, Location


class TrackingSettings(BaseModel):
    """Where metrics go besides the artefact's own metrics.jsonl."""

    model_config = ConfigDict(extra="forbid")

    wandb: Literal["offline", "online", "disabled"] = Field(
        "offline", description="W&B mode; offline keeps everything on this machine until `wandb sync`"
    )
    project: str = Field("pageloom", description="W&B project")


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


class Recorder:
    """The driver's side: drains the mailbox for one stage, keeps its metrics, shows its progress.

    The history is rewritten to the attempt's working directory every second in which it grew (less often
    once that takes longer than 50 ms), so a resumed attempt starts with what was measured before.
    """

    def __init__(
        self,
        stage: str,
        mailbox: Any,
        output: Location,
        show: Callable[[dict[str, Any]], None],
        wandb_run: Callable[[], Any],
    ) -> None:
        self.stage, self.mailbox, self.output, self.show, self.wandb_run = stage, mailbox, output, show, wandb_run
        self.saved = output / WORK / METRICS
        self.history: dict[int, dict[str, Any]] = {}
        if self.saved.exists():
            self.history = {row["step"]: row for row in map(json.loads, self.saved.read_bytes().splitlines())}
        self.unsaved = self.awaited = False
        self.taken = self.kept = 0  # numbers of the mailbox's events drained, and of those saved
        self.spans: list[tuple[float, float]] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True, name=f"recorder-{stage}")

    def __enter__(self) -> Recorder:
        self.thread.start()
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.stopping.set()
        self.thread.join()
        if kind is None:
            self._drain()
        self._save(self.saved)

    def commit(self) -> None:
        """Put metrics.jsonl among the artefact's files (nothing where nothing was tracked)."""
        if self.history:
            self._save(self.output / METRICS)

    def work_seconds(self) -> float:
        """Wall time during which at least one worker was doing the stage's own work."""
        total, reached = 0.0, 0.0
        for start, end in sorted(self.spans):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        return total

    def _save(self, place: Location) -> None:
        if self.history:
            rows = [json.dumps(self.history[step], sort_keys=True) for step in sorted(self.history)]
            place.write_bytes(("\n".join(rows) + "\n").encode())
        self.unsaved = False
        self.kept = self.taken

    def _follow(self) -> None:
        import ray

        due = 0.0
        while not self.stopping.wait(0.3):
            try:
                self._drain()
            except ray.exceptions.RayError:
                return  # the session is going down; the stage's own error tells why
            if not self.unsaved:
                self.kept = self.taken
            elif self.awaited or time.monotonic() > due:
                began = time.monotonic()
                self._save(self.saved)
                due = time.monotonic() + max(1.0, 20 * (time.monotonic() - began))

    def _drain(self) -> None:
        import ray

        events, self.taken, self.awaited = ray.get(self.mailbox.drain.remote(self.kept))
        for event in events:
            if event["stage"] != self.stage:
                continue
            if "worked" in event:
                self.spans.append(event["worked"])
            if "metrics" in event:
                row = self.history.setdefault(event["step"], {"step": event["step"]})
                row.update(event["metrics"], time=event["time"])
                self.unsaved = True
                if run := self.wandb_run():
                    run.log(
                        {f"{self.stage}/{name}": value for name, value in event["metrics"].items()}
                        | {f"{self.stage}/step": event["step"]}
                    )
            self.show(event)


class WandbRun:
    """One W&B run for one `pageloom run`, started when the first metric arrives."""

    def __init__(self, settings: TrackingSettings, name: str, directory: Path) -> None:
        self.settings, self.name, self.directory = settings, name, directory
        self.run: Any = None

    def __call__(self) -> Any:
        if self.run is None and self.settings.wandb != "disabled":
            import wandb

            self.directory.mkdir(parents=True, exist_ok=True)
            self.run = wandb.init(
                project=self.settings.project,
                name=self.name,
                dir=str(self.directory),
                mode=self.settings.wandb,
                settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True, save_code=False),
            )
        return self.run

    def finish(self) -> None:
        if self.run is not None:
            self.run.finish()
            self.run = None
