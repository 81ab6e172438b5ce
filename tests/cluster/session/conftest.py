"""A Ray cluster that is not ours: a real head on loopback that asks for a token."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

TOKEN = "b" * 64


@dataclass(frozen=True)
class Head:
    address: str
    process: psutil.Process


@pytest.fixture(autouse=True)
def no_token_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who has no token and joins nothing."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """One CPU-only node at 127.0.0.2, as nodes may not be at 127.0.0.1; its environment knows no object store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        port = probe.getsockname()[1]
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RAY_"))}
    environment = foreign | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    options = ["--block", "--head", "--node-ip-address=127.0.0.2", f"--port={port}", "--num-cpus=3"]
    options += ["--object-store-memory=100000000", "--include-dashboard=false"]
    options += ["--min-worker-port=0", "--max-worker-port=0"]
    with tempfile.TemporaryDirectory(prefix="head-") as directory, Path(directory, "said").open("w+") as said:
        started = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options, f"--temp-dir={directory}"],
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        process = psutil.Process(started.pid)
        try:
            deadline = time.monotonic() + 120
            while "Ray runtime started" not in Path(directory, "said").read_text():
                assert started.poll() is None, Path(directory, "said").read_text()
                assert time.monotonic() < deadline, "the head did not start"
                time.sleep(0.1)
            yield Head(f"127.0.0.2:{port}", process)
        finally:
            family = [*process.children(recursive=True), process]
            for each in family:
                each.kill()
            psutil.wait_procs(family, timeout=20)
            started.wait()
