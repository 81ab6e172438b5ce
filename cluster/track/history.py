"""A stage's metrics, kept while it runs and put among its artefact's files when it commits."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from cluster.store import METRICS, Location
from cluster.track.mailbox import Event
from cluster.track.segments import Segments, read_segments

SAVE_SECONDS = 1.0  # between savings, more where one takes longer than a twentieth of it


class History:
    """A sink: rows of {step, time, metrics} below an attempt's working directory, in segments, so nothing is rewritten.

    A resumed attempt goes on behind what was measured before. saved: by sender, the last event that is in place.
    """

    def __init__(self, place: Location) -> None:
        self.segments = Segments(place)
        self.reached: dict[str, int] = {}
        self.saved: dict[str, int] = {}
        self.due = 0.0
        self.asked = False

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.reached[event["sender"]] = event["number"]
            self.asked = self.asked or "settle" in event
            if "metrics" in event:
                self.segments.append({**event["metrics"], "step": event["step"], "time": event["time"]})
        if self.asked or time.monotonic() >= self.due:
            self.save()
        elif not self.segments.unsaved:
            self.saved = dict(self.reached)

    def save(self) -> None:
        began = time.monotonic()
        self.segments.save()
        self.saved, self.asked = dict(self.reached), False
        self.due = time.monotonic() + max(SAVE_SECONDS, 20 * (time.monotonic() - began))


def merge_history(place: Location, output: Location, waiting: Sequence[dict[str, Any]] = ()) -> None:
    """Write `output`/metrics.jsonl, one line a step in order of steps; of a step said twice the later values hold.

    waiting: rows that could not be put at `place`. Nothing where nothing was tracked. Memory: one line a step, some 0.4 kB.
    """
    rows: dict[int, dict[str, Any]] = {}
    for row in chain(read_segments(place), waiting):
        rows.setdefault(row["step"], {}).update(row)
    if rows:
        lines = [json.dumps(rows[step], sort_keys=True) + "\n" for step in sorted(rows)]
        (output / METRICS).write_bytes("".join(lines).encode())
