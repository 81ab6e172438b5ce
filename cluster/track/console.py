"""What people and programs hear while a run goes on: one line a stage."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cluster.amounts import GIB, human_count, human_seconds
from cluster.terminal import Screen
from cluster.track.mailbox import Event

SAY_SECONDS = 30.0  # between two lines of a stage where there is no terminal to draw a bar on
QUIET, NORMAL, VERBOSE = -1, 0, 1


@contextmanager
def noise_to(log: Path, descriptor: int = 1) -> Iterator[Console]:
    """Send all that this process and the ones it starts print to `log`; yields the console that a person sees.

    descriptor: where that console prints; 2 leaves stdout to the command's result.
    Works on the file descriptors, since engines print from C++ and from processes of their own. In a notebook these are
    the server's and a person sees `sys.stdout`: there the console prints to that, and Python's other prints go to `log`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    streams = {1: sys.stdout, 2: sys.stderr}
    for stream in streams.values():
        stream.flush()
    kept = os.dup(1), os.dup(2)
    with ExitStack() as opened:
        file = opened.enter_context(open(log, "ab", buffering=0))
        shown: TextIO = streams[descriptor]
        if writes_to(shown, descriptor):
            shown = opened.enter_context(open(os.dup(descriptor), "w", errors="backslashreplace"))
        else:
            words = opened.enter_context(open(log, "a", buffering=1, errors="backslashreplace"))
            opened.enter_context(redirect_stdout(words))
            opened.enter_context(redirect_stderr(words))
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Screen(file=shown, force_jupyter=False)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def writes_to(stream: TextIO, descriptor: int) -> bool:
    """Whether what is printed to a stream comes out at a file descriptor."""
    try:
        return stream.fileno() == descriptor
    except (OSError, AttributeError):  # a notebook's, a test's
        return False


class Progress:
    """How far a stage is, from the events of cluster.track.events."""

    def __init__(self, stage: str) -> None:
        self.stage, self.unit, self.began = stage, "", time.time()
        self.done = self.first_time = 0.0
        self.total: float | None = None
        self.parts_done, self.parts = 0, 0

    def event(self, event: Event) -> None:
        if "parts" in event:
            self.parts_done, self.parts = self.parts_done + 1, event["parts"]
        if "done" not in event and "advance" not in event:
            return
        self.first_time = self.first_time or event["time"]
        self.done = event["done"] if "done" in event else self.done + event["advance"]
        self.total = event.get("total") or self.total
        self.unit = event.get("unit") or self.unit

    @property
    def working(self) -> float:
        """Seconds since the first word of progress."""
        return time.time() - self.first_time if self.first_time else 0.0

    @property
    def rate(self) -> float:
        return self.done / self.working if self.working > 1 else 0.0

    @property
    def share(self) -> float:
        return self.done / self.total if self.total else self.parts_done / self.parts if self.parts else 0.0

    @property
    def left(self) -> float | None:
        """Seconds, where they can be known."""
        return self.working * (1 / self.share - 1) if self.share and self.working > 1 else None

    def words(self) -> tuple[str, str, str]:
        """Amount, rate and time, as people read them."""
        of = "/" + human_count(self.total) if self.total else ""
        return (
            f"{human_count(self.done)}{of} {self.unit}" if self.done else "starting",
            f"{human_count(self.rate)}/s" if self.rate else "",
            f"{human_seconds(self.left)} left" if self.left is not None else human_seconds(time.time() - self.began),
        )


