"""The real line with small settings, in processes that tests kill."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cluster.store import Store

CHECKOUT = Path(__file__).parents[2]


class Line:
    """Runs `pageloom` on small settings; every process it started is gone when the test ends."""

    def __init__(self, port: int) -> None:
        self.settings = {
            "tracking.wandb": "disabled",
            "cluster.dashboard": "false",
            "cluster.checkpoint_seconds": "0.5",
            "crawl.pydoc.port": str(port),
            "crawl.max_pages": "30",
            "tokenizer.vocabulary": "512",
            "tokens.sequence_length": "64",
            "pretrain.model.layers": "2",
            "pretrain.model.hidden": "64",
            "pretrain.model.heads": "2",
            "pretrain.model.kv_heads": "1",
            "pretrain.model.intermediate": "128",
            "pretrain.steps": "40",
            "sft.steps": "20",
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, root: Path | str, until: str, **environment: str) -> subprocess.Popen[str]:
        overrides = [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]
        process = subprocess.Popen(
            [sys.executable, "-m", "pageloom", "run", "--root", str(root), "--until", until, *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | {"COLUMNS": "200"} | environment,
        )
        self.started.append(process)
        return process

    def run(self, root: Path | str, until: str, **environment: str) -> str:
        process = self.start(root, until, **environment)
        text, _ = process.communicate(timeout=600)
        assert process.returncode == 0, text
        return text

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture(scope="package")
def line() -> Iterator[Line]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = Line(port)
    yield line
    line.stop()


@pytest.fixture(scope="package")
def undisturbed(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root on which nothing went wrong, up to the assistant."""
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    line.run(root, "assistant")
    return root


@pytest.fixture
def crawled(undisturbed: Path, tmp_path: Path) -> Path:
    """A root that holds the same crawl and nothing else (a crawl's own bytes differ from fetch to fetch)."""
    shutil.copytree(undisturbed / "crawl", tmp_path / "root" / "crawl")
    return tmp_path / "root"


def kill_once(process: subprocess.Popen[str], ready: Callable[[], bool], seconds: float = 400) -> None:
    """SIGKILL the driver at the first moment that `ready` holds."""
    try:
        wait_until(process, ready, seconds)
    finally:
        process.kill()
        process.wait()


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"it ended before the moment came:\n{process.communicate()[0]}"
        assert time.monotonic() < deadline, "the moment did not come"
        time.sleep(0.005)  # some moments are short


def worker_of(process: subprocess.Popen[str], name: str) -> psutil.Process | None:
    """A Ray worker below the driver whose title contains `name`."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            title = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if title.startswith("ray::") and name in title:
            return child
    return None


def checkpointed(root: Path, stage: str) -> bool:
    """Whether an attempt at the stage has a checkpoint that Ray Train has registered, so that a restart finds it."""
    snapshots = (root / stage).glob("*/*/_work/train/checkpoint_manager_snapshot.json")
    return any("step-" in snapshot.read_text() for snapshot in snapshots)


def digests(root: Path | str, stages: list[str]) -> dict[str, list[str]]:
    """For each stage the digests of all its artefacts: one each, if nothing was committed twice."""
    return {stage: [artefact.digest for artefact in Store(root).artefacts(stage)] for stage in stages}
