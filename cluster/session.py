"""The one place that starts or joins Ray, and the only one that reads RAY_* (cluster/__init__.py sets defaults)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cluster import temporary
from cluster.errors import RequestError

if TYPE_CHECKING:
    from cluster.settings import ClusterSettings

STOP_SECONDS = 3


class Session:
    """A Ray session that starts when it is first needed and leaves nothing running behind it.

    Embedded: own processes on loopback, in a temporary directory of its own, so that two sessions on a
    machine do not meet. With an address: joins that cluster and stops nothing but its own work.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self.address = settings.address or os.environ.get("RAY_ADDRESS")
        self.temporary: Path | None = None
        self.keep_logs = False  # after a failure: leave `temporary` for reading
        self.dashboard_url = ""
        self.token_file: Path | None = None  # the dashboard asks for what is in it
        self.processes: list[psutil.Process] = []  # of Ray itself; its workers are below them
        self._mailbox: Any = None

    @property
    def started(self) -> bool:
        return self._mailbox is not None

    def check(self) -> None:
        """Refuse, before any work, an address that nobody answers at."""
        if not self.address or self.address in ("auto", "local"):
            return
        host, _, port = self.address.rpartition("://")[2].rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, ValueError) as error:
            raise RequestError(
                f"RAY_ADDRESS {self.address}: no Ray cluster answers there ({error}); "
                "start it, correct cluster.address, or unset RAY_ADDRESS to run embedded"
            ) from error

    def start(self) -> Any:
        """Start or join Ray once; returns the session's mailbox actor (cluster.track.events.Mailbox)."""
        if self._mailbox is not None:
            return self._mailbox
        embedded = self.address in (None, "local")
        import ray

        from cluster.job import Job

        options: dict[str, Any] = {
            "job_config": Job(),
            "log_to_driver": False,
            "logging_level": "error",
            "namespace": f"pageloom-{os.getpid()}",
        }
        if embedded:
            temporary.remove_abandoned()
            self.temporary = temporary.make_directory("ray")
            options |= {
                "address": "local",
                "num_cpus": self.settings.cpus,
                "object_store_memory": self.settings.object_store_mb << 20,
                "include_dashboard": self.settings.dashboard,
                "dashboard_host": "127.0.0.1",
                "dashboard_port": free_port(self.settings.dashboard_port),
                "_temp_dir": str(self.temporary),
            }
        else:
            options["address"] = self.address
        others, on_sigterm = set(psutil.Process().children()), signal.getsignal(signal.SIGTERM)
        try:
            with safe_path():
                context = ray.init(**options)
        except Exception as error:  # a node that is late on a busy machine is a bare Exception in Ray
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RequestError(f"Ray did not start: {first}; `pageloom doctor` checks ports, memory and disk") from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own ends the driver by abort()
        if embedded:
            self.processes = [process for process in psutil.Process().children() if process not in others]
        url = context.dashboard_url
        self.dashboard_url = f"http://{url}" if url else ""
        if self.temporary and (token := os.environ.get("RAY_AUTH_TOKEN")):
            self.token_file = self.temporary / "dashboard-token"
            self.token_file.touch(mode=0o600)
            self.token_file.write_text(token + "\n")
        from cluster.track.events import Mailbox

        self._mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
        return self._mailbox

    def stop(self) -> None:
        """End what this session started."""
        if not self.started:
            return
        import ray

        family = [*self.processes]
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += process.children(recursive=True)
        leaving = threading.Thread(target=ray.shutdown, daemon=True, name="ray-shutdown")
        leaving.start()
        leaving.join(STOP_SECONDS)
        # Workers in the middle of an import or a computation do not hear Ray's polite request for a long time.
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=STOP_SECONDS)
        self._mailbox = None
        if self.temporary is not None and not self.keep_logs:
            shutil.rmtree(self.temporary, ignore_errors=True)


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """What is started here, and all that it starts, does not import from the directory that the user stands in."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def free_port(wanted: int) -> int:
    """`wanted`, or the next port on loopback that nobody listens at."""
    for port in range(wanted, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RequestError(f"no free port from {wanted} upwards on loopback")
