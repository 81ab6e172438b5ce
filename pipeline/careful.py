"""trafilatura in a process of its own: what runs away, eats memory or crashes there costs one page, not the actor."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from typing import IO

MEMORY_BYTES = 4 << 30  # address space of the process; a page of a megabyte takes a few hundred


class ExtractorDied(Exception):
    """The process ended instead of answering. reason: `slow` where its time was up, else `extractor_crashed`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CarefulExtractor:
    """Starts the process when it is first needed and again after it died. It ends with its parent: its input closes.

    seconds: what it may take for a page.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, html: str) -> str:
        """The text of a page, empty where there is none. Raises ExtractorDied."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.careful", str(self.seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            send(self.process.stdin, html)
            return receive(self.process.stdout)
        except (EOFError, BrokenPipeError):
            code = self.process.wait()
            self.close()
            raise ExtractorDied("slow" if code == -signal.SIGALRM else "extractor_crashed") from None

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def send(stream: IO[bytes], text: str) -> None:
    data = text.encode("utf-8", "replace")
    stream.write(len(data).to_bytes(8) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> str:
    size = stream.read(8)
    if len(size) < 8:
        raise EOFError
    data = stream.read(int.from_bytes(size))
    if len(data) < int.from_bytes(size):
        raise EOFError
    return data.decode("utf-8")


def serve(seconds: float) -> None:
    """The process: a page in, its text out, until the input ends. The alarm is not caught: it ends the process."""
    import trafilatura

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while True:
        try:
            html = receive(sys.stdin.buffer)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, seconds)
        text = trafilatura.extract(html, include_comments=False) or ""
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(sys.stdout.buffer, text)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
