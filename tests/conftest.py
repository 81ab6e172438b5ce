"""Fixtures that several folders share."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported: threads of two processes wait for each other

from cluster.session import Embedded, Session
from cluster.settings import ClusterSettings

# The same examples every time, and no clock: a busy machine must not fail a test.
hypothesis.settings.register_profile("pageloom", deadline=None, derandomize=True)
hypothesis.settings.load_profile("pageloom")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script's shell lets what it starts with `&` ignore Ctrl-C, and so would every process that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Modules whose tests `-n 2` leaves together in one process, those that take longest first. Every other module is a group.
TOGETHER = {
    "one undisturbed line": ("tests/faults/test_kill.py", "tests/faults/test_object_storage.py"),
    "one Ray": (
        "tests/pipeline/test_line.py",
        "tests/pipeline/test_pool.py",
        "tests/pipeline/dedup/test_on_ray.py",
        "tests/pipeline/rights/test_host_files.py",
        "tests/actors/evaluation/test_evaluate.py",
        "tests/actors/rl/engines/test_engine.py",
        "tests/actors/training/test_fit.py",
    ),
}
GROUPS = {module: group for group, modules in TOGETHER.items() for module in modules}


class Grouped(LoadScopeScheduling):
    """Groups of modules, each to one process, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return GROUPS.get(module, module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped:
    # pytest-xdist 3.8 has `--dist loadgroup`, whose marks pytest 9.2 no longer lets it write into a test's id.
    return Grouped(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, or one process would end with it alone."""
    order = [*TOGETHER]

    def rank(item: pytest.Item) -> int:
        group = GROUPS.get(item.nodeid.partition("::")[0])
        return order.index(group) if group else len(order)

    items.sort(key=rank)


class SharedRay:
    """The one Ray of this process, as a process may have only one: started when first asked for, then kept."""

    def __init__(self) -> None:
        self.session: Session | None = None

    def start(self) -> Session:
        if self.session is None:
            session = Embedded(ClusterSettings(dashboard=False))
            session.start()
            self.session = session
        return self.session

    def stop(self) -> None:
        if self.session is not None:
            self.session.stop()
        self.session = None


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    ray = SharedRay()
    yield ray
    ray.stop()


@pytest.fixture(scope="module")
def session(shared_ray: SharedRay) -> Session:
    """A running Ray that other modules' tests use too, so leave it running."""
    return shared_ray.start()


@pytest.fixture(scope="module")
def mailbox(session: Session) -> Any:
    """The mailbox actor of the shared Ray, which a `Track` writes to."""
    return session.start()


@pytest.fixture(scope="module")
def no_ray(shared_ray: SharedRay) -> None:
    """For modules that start or join a Ray of their own in this process: the shared one is not there."""
    shared_ray.stop()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that need it skip without it."""
    place = Path(os.environ.get("PAGELOOM_SHARED") or Path(__file__).parents[2] / "shared")
    if not (place / "data").is_dir():
        pytest.skip("needs the folder of real data beside the checkout, which is not here")
    return place


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server (moto's) on loopback; yields its endpoint URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "server.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=subprocess.STDOUT
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(endpoint, timeout=30)
                break
            except httpx.TransportError:
                assert server.poll() is None, "the S3 server ended at once"
                assert time.monotonic() < deadline, "the S3 server did not start"
        yield endpoint
    finally:
        server.kill()
        server.wait()


def reach_s3(environment: pytest.MonkeyPatch, server: str) -> None:
    """What a process, and those that it starts, must know to use the server."""
    environment.setenv("AWS_ENDPOINT_URL", server)
    environment.setenv("AWS_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.setenv(name, "test")


@pytest.fixture
def s3_root(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty bucket's URI, with the environment that reaches it."""
    bucket = f"b{abs(hash(request.node.nodeid)) % 10**10}"
    reach_s3(monkeypatch, s3_server)
    assert httpx.put(f"{s3_server}/{bucket}", timeout=60).status_code == 200  # the first request imports the backend
    return f"s3://{bucket}/root"
