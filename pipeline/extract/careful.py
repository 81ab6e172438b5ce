"""Extraction in a process of its own: what runs away, eats memory or crashes there costs one page, not the actor."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from resiliparse.parse.html import HTMLParserException

from pipeline.extract.page import Extracted, Limits, extract, load_trafilatura

PIPE_BYTES = 1 << 20  # a page goes through in one piece: the kernel's 64 kB cost two switches between processes more
GRACE = 10.0  # seconds after which a process is ended that its own alarm did not end: it is stopped, or never started
# What allocators print when they give up: Rust's runtime, C++'s, CPython's.
OUT_OF_MEMORY = (b"memory allocation of", b"std::bad_alloc", b"MemoryError")
FULL = 0.8  # of the limit: an HTML parser accepts every text, so where resiliparse's fails beyond this, memory is why


class ExtractorDied(Exception):
    """No text came back. reason: extract_timeout, extract_memory or extract_crash; note: the signal or the error.

    A kernel that is out of memory ends a process as anybody else does, by SIGKILL: that is told as a crash.
    """

    def __init__(self, reason: str, note: str = "") -> None:
        super().__init__(f"{reason}: {note}")
        self.reason, self.note = reason, note


class CarefulExtractor:
    """pipeline.extract.page behind a pipe. The process starts with the first page, anew after it died or `recycle_pages`.

    It ends with its parent, because its input closes, and by its own alarm where it is busy then.
    seconds: for a page, by the clock; loading trafilatura, once a process, is not counted.
    memory_mb: address space of the process, of which the interpreter, numpy and trafilatura take about 300.
    """

    def __init__(self, limits: Limits, seconds: float, memory_mb: int, recycle_pages: int) -> None:
        self.limits, self.seconds, self.memory_mb, self.recycle_pages = limits, seconds, memory_mb, recycle_pages
        self.process: subprocess.Popen[bytes] | None = None
        self.complaints: IO[bytes] | None = None
        self.pages = 0

    def __call__(self, html: str, skip: Sequence[str] = ()) -> Extracted:
        """The text of a page, empty where there is none. skip: CSS selectors to leave out. Raises ExtractorDied."""
        process = self.process or self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, json.dumps(list(skip)), html)
            answers = select.poll()  # not select(), which knows the first 1024 files of a process only
            answers.register(process.stdout, select.POLLIN)
            if not answers.poll(1000 * (self.seconds + GRACE)):
                self.close()
                raise ExtractorDied("extract_timeout", "did not answer")
            head, text = receive(process.stdout), receive(process.stdout)
        except (EOFError, BrokenPipeError):
            raise self.death(process) from None
        answer = json.loads(head)
        self.pages += 1
        if answer.pop("last", False) or self.pages >= self.recycle_pages:
            self.close()
        if "reason" in answer:
            raise ExtractorDied(**answer)
        return Extracted(text=text, **answer)

    def start(self) -> subprocess.Popen[bytes]:
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115
        settings = {"seconds": self.seconds, "memory_mb": self.memory_mb, "limits": asdict(self.limits)}
        self.process = subprocess.Popen(
            # -P: the working directory is the user's, a numpy.py in it is not ours.
            [sys.executable, "-P", "-m", "pipeline.extract.careful", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            # One thread: BLAS would reserve address space for a thread a core, and the matrices are small.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
        )
        self.pages = 0
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # the user's share of pipe memory is used up; the pipe works as it is
                fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # type: ignore[arg-type]
        return self.process

    def death(self, process: subprocess.Popen[bytes]) -> ExtractorDied:
        """Why the process ended."""
        code = process.wait()
        assert self.complaints is not None
        self.complaints.seek(0)
        said = self.complaints.read()[-4000:]
        self.close()
        if code == -signal.SIGALRM:
            return ExtractorDied("extract_timeout", f"{self.seconds:g} s")
        note = signal.Signals(-code).name if code < 0 else f"exit {code}"
        if any(sign in said for sign in OUT_OF_MEMORY):
            return ExtractorDied("extract_memory", note)
        return ExtractorDied("extract_crash", note)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
        if self.complaints is not None:
            self.complaints.close()
            self.complaints = None


def send(stream: IO[bytes], *texts: str) -> None:
    for text in texts:
        data = text.encode("utf-8", "replace")
        stream.write(len(data).to_bytes(8))
        stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> str:
    size = stream.read(8)
    if len(size) < 8:
        raise EOFError
    data = stream.read(int.from_bytes(size))
    if len(data) < int.from_bytes(size):
        raise EOFError
    return data.decode("utf-8")


def alarm(seconds: float) -> float:
    """Set the alarm, 0 to take it off; what was left of it. Nothing catches it: it ends the process, in C code too."""
    return signal.setitimer(signal.ITIMER_REAL, seconds)[0]


def serve(seconds: float, memory_mb: int, limits: Limits) -> None:
    """The process: a page in, its text out, until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def second(html: str) -> str:
        left = alarm(0)
        trafilatura_text = load_trafilatura()
        alarm(left)
        return trafilatura_text(html)

    while True:
        try:
            skip, html = json.loads(receive(sys.stdin.buffer)), receive(sys.stdin.buffer)
        except EOFError:
            return
        alarm(seconds)
        answer, text = answered(html, skip, limits, second, memory_mb)
        alarm(0)
        send(answers, json.dumps(answer), text)


def answered(
    html: str, skip: Sequence[str], limits: Limits, second: Callable[[str], str], memory_mb: int
) -> tuple[dict[str, Any], str]:
    """What extraction found, or why not. last: the process is not to be used again, its heap is worn."""
    try:
        found = asdict(extract(html, skip, limits, second))
        return found, found.pop("text")
    except MemoryError:
        return {"reason": "extract_memory", "note": "MemoryError", "last": True}, ""
    except Exception as error:
        note = f"{type(error).__name__}: {error}"[:200]
        if isinstance(error, HTMLParserException) and peak_mb() > FULL * memory_mb:
            return {"reason": "extract_memory", "note": note, "last": True}, ""
        return {"reason": "extract_crash", "note": note}, ""


def peak_mb() -> float:
    """The most address space that this process has had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmPeak:")[2].split()[0]) / 1024


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    serve(given["seconds"], given["memory_mb"], Limits(**given["limits"]))
