"""Cron lines as the library of the operator reads them (robfig/cron v3, `ParseStandard`).

croniter and cronsim read another language: both take `L` and weekday 7, which robfig refuses, and neither knows `@every 90m`.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass

from cluster.kubernetes.go_values import duration, integer


@dataclass(frozen=True)
class Part:
    """One of the five fields of a line. names: what stands for numbers, the first for `first`."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.first + self.names.index(text.lower())
        number = integer(text)
        if number is None or number < 0:
            raise ValueError(f"{text!r} is no {self.name}")
        return number


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
PARTS = (
    Part("minute", 0, 59),
    Part("hour", 0, 23),
    Part("day of the month", 1, 31),
    Part("month", 1, 12, MONTHS),
    Part("day of the week", 0, 6, DAYS),
)
DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
EVERY = "@every "


def check_schedule(line: str) -> None:
    """Raise ValueError, in one line, for what is neither five fields nor a descriptor."""
    if line.startswith("@"):
        if line not in DESCRIPTORS and not (line.startswith(EVERY) and duration(line.removeprefix(EVERY)) is not None):
            raise ValueError(f"{line!r} is none of {', '.join(DESCRIPTORS)}, @every DURATION")
        return
    fields = line.split()
    if len(fields) != len(PARTS):
        raise ValueError(f"{len(fields)} fields, not the five of minute, hour, day of the month, month, day of the week")
    for part, field in zip(PARTS, fields, strict=True):
        for span in filter(None, field.split(",")):
            check_span(part, span)


def check_span(part: Part, span: str) -> None:
    """Raise ValueError for what is not `*`, a number or name, a range of them, or one of these with `/step`."""
    span, *steps = span.split("/")
    low, *high = span.split("-")
    if len(steps) > 1 or len(high) > 1:
        raise ValueError(f"{part.name}: more than one step or range in {span!r}")
    step = part.number(steps[0]) if steps else 1
    if step == 0:
        raise ValueError(f"{part.name}: a step of zero")
    if low in ("*", "?"):  # what follows a hyphen is then not read
        return
    begin = part.number(low)
    end = part.number(high[0]) if high else begin
    if not part.first <= begin <= end <= part.last:
        raise ValueError(f"{part.name}: {span} is not within {part.first} to {part.last}, low to high")


def is_time_zone(name: str) -> bool:
    """Whether time.LoadLocation finds the zone: a name of the IANA database, `UTC` or `Local`."""
    return name in ("UTC", "Local") or name in zoneinfo.available_timezones()
