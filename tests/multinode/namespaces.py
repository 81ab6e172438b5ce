"""Machines on this machine: each has a network, processes, mounts and a name of its own. Needs root."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PREFIX = "pageloom"
CHECKOUT = Path(__file__).parents[2]
VENV = Path(sys.prefix).resolve()
PYTHON = str(VENV / "bin" / "python")
GONE_SECONDS = 20
UNSHARED = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts", "--ipc")

# What the first process of a machine does before its work: NAME, DISK, VENV and HIDDEN (a line each) are variables.
# The environment is kept aside, everything of ours hidden, /tmp made the machine's own disk, the environment put back.
FENCE = """
set -e
echo "$NAME" > /proc/sys/kernel/hostname
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /mnt
mkdir /mnt/venv
mount --bind "$VENV" /mnt/venv
echo "$HIDDEN" | while read -r place; do mount -t tmpfs tmpfs "$place"; done
mount --bind "$DISK" /tmp
mkdir -p "$VENV" "$HOME"
mount --bind /mnt/venv "$VENV"
umount -l /mnt
cd /tmp
"$@" &
wait $!
"""


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def refused() -> str:
    """Why there can be no machines here; empty where they can be made."""
    if shutil.which("ip") is None:
        return "`ip` (iproute2) is not installed"
    name = f"{PREFIX}-{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except OSError as error:
        return f"network namespaces are refused here ({error}); they need root"
    return ""


def places_of_code() -> list[Path]:
    """Where this project's code may be imported from here: this checkout, and the one that is installed as editable."""
    found = {CHECKOUT.resolve()}
    for distribution in importlib.metadata.distributions(name="pageloom"):
        url = json.loads(distribution.read_text("direct_url.json") or "{}")
        if url.get("dir_info", {}).get("editable"):
            found.add(Path(url["url"].removeprefix("file://")))
    return sorted(place for place in found if place.is_dir())


def remove_left_over() -> None:
    """What a run of the tests left that was killed: its processes, namespaces and directories."""
    for listed in ip("netns", "list").splitlines():
        found = re.match(rf"({PREFIX}-(\d+)-[a-z0-9]+)", listed)
        if found and not Path("/proc", found[2]).exists():
            remove(found[1])
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}-nodes-*"):
        if not Path("/proc", directory.name.rpartition("-")[2]).exists():
            shutil.rmtree(directory, ignore_errors=True)


def remove(namespace: str) -> None:
    """End all processes in a network namespace, then the namespace. Its end of each cable goes with it."""
    deadline = time.monotonic() + GONE_SECONDS
    while pids := ip("netns", "pids", namespace).split():
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert time.monotonic() < deadline, f"{namespace}: processes {pids} do not end"
        time.sleep(0.05)
    ip("netns", "del", namespace)


class Network:
    """A switch in a namespace of its own, the hub's, into which machines and this process's own network are plugged.

    198.18.0.0/15 is for tests of networks (RFC 2544). There is no way out of it.
    """

    def __init__(self) -> None:
        remove_left_over()
        self.name = f"{PREFIX}-{os.getpid()}"
        self.subnet = f"198.18.{os.getpid() % 254}"
        self.hub = f"{self.name}-hub"
        self.hub_address = f"{self.subnet}.1"
        self.disks = Path(tempfile.gettempdir(), f"{PREFIX}-nodes-{os.getpid()}")
        self.disks.mkdir(mode=0o700)
        self.namespaces = [self.hub]
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", "br0", "type", "bridge")
        ip("-n", self.hub, "addr", "add", f"{self.hub_address}/24", "dev", "br0")
        ip("-n", self.hub, "link", "set", "br0", "up")
        here = f"pl{os.getpid()}"
        ip("link", "add", here, "type", "veth", "peer", "name", "v-here", "netns", self.hub)
        ip("-n", self.hub, "link", "set", "v-here", "master", "br0", "up")
        ip("addr", "add", f"{self.subnet}.2/24", "dev", here)
        ip("link", "set", here, "up")

    def plug(self, name: str, last: int) -> tuple[str, str]:
        """A network namespace for a machine; returns its name and its address."""
        namespace, address = f"{self.name}-{name}", f"{self.subnet}.{last}"
        ip("netns", "add", namespace)
        self.namespaces.append(namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("-n", self.hub, "link", "set", f"v-{name}", "master", "br0", "up")
        ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        return namespace, address

    def cut_here(self) -> None:
        """Pull the cable of this process's own network: machines and servers still have each other."""
        ip("-n", self.hub, "link", "set", "v-here", "down")

    def mend_here(self) -> None:
        ip("-n", self.hub, "link", "set", "v-here", "up")

    def in_hub(self, command: Sequence[str], said: Path, **environment: str) -> subprocess.Popen[bytes]:
        """Start a server beside the machines."""
        with open(said, "ab") as log:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.hub, *command],
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def remove(self) -> None:
        for namespace in self.namespaces:
            remove(namespace)
        shutil.rmtree(self.disks, ignore_errors=True)


class Machine:
    """A machine: a first process, and all that it starts, fenced. disk: its /tmp, seen from outside; outlives a kill."""

    def __init__(self, network: Network, name: str, last: int) -> None:
        self.network, self.name = network, name
        self.namespace, self.address = network.plug(name, last)
        self.disk = network.disks / name
        self.disk.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """What its first process printed."""
        return (self.disk / "said").read_text(errors="replace")

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        assert self.process is None, f"{self.name} runs"
        fenced = {
            "NAME": self.name,
            "DISK": str(self.disk),
            "VENV": str(VENV),
            "HIDDEN": "\n".join(map(str, places_of_code())),
        }
        with open(self.disk / "said", "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *UNSHARED, "sh", "-c", FENCE, "machine", *command],
                env=own(environment) | fenced,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, command: Sequence[str], timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it, to its end."""
        assert self.process is not None, f"{self.name} does not run"
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return subprocess.run(
            ["nsenter", "--target", children[0], "--net", "--pid", "--mount", "--uts", "--ipc", "--", *command],
            env=own(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def kill(self) -> None:
        """SIGKILL for its first process; the kernel ends all others in the same moment."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
        deadline = time.monotonic() + GONE_SECONDS
        while pids := ip("netns", "pids", self.namespace).split():
            assert time.monotonic() < deadline, f"{self.name}: processes {pids} do not end"
            time.sleep(0.05)

    def cut(self) -> None:
        """Pull its cable."""
        ip("-n", self.network.hub, "link", "set", f"v-{self.name}", "down")

    def mend(self) -> None:
        ip("-n", self.network.hub, "link", "set", f"v-{self.name}", "up")

    def lose_way_to(self, address: str) -> None:
        """Of all the network only this address becomes out of reach, at once and with an error."""
        ip("-n", self.namespace, "route", "add", "unreachable", f"{address}/32")

    def find_way_to(self, address: str) -> None:
        ip("-n", self.namespace, "route", "del", "unreachable", f"{address}/32")


def own(environment: Mapping[str, str]) -> dict[str, str]:
    """A machine's environment: nothing of this process's."""
    path = f"{VENV / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/tmp/home", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", **environment}
