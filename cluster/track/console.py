"""What a person sees while a run goes on: one line a stage."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
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


class RunConsole:
    """Shows the running stage as a line with bar, rate and time left; finished stages stay above it.

    Where output is no terminal, only the finished lines are printed.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live: Live | None = None
        self.stage, self.unit, self.note = "", "", ""
        self.began = self.done = self.first_time = 0.0
        self.total: float | None = None
        self.parts_done, self.parts = 0, 0

    def print(self, text: str | Text) -> None:
        """Say something between the stages' lines. Style comes from `Text`: signs in the words mean themselves."""
        self.console.print(text, soft_wrap=True, markup=False)

    def reused(self, stage: str, key: str) -> None:
        self.console.print(f"[dim]  = {stage:<11} already there   {key}[/dim]", markup=True)

    def begin(self, stage: str) -> None:
        self.stage, self.unit, self.note, self.began = stage, "", "starting", time.time()
        self.done, self.total, self.first_time = 0.0, None, 0.0
        self.parts_done, self.parts = 0, 0
        if self.console.is_terminal:
            self.live = Live(self, console=self.console, refresh_per_second=4, transient=True)
            self.live.start()

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show that something outside the plan's stages is going on."""
        self.begin(what)
        try:
            yield
        finally:
            self._leave()

    def event(self, event: dict[str, Any]) -> None:
        """Take a progress event of cluster.track.events."""
        if "parts" in event:
            self.parts_done, self.parts = self.parts_done + 1, event["parts"]
        if "said" in event:
            self.print(f"  ! {event['stage']}: {event['said']}")
        if "done" not in event and "advance" not in event:
            return
        self.first_time = self.first_time or event["time"]
        self.done = event["done"] if "done" in event else self.done + event["advance"]
        self.total = event.get("total") or self.total
        self.unit = event.get("unit") or self.unit

    def end(self, stage: str, seconds: float, overhead: float, peak_bytes: int) -> None:
        """overhead: share of the seconds in which no worker did the stage's own work."""
        self._leave()
        amount = f"{human_count(self.done)} {self.unit}" if self.done else ""
        self.console.print(
            f"  [green]✓[/green] {stage:<11} {human_seconds(seconds):>12}   {overhead:>4.0%} start-up   "
            f"{peak_bytes / GIB:.1f} GiB   {amount}",
            soft_wrap=True,
            markup=True,
        )

    def fail(self, stage: str) -> None:
        self._leave()
        self.console.print(f"  [red]✗[/red] {stage}", soft_wrap=True, markup=True)

    def _leave(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def __rich__(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        elapsed = time.time() - self.began
        working = time.time() - self.first_time if self.first_time else 0.0
        rate = self.done / working if working > 1 else 0.0
        share = self.done / self.total if self.total else self.parts_done / self.parts if self.parts else 0.0
        left = working * (1 / share - 1) if share and working > 1 else None
        grid.add_row(
            Spinner("dots"),
            f"{self.stage:<11}",
            ProgressBar(total=1.0, completed=share, width=28) if share else ProgressBar(total=None, width=28, pulse=True),
            f"{human_count(self.done)}{'/' + human_count(self.total) if self.total else ''} {self.unit}"
            if self.done
            else self.note,
            f"{human_count(rate)}/s" if rate else "",
            f"{human_seconds(left)} left" if left is not None else human_seconds(elapsed),
        )
        return grid
