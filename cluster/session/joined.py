"""A Ray cluster that somebody else runs, joined for the time of a run."""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cluster.errors import RequestError, first_line
from cluster.resources import Node
from cluster.session import probe
from cluster.session.connect import connect, leaving, refuse_another_ray
from cluster.session.environment import Environment
from cluster.session.token import token_mode, token_trouble
from cluster.track.mailbox import start_mailbox

if TYPE_CHECKING:
    from cluster.settings import ClusterSettings
    from cluster.store import Location

CONNECT_SECONDS = 5
STOP_SECONDS = 10
PROBE_SECONDS = 20  # of which importing Ray takes most on a busy machine; a wrong token is told within a second
REACH_SECONDS = 60  # for a task on every node to look at the root, also where a worker has to start for it first


class Joined:
    """Stops nothing but its own work. source: the setting or variable that names `address`. root: what all nodes must reach.

    Implements cluster.session.Session.
    """

    memory_of = "driver"

    def __init__(self, settings: ClusterSettings, address: str, source: str, root: Location | None) -> None:
        self.settings, self.address, self.source, self.root = settings, address, source, root
        self.dashboard_url = ""
        self.token_file: Path | None = None
        self.logs: Path | None = None
        self.keep_logs = False
        self._mailbox: Any = None
        self._environment: Environment | None = None

    @property
    def named(self) -> str:
        return f"{self.source} {self.address}"

    @property
    def place(self) -> str:
        return f"the Ray cluster at {self.address}"

    def check(self) -> None:
        refuse_another_ray()
        self._check_versions()
        self._check_root()

    def nodes(self) -> Sequence[Node]:
        return [Node(each["cpu"], each["gpu"], each["memory"], each["labels"]) for each in self.cluster["nodes"]]

    @cached_property
    def cluster(self) -> dict[str, Any]:
        """What the cluster says of itself (see probe.py). Raises RequestError where nobody answers, or not to us."""
        self._check_address()
        told = probed(self.address, token_mode())
        if "refused" in told:
            raise RequestError(f"{self.named}: {token_trouble()}")
        if "failed" in told:
            raise RequestError(f"{self.named}: no Ray cluster answers there ({told['failed']}); {self._remedy}")
        return told

    def start(self) -> Any:
        if self._mailbox is not None:
            return self._mailbox
        refuse_another_ray()
        self._environment = Environment(token_mode())
        try:
            context = connect(self.named, address=self.cluster["address"])
            self._check_reach()
            self.dashboard_url = f"http://{context.dashboard_url}" if context.dashboard_url else ""
            self._mailbox = start_mailbox()
        except BaseException:
            self._end()
            raise
        return self._mailbox

    def stop(self) -> None:
        if self._mailbox is not None:
            self._end()

    def _end(self) -> None:
        left = leaving()
        left.join(STOP_SECONDS)
        self._mailbox = None
        if self._environment is not None and not left.is_alive():  # a Ray that still ends needs its token
            self._environment.restore()
            self._environment = None

    @property
    def _remedy(self) -> str:
        return f"start it, correct {self.source}, or unset {self.source} to run embedded"

    def _check_address(self) -> None:
        """Refuse what is no address of a cluster's head, and one at which nobody listens."""
        scheme, separator, rest = self.address.rpartition("://")
        if scheme == "ray":
            raise RequestError(
                f"{self.named}: an address for Ray Client, which cannot drive a run; "
                "on a machine that is one of the cluster's nodes, give the port of the head's GCS (HOST:6379) or auto"
            )
        if scheme in ("http", "https"):
            raise RequestError(
                f"{self.named}: an address for submitting jobs; a run joins the port of the head's GCS (HOST:6379)"
            )
        if separator:
            raise RequestError(f"{self.named}: unknown kind of address; write HOST:PORT, auto or local")
        if self.address == "auto":
            return
        host, _, port = rest.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, ValueError, OverflowError) as error:
            raise RequestError(f"{self.named}: no Ray cluster answers there ({error}); {self._remedy}") from error

    def _check_versions(self) -> None:
        ours = {"Ray": metadata.version("ray"), "Python": platform.python_version()}
        theirs = {"Ray": self.cluster["ray"], "Python": self.cluster["python"]}
        if ours != theirs:
            told = ", ".join(f"{name} {theirs[name]} there, {ours[name]} here" for name in ours if theirs[name] != ours[name])
            raise RequestError(f"{self.named}: {told}; both sides need the same, to the last digit")

    def _check_root(self) -> None:
        """A path means another disk on every machine."""
        if self.root is None or not self.root.is_local or self.settings.shared_paths:
            return
        mine = own_addresses()
        others = sorted({each["address"] for each in self.cluster["nodes"] if not is_mine(each["address"], mine)})
        if others:
            shown = ", ".join(address or "those that the autoscaler adds" for address in others[:3])
            raise RequestError(
                f"root {self.root}: a path on this machine, and {self.named} works on others too ({shown}"
                f"{', ...' if len(others) > 3 else ''}); give --root s3://BUCKET/PREFIX, which all of them reach"
            )

    def _check_reach(self) -> None:
        """Have a task on every node look at the root: credentials, addresses and versions may differ from ours there."""
        if self.root is None:
            return
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        look = ray.remote(num_cpus=0, max_retries=1)(reached)
        nodes = {each["id"]: each["address"] for each in self.cluster["nodes"] if not each["planned"]}
        with marked(self.root) as mark:
            waiting = {
                look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(identity, soft=False)).remote(
                    self.root, mark
                ): address
                for identity, address in nodes.items()
            }
            done, late = ray.wait(list(waiting), num_returns=len(waiting), timeout=REACH_SECONDS)
        for task in done:
            try:
                trouble = ray.get(task)
            except Exception as error:
                trouble = first_line(error)
            if trouble:
                raise RequestError(
                    f"root {self.root}: node {waiting[task]} of {self.named} cannot use it ({trouble}); "
                    "give its nodes the credentials and the address that this machine has, and the same pageloom"
                )
        if late:
            raise RequestError(
                f"root {self.root}: node {waiting[late[0]]} of {self.named} said nothing of it for {REACH_SECONDS} s; "
                "look whether that node is alive and reaches the root"
            )


