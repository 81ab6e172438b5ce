import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

CHECKOUT = Path(__file__).parents[3]


def wait_until(there: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def wandb_server(one_wandb_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A W&B of our own on loopback, empty; the environment sends wandb there."""
    monkeypatch.setenv("WANDB_BASE_URL", one_wandb_server)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    httpx.get(f"{one_wandb_server}/reset")
    return one_wandb_server


@pytest.fixture(scope="session")
def one_wandb_server() -> Iterator[str]:
    """wandb asks a process's environment once, so all tests share one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(Path(__file__).with_name("wandb_server.py")), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(url))
        yield url
    finally:
        server.kill()
        server.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/state", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def program() -> Callable[..., subprocess.Popen[str]]:
    """Starts small_run.py on a root, with settings in the environment."""

    def start(root: Path | str, **options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("small_run.py")), str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)} | options,
        )

    return start
