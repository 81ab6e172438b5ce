"""What W&B is to get: recorded under the root while a run goes on, whatever W&B does meanwhile.

ROOT/tracking/GROUP/STAGE-KEY/ holds rows of JSON in segments: {begin}, {metrics, step}, {table}, {summary}, {artefact}, {end}.
cluster.track.sync sends them, live or later. Nothing here imports wandb.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.store import Artefact, Location
from cluster.track.mailbox import Event
from cluster.track.segments import Segments

RECORDS = "tracking"  # directory of the root
SAVE_SECONDS = 5.0
FINISH_SECONDS = 60.0  # that the end of a run waits for what is still on its way to W&B

Row = dict[str, Any]


def run_id(root: Location, group: str, stage: str, key: str) -> str:
    """The same for the same work: what is sent twice reaches the same run."""
    return hashlib.sha256("\0".join((str(root), group, stage, key)).encode()).hexdigest()[:16]


def describe(artefact: Artefact) -> Row:
    """An artefact as W&B shows it: a reference to where it is. wandb looks at what `file:` names, which may be gone by then."""
    model = any(file["path"].endswith(".safetensors") for file in artefact.manifest["files"])
    place = artefact.location
    return {
        "stage": artefact.stage,
        "key": artefact.key,
        "digest": artefact.digest,
        "type": "model" if model else "dataset",
        "uri": f"local://{place}" if place.is_local else str(place),
    }


def flat(values: Mapping[str, Any], prefix: str = "") -> Row:
    """Nested counts as W&B's summary has them: {"a.b": 1}; numbers and text only."""
    found: Row = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float, str)):
            found[prefix + name] = value
    return found


class Record:
    """A sink: one stage at a time, the rows of a run at W&B. Events with `row` are put down as they are; metrics are too."""

    def __init__(self, group: Location) -> None:
        self.group = group
        self.open: list[Segments] = []  # the newest, and earlier ones that could not be saved yet
        self.due = 0.0

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            if "record" in event:  # the stage's first row
                self.open.append(Segments(self.group / event["record"]))
            row = event["row"] if "row" in event else {"metrics": event["metrics"], "step": event["step"]}
            self.open[-1].append(row | {"time": event["time"]})
            if "end" in row:
                self.due = 0.0
        if time.monotonic() >= self.due:
            self.save()

    def save(self) -> None:
        for segments in self.open:
            segments.save()
        self.open = self.open[-1:]
        self.due = time.monotonic() + SAVE_SECONDS


class Live:
    """A process of its own that sends a group's records as they grow: what it waits for, nothing else waits for.

    It ends when its standard input does, so a driver that is killed leaves nothing behind.
    """

    def __init__(self, root: Location, group: str, logs: Path) -> None:
        self.log = logs / "wandb.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.command = [sys.executable, "-P", "-m", "cluster.track.sync", str(root), group, str(os.getpid())]

    def take(self, events: Sequence[Event]) -> None:
        """Start it with the first stage, and raise what it ended with."""
        if self.process is None and events:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            code = str(Path(__file__).resolve().parents[2])
            paths = os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is the driver's to hear
                    env=os.environ | {"PYTHONPATH": paths},
                )
        elif self.process is not None and self.process.poll():
            raise RuntimeError(self.last_words())

    def finish(self) -> None:
        """Let it send what is left; after FINISH_SECONDS it is ended, and the rest is for `pageloom sync`."""
        if self.process is None:
            return
        assert self.process.stdin
        self.process.stdin.close()
        try:
            if self.process.wait(FINISH_SECONDS):
                raise RuntimeError(self.last_words())
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"did not take everything within {FINISH_SECONDS:g} s") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else "ended without a word"