class RunConsole:
    """For people: the running stage as a line with bar, rate and time left; finished stages stay above it.

    Where output is no terminal, a line says every `every` seconds what the bar would show. level: QUIET leaves failures and
    what a run ends with, VERBOSE adds where things are.
    """

    def __init__(self, console: Console, level: int = NORMAL, every: float = SAY_SECONDS) -> None:
        self.console, self.level, self.every = console, level, every
        self.live: Live | None = None
        self.progress = Progress("")
        self.said = 0.0

    def print(self, text: str | Text) -> None:
        """Say something between the stages' lines."""
        if self.level > QUIET:
            self.console.print(text, soft_wrap=True, markup=False)

    def result(self, event: str, text: str, **_: Any) -> None:
        """Say what a run ends with, to the quiet too. event, and values by name: the same for programs."""
        self.console.print(text, soft_wrap=True, markup=False)

    def detail(self, text: str) -> None:
        """What only who asks for more wants to know."""
        if self.level >= VERBOSE:
            self.console.print(f"    {text}", soft_wrap=True, markup=False, style="dim")

    def fault(self, text: str) -> None:
        """What did not work, though the run goes on."""
        self.console.print(f"  ! {text}", soft_wrap=True, markup=False, style="yellow")

    def reused(self, stage: str, key: str) -> None:
        self.print(Text(f"  = {stage:<11} already there   {key}", "dim"))

    def begin(self, stage: str) -> None:
        self.progress, self.said = Progress(stage), time.monotonic()
        if self.console.is_terminal and self.level > QUIET:
            # What Python prints meanwhile, Ray Data's log above all, would otherwise be taken to the terminal.
            self.live = Live(
                self, console=self.console, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self.live.start()

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show that something outside the plan's stages is going on."""
        self.begin(what)
        try:
            yield
        finally:
            self._leave()

    def take(self, events: Sequence[Event]) -> None:
        """A sink's: called often, also with no events."""
        for event in events:
            if event["stage"] == self.progress.stage:
                self.progress.event(event)
            if "said" in event:
                self.print(f"  ! {event['stage']}: {event['said']}")
        if self.live is None and self.progress.stage and time.monotonic() - self.said >= self.every:
            self.said = time.monotonic()
            self.print("    " + "   ".join(word for word in (f"{self.progress.stage:<11}", *self.progress.words()) if word))

    def end(self, stage: str, seconds: float, overhead: float, peak_bytes: int) -> None:
        """overhead: share of the seconds in which no worker did the stage's own work."""
        progress = self._leave()
        amount = f"{human_count(progress.done)} {progress.unit}" if progress.done else ""
        figures = f"{human_seconds(seconds):>12}   {overhead:>4.0%} start-up   {peak_bytes / GIB:.1f} GiB   {amount}"
        self.print(Text.assemble("  ", ("✓", "green"), f" {stage:<11} {figures}".rstrip()))

    def fail(self, stage: str) -> None:
        self._leave()
        self.console.print(Text.assemble("  ", ("✗", "red"), f" {stage}"), soft_wrap=True)

    def _leave(self) -> Progress:
        if self.live is not None:
            self.live.stop()
            self.live = None
        left, self.progress = self.progress, Progress("")
        return left

    def __rich__(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        amount, rate, left = self.progress.words()
        share = self.progress.share
        bar = ProgressBar(total=1.0, completed=share, width=28) if share else ProgressBar(total=None, width=28, pulse=True)
        grid.add_row(Spinner("dots"), f"{self.progress.stage:<11}", bar, amount, rate, left)
        return grid


class JsonConsole:
    """For programs, in place of a RunConsole: a line of JSON an event, {event, time, ...}.

    Events: begin, progress (every `every` seconds), end, reused, fail, fault, said, report, answer.
    """

    def __init__(self, console: Console, every: float = SAY_SECONDS) -> None:
        self.file, self.every = console.file, every
        self.progress = Progress("")
        self.said = 0.0

    def _write(self, event: str, **values: Any) -> None:
        line = json.dumps({"event": event, "time": round(time.time(), 3), **values}).replace("\x7f", "\\u007f")
        self.file.write(line + "\n")
        self.file.flush()

    def print(self, text: str | Text) -> None:
        if words := str(text).strip():
            self._write("said", text=words)

    def result(self, event: str, _: str, **values: Any) -> None:
        self._write(event, **values)

    def detail(self, text: str) -> None:
        self._write("said", text=text)

    def fault(self, text: str) -> None:
        self._write("fault", text=text)

    def reused(self, stage: str, key: str) -> None:
        self._write("reused", stage=stage, key=key)

    def begin(self, stage: str) -> None:
        self.progress, self.said = Progress(stage), time.monotonic()
        self._write("begin", stage=stage)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        self.begin(what)
        yield

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            if event["stage"] == self.progress.stage:
                self.progress.event(event)
            if "said" in event:
                self._write("said", stage=event["stage"], text=event["said"])
        if self.progress.stage and time.monotonic() - self.said >= self.every:
            self.said = time.monotonic()
            now = self.progress
            self._write(
                "progress", stage=now.stage, done=now.done, total=now.total, unit=now.unit, rate=now.rate, seconds_left=now.left
            )

    def end(self, stage: str, seconds: float, overhead: float, peak_bytes: int) -> None:
        now, self.progress = self.progress, Progress("")
        self._write("end", stage=stage, seconds=seconds, start_up=overhead, peak_bytes=peak_bytes, done=now.done, unit=now.unit)

    def fail(self, stage: str) -> None:
        self.progress = Progress("")
        self._write("fail", stage=stage)
