"""A Ray of one's own, on this machine and for this run."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cluster import temporary
from cluster.errors import RequestError
from cluster.resources import Node
from cluster.session.connect import connect, leaving, refuse_another_ray
from cluster.session.environment import MODE, TOKEN, Environment
from cluster.track.mailbox import start_mailbox

if TYPE_CHECKING:
    from cluster.settings import ClusterSettings

STOP_SECONDS = 3
# Of Ray's workers. Its own default of 15 leaves them 8% of the cores beside busy processes of the same terminal, 5 leaves 27%
# (tests/benchmarks/niceness.py); at 0 they would stand beside Ray's own daemons, whose heartbeats must not be late.
NICENESS = 5
RAY_DIRECTORY = "r"  # inside ours, which stays private: Ray opens its own to everybody


class Embedded:
    """Own processes on loopback, in a temporary directory of their own, so that two sessions on a machine do not meet.

    Implements cluster.session.Session.
    """

    memory_of = "run"  # Ray's processes are children of this one

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self.dashboard_url = ""
        self.token_file: Path | None = None
        self.logs: Path | None = None
        self.keep_logs = False
        self.processes: list[psutil.Process] = []  # of Ray itself; its workers are below them
        self._mailbox: Any = None
        self._environment: Environment | None = None

    @property
    def place(self) -> str:
        return "embedded Ray"

    def check(self) -> None:
        refuse_another_ray()

    def nodes(self) -> Sequence[Node]:
        """This machine as Ray will see it: as many CPUs as the recipe says, the GPUs that Ray itself would find."""
        return [Node(self.settings.cpus, detected_gpus() if self.settings.gpus_per_worker else 0, more="cluster.cpus")]

    def start(self) -> Any:
        if self._mailbox is not None:
            return self._mailbox
        refuse_another_ray()
        temporary.remove_abandoned()
        self.logs = temporary.make_directory("ray", for_sockets=True)
        others = set(psutil.Process().children())
        self._environment = Environment(own_variables())
        try:
            context = connect(
                "Ray did not start",
                address="local",
                num_cpus=self.settings.cpus,
                object_store_memory=self.settings.object_store_mb << 20,
                include_dashboard=self.settings.dashboard,
                dashboard_host="127.0.0.1",
                dashboard_port=free_port(self.settings.dashboard_port),
                _temp_dir=str(self.logs / RAY_DIRECTORY),
            )
            self.processes = [process for process in psutil.Process().children() if process not in others]
            self.dashboard_url = f"http://{context.dashboard_url}" if context.dashboard_url else ""
            self.token_file = self._write_token()
            self._mailbox = start_mailbox()
        except BaseException as error:
            self.processes = [process for process in psutil.Process().children() if process not in others]
            self.keep_logs = isinstance(error, RequestError)
            self._end()
            if self.keep_logs:
                raise RequestError(f"{error}; its logs: {self.logs}") from error
            raise
        return self._mailbox

    def stop(self) -> None:
        if self._mailbox is not None:
            self._end()

    def _write_token(self) -> Path | None:
        token = os.environ.get(TOKEN)
        if self.logs is None or not token:
            return None
        place = self.logs / "dashboard-token"
        place.touch(mode=0o600)
        place.write_text(token + "\n")
        return place

    def _end(self) -> None:
        family = [*self.processes]
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += process.children(recursive=True)
        left = leaving()
        left.join(STOP_SECONDS)
        # Workers in the middle of an import or a computation do not hear Ray's polite request for a long time.
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=STOP_SECONDS)
        left.join(STOP_SECONDS)
        self._mailbox, self.processes = None, []
        if self._environment is not None and not left.is_alive():  # a Ray that still ends needs its token
            self._environment.restore()
            self._environment = None
        if self.logs is not None and self.keep_logs:
            temporary.keep(self.logs)
        elif self.logs is not None:
            temporary.remove_directory(self.logs)


def own_variables() -> dict[str, str]:
    """What an embedded Ray is told by its environment; what the caller has set stays.

    Parts of Ray listen on every interface even when told 127.0.0.1, so it answers only to those who hold a token, which are
    the processes that it starts; `RAY_AUTH_MODE=disabled` turns that off.
    """
    wanted = {
        MODE: "token",
        TOKEN: secrets.token_hex(32),
        # Nobody announces the preemption of a laptop, and the watcher is one more process at the start of every job.
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
        "RAY_worker_niceness": str(NICENESS),
    }
    if os.environ.get(MODE, "token") != "token":
        del wanted[TOKEN]
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def detected_gpus() -> int:
    """GPUs that Ray would find here, within CUDA_VISIBLE_DEVICES."""
    from ray._private.accelerators import get_accelerator_manager_for_resource

    manager: Any = get_accelerator_manager_for_resource("GPU")
    visible = manager.get_current_process_visible_accelerator_ids()
    found = manager.get_current_node_num_accelerators()
    return found if visible is None else min(found, len(visible))


def longest_socket_path(temporary_files: str) -> str:
    """The longest path of a socket of an embedded Ray whose directory is made in `temporary_files`."""
    pid = "4194304"  # the largest that Linux gives
    ours = f"{temporary.PREFIX}ray-12345678"
    return f"{temporary_files}/{ours}/{RAY_DIRECTORY}/session_2026-01-01_00-00-00_000000_{pid}/sockets/dash_TaskEventsHead"


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