def reached(root: Location, mark: str) -> str:
    """What keeps this node from the root, in one line; empty where nothing does. mark: see `marked`."""
    try:
        root.directories()
        return "the directory of that name is another one there" if mark and not (root / mark).exists() else ""
    except Exception as error:
        return first_line(error)


@contextmanager
def marked(root: Location) -> Iterator[str]:
    """A file in a root that is a path, by which other machines know it again; yields its name. Empty for object stores."""
    if not root.is_local:
        yield ""
        return
    mark = f".pageloom.reach-{secrets.token_hex(8)}"
    (root / mark).write_bytes(b"")
    try:
        yield mark
    finally:
        (root / mark).delete()


def probed(address: str, variables: dict[str, str]) -> dict[str, Any]:
    """Run probe.py. What it does not say within PROBE_SECONDS is a failure."""
    quiet = {"RAY_BACKEND_LOG_LEVEL": "fatal", "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(probe.__file__), address],
            env=os.environ | variables | quiet,
            capture_output=True,
            timeout=PROBE_SECONDS,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"what listens there did not speak as Ray does within {PROBE_SECONDS} s"}
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else {"failed": (done.stderr.strip().splitlines() or ["nothing was said"])[-1][:200]}


def own_addresses() -> set[str]:
    """The IP addresses of this machine's interfaces."""
    return {each.address.partition("%")[0] for interface in psutil.net_if_addrs().values() for each in interface}


def is_mine(address: str, mine: set[str]) -> bool:
    if address in mine:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
