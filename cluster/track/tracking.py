"""A run's tracking as a whole: its sinks, and what each stage gives them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.store import Artefact, Location
from cluster.track.console import JsonConsole, RunConsole
from cluster.track.mailbox import Event
from cluster.track.metrics import METRICS, declared
from cluster.track.prometheus import Prometheus
from cluster.track.recorder import Recorder
from cluster.track.settings import TrackingSettings
from cluster.track.sinks import Sink
from cluster.track.wandb import FINISH_SECONDS, RECORDS, Live, Record, describe, flat, run_id


class Names:
    """A sink: says once which tracked names the table of metrics does not declare."""

    def __init__(self, console: RunConsole | JsonConsole) -> None:
        self.console, self.known = console, set[str]()

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            for name in event.get("metrics", {}):
                if name not in self.known and not declared(name):
                    self.console.print(
                        f"    {event['stage']}: metric {name} is not declared: it is in history and W&B, not in Prometheus"
                    )
                self.known.add(name)


@dataclass
class Tracking:
    """Of one run. group: its id, by which W&B groups the runs of its stages. root: where their records are kept."""

    settings: TrackingSettings
    recipe: str
    root: Location
    group: str
    console: RunConsole | JsonConsole
    logs: Path
    sinks: list[Sink] = field(default_factory=list)
    live: Live | None = None
    ids: dict[str, str] = field(default_factory=dict)  # of the runs at W&B, by stage
    begun: str = ""  # the stage whose record is open

    def __enter__(self) -> Tracking:
        self.sinks = [
            Sink("console", self.console.take, self.console.fault),
            Sink("names", Names(self.console).take, self.console.fault, wants=("metrics",)),
            Sink(
                "Prometheus",
                Prometheus().take,
                self.console.fault,
                meaning="the run goes on without its metrics there",
                wants=("metrics",),
            ),
        ]
        if self.settings.wandb != "disabled":
            record = Record(self.root / RECORDS / self.group)
            meaning = "the run goes on, W&B will lack what could not be recorded"
            wants = ("metrics", "row")
            self.sinks.append(Sink("W&B record", record.take, self.console.fault, record.save, meaning, wants))
        if self.settings.wandb == "online":
            self.live = Live(self.root, self.group, self.logs)
            meaning = f"metrics are in {self.root / RECORDS / self.group}; `pageloom sync` sends them"
            self.sinks.append(Sink("W&B", self.live.take, self.console.fault, self.live.finish, meaning, ("row",)))
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        for sink in self.sinks:
            sink.close(FINISH_SECONDS + 5 if self.live and sink.name == "W&B" and kind is None else 5)
        if self.live:
            self.live.kill()

    def stage(self, stage: str, key: str, config: Mapping[str, Any], mailbox: Any, output: Location) -> Recorder:
        """Follow a stage. config: its settings as W&B may see them."""
        begin = {
            "id": run_id(self.root, self.group, stage, key),
            "project": self.settings.project,
            "entity": self.settings.entity,
            "group": self.group,
            "name": f"{self.recipe} {stage} {key[:6]}",
            "job_type": stage,
            "config": dict(config),
            "tags": ["pageloom", self.recipe, *self.settings.tags],
            "metrics": {metric.name + ("*" if metric.label else ""): metric.best for metric in METRICS},
        }
        if self.settings.wandb != "disabled":
            self.ids[stage] = str(begin["id"])
        self._row(stage, {"begin": begin}, record=f"{stage}-{key[:8]}")
        self.begun = stage
        return Recorder(stage, mailbox, output, self.sinks, self.console.fault)

    def made(self, artefact: Artefact, inputs: Sequence[Artefact]) -> None:
        """A stage has committed: its counts, its tables, where it is and what it was made from."""
        for block in artefact.manifest["report"]:
            if block["kind"] == "table":
                self._row(artefact.stage, {"table": block["title"], "columns": block["columns"], "rows": block["rows"]})
        figures = {name: artefact.manifest[name] for name in ("seconds", "work_seconds", "peak_memory_bytes")}
        self._row(artefact.stage, {"summary": flat(artefact.counts) | figures})
        self._row(artefact.stage, {"artefact": describe(artefact), "uses": [describe(each) for each in inputs]})
        self._row(artefact.stage, {"end": 0})

    def failure(self, stage: str) -> None:
        """A stage has failed, perhaps before it could be followed."""
        if self.begun == stage:
            self._row(stage, {"end": 1})

    def _row(self, stage: str, row: dict[str, Any], **more: Any) -> None:
        for sink in self.sinks:
            if "row" in sink.wants:
                sink.put({"stage": stage, "time": time.time(), "row": row, **more})
