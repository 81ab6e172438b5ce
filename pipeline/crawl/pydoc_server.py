"""A real web site on any machine: Python's own `pydoc` server, documenting the standard library on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cluster import temporary
from cluster.errors import RequestError, WorkError
from cluster.fields import How

# Asking for a page imports the module. These do more than define things when they are imported: they
# run a test suite, open a window or a browser, ask for input, or (`__main__`) are a program.
UNSAFE_PAGES = (
    r"__main__",
    r"/(antigravity|idlelib|turtledemo|test|_test\w*|_xx\w*|xx\w*|ensurepip)\b",
    r"\.tests?\b",
    r"/(get|search)\?",  # forms, not pages: any key gives a page
)

# The kernel kills the server with the thread that started it, also after `kill -9`. Where there is no
# prctl the server still ends by itself: it reads commands from a pipe that its parent's end closes.
FOLLOW_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent is gone")
os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", "-m", "pydoc", *sys.argv[2:]])
"""


class PydocSettings(BaseModel):
    """Crawl Python's own documentation server."""

    model_config = ConfigDict(extra="forbid")

    port: How[int] = Field(7464, ge=1, le=65535, description="loopback port; fixed, because it is part of every page's URL")


class PydocServer:
    """The running server, as a context manager. `-I -S`: only the standard library, whatever is installed."""

    def __init__(self, settings: PydocSettings) -> None:
        self.port = settings.port
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> PydocServer:
        self._refuse_taken_port()
        self.home = temporary.make_directory("pydoc")
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "BROWSER": "true",  # what a module opens in a browser is given to /bin/true
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", FOLLOW_PARENT, str(os.getpid()), "-n", "127.0.0.1", "-p", str(self.port)],
            stdin=subprocess.PIPE,  # kept open: the server quits at the end of its input
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.home,
            env=environment,
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        temporary.remove_directory(self.home)

    def _refuse_taken_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise RequestError(
                    f"port {self.port} is taken, and the pydoc server wants it; "
                    "end what listens there or choose another: --set crawl.pydoc.port=7465"
                ) from error

    def _wait_until_it_answers(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise WorkError(
            f"the pydoc server did not start on port {self.port}; try `{sys.executable} -I -S -m pydoc -p {self.port}`"
        )
