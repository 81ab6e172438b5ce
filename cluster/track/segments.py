"""Rows of JSON appended in a directory that may be on an object store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cluster.store import Location

SIZE = 256 << 10  # bytes of a full segment: what is written again at most, each time that rows are saved
UNSAVED = 16 << 20  # bytes of rows that wait for a place that cannot be written


class Segments:
    """PLACE/000001.jsonl, 000002.jsonl, ...: only the newest is ever rewritten, whole, until it is full.

    A new object begins a new segment, so what an earlier process left is never touched. Memory: SIZE, and UNSAVED while
    saving fails; then the oldest unsaved rows go and are counted in `lost`. `save` raises OSError.
    """

    def __init__(self, place: Location) -> None:
        self.place = place
        self.number = 0
        self.lines: list[bytes] = []  # of the newest segment
        self.saved = 0  # lines of it that are in place
        self.lost = 0

    def append(self, row: dict[str, Any]) -> None:
        self.lines.append(json.dumps(row, sort_keys=True).encode() + b"\n")

    @property
    def unsaved(self) -> bool:
        return len(self.lines) > self.saved

    def waiting(self) -> list[dict[str, Any]]:
        """Rows that could not be saved."""
        return [json.loads(line) for line in self.lines[self.saved :]]

    def save(self) -> None:
        if not self.unsaved:
            return
        try:
            if not self.number:
                self.number = max((int(name.partition(".")[0]) for name in self.place.files()), default=0) + 1
            (self.place / f"{self.number:06d}.jsonl").write_bytes(b"".join(self.lines))
        except BaseException:
            self._forget_oldest()
            raise
        self.saved = len(self.lines)
        if sum(map(len, self.lines)) >= SIZE:
            self.number, self.lines, self.saved = self.number + 1, [], 0

    def _forget_oldest(self) -> None:
        waiting = sum(map(len, self.lines[self.saved :]))
        while waiting > UNSAVED:
            waiting -= len(self.lines.pop(self.saved))
            self.lost += 1


def read_segments(place: Location) -> Iterator[dict[str, Any]]:
    """Every row in the order in which they were appended. Memory: a segment."""
    for name in place.files():
        if name.endswith(".jsonl"):
            yield from map(json.loads, (place / name).read_bytes().splitlines())
