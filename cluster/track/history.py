"""The driver's side of tracking: drains the mailbox, keeps a stage's metrics, shows its progress."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from cluster.store import METRICS, WORK, Location


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
