"""A Ray cluster of three machines with an object store and a Redis beside them, as tests disturb it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.multinode.namespaces import CHECKOUT, PYTHON, Machine, Network

S3_SERVER = CHECKOUT / "tests" / "faults" / "s3_server.py"
S3_PORT, REDIS_PORT, GCS_PORT, DASHBOARD_PORT = 5555, 6390, 6379, 8265
CPUS = {"head": 2, "w1": 3, "w2": 3}  # a training of two ranks finds room when one of the workers is gone
START_SECONDS = 120
DEAD_SECONDS = 90  # of which Ray's health checks take 15
QUICK_SECONDS = 5.0  # a request to the dashboard that takes longer counts as no answer


class Cluster:
    """Nodes by name: head, w1, w2. Tokens are on; nodes have no credentials of the object store and none of our code."""

    def __init__(self) -> None:
        self.token, self.password = secrets.token_hex(32), secrets.token_hex(16)
        self.network = Network()
        self.servers: list[subprocess.Popen[bytes]] = []
        self.ids: dict[str, str] = {}
        self.machines: dict[str, Machine] = {}
        try:
            self._start_servers()
            for last, name in enumerate(CPUS, 10):
                self.machines[name] = Machine(self.network, name, last)
            self.start("head")
            self.start("w1", "w2")
        except BaseException:
            self.stop()
            raise

    @property
    def head(self) -> Machine:
        return self.machines["head"]

    @property
    def url(self) -> str:
        """Where jobs are submitted."""
        return f"http://{self.head.address}:{DASHBOARD_PORT}"

    @property
    def s3(self) -> str:
        return f"http://{self.network.hub_address}:{S3_PORT}"

    @property
    def store_environment(self) -> dict[str, str]:
        """What reaches the object store."""
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
        return {"AWS_ENDPOINT_URL": self.s3, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", **keys}

    def bucket(self, name: str) -> str:
        """A new bucket's URI."""
        assert httpx.put(f"{self.s3}/{name}", timeout=60).status_code == 200
        return f"s3://{name}"

    def put(self, bucket: str, name: str, content: bytes) -> str:
        assert httpx.put(f"{self.s3}/{bucket.removeprefix('s3://')}/{name}", content=content, timeout=60).status_code == 200
        return f"{bucket}/{name}"

    def start(self, *names: str) -> None:
        """Start nodes, also those that were killed, and wait until the cluster counts them."""
        known = set(self.ids.values())
        for name in names:
            self._begin(name)
        for name in names:
            self._wait_for(name, known)

    def _begin(self, name: str) -> None:
        machine = self.machines[name]
        options = ["start", "--block", f"--node-ip-address={machine.address}", f"--num-cpus={CPUS[name]}"]
        options += ["--temp-dir=/tmp/r", "--object-store-memory=157286400", "--labels", f"node={name}"]
        environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}
        if name == "head":
            options += ["--head", f"--port={GCS_PORT}", f"--redis-password={self.password}"]
            options += [f"--dashboard-host={machine.address}", f"--dashboard-port={DASHBOARD_PORT}"]
            environment["RAY_REDIS_ADDRESS"] = f"{self.network.hub_address}:{REDIS_PORT}"
        else:
            options += [f"--address={self.head.address}:{GCS_PORT}"]
        machine.start([PYTHON, "-m", "ray.scripts.scripts", *options], environment)

    def _wait_for(self, name: str, known: set[str]) -> None:
        """known: ids of other nodes, or of those before at the same address."""
        machine = self.machines[name]

        def counted() -> bool:
            assert machine.process is not None
            assert machine.process.poll() is None, f"{name} ended:\n{machine.said}"
            found = [
                node["node_id"]
                for node in self.nodes()
                if node["node_ip"] == machine.address and node["state"] == "ALIVE" and node["node_id"] not in known
            ]
            self.ids.update({name: found[0]} if found else {})
            return bool(found)

        wait_until(counted, f"{name} is not counted:\n{machine.said}", START_SECONDS)

    def nodes(self) -> list[dict[str, Any]]:
        """What Ray says of all nodes that it ever had; nothing while it does not answer.

        Not /nodes?view=summary, which calls a node alive for 50 s longer. Dead nodes and new ones share addresses, not ids.
        """
        try:
            answer = self.get("/api/v0/nodes?detail=1")
        except httpx.HTTPError:
            return []
        return answer.json()["data"]["result"]["result"] if answer.status_code == 200 else []

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.token}"}, timeout=QUICK_SECONDS)

    def state(self, node_id: str) -> str:
        return next((node["state"] for node in self.nodes() if node["node_id"] == node_id), "")

    def kill(self, name: str) -> None:
        """SIGKILL a node with all its processes; returns when Ray has declared it dead (a head's: at once)."""
        self.machines[name].kill()
        if name != "head":
            identity = self.ids[name]
            wait_until(lambda: self.state(identity) == "DEAD", f"{name} is not declared dead", DEAD_SECONDS)

    def whole(self) -> None:
        """Bring back what a test took: nodes, cables."""
        for name, machine in self.machines.items():
            machine.mend()
            lost = machine.process is None or machine.process.poll() is not None
            if lost or self.state(self.ids[name]) != "ALIVE":
                machine.kill()
                self.start(name)

    def environment(self, **more: str) -> dict[str, str]:
        """That of a user beside the cluster, who has its token and the store's keys."""
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RAY_", "WANDB_"))}
        ours = {"PYTHONPATH": str(CHECKOUT), "RAY_AUTH_TOKEN": self.token, "COLUMNS": "200"}
        return foreign | self.store_environment | ours | more

    def begin(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start `pageloom` as that user. more: of the environment; an empty value unsets."""
        environment = {name: value for name, value in self.environment(**more).items() if value}
        return subprocess.Popen(
            [sys.executable, "-m", "pageloom", *arguments],
            cwd=self.network.disks,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pageloom(self, *arguments: str, timeout: float = 300, **more: str) -> tuple[int, str]:
        """Run `pageloom` as that user; returns its exit code and all that it said."""
        process = self.begin(*arguments, **more)
        try:
            said, _ = process.communicate(timeout=timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return process.returncode, said

    def _start_servers(self) -> None:
        disk, hub = self.network.disks, self.network.hub_address
        self.servers.append(
            self.network.in_hub([sys.executable, str(S3_SERVER), str(S3_PORT), hub], disk / "s3.log", PYTHONPATH=str(CHECKOUT))
        )
        redis = ["redis-server", "--bind", hub, "--port", str(REDIS_PORT), "--requirepass", self.password]
        self.servers.append(
            self.network.in_hub([*redis, "--save", "", "--appendonly", "no", "--dir", str(disk)], disk / "redis.log")
        )
        wait_until(lambda: answers(self.s3), "the object store does not answer", START_SECONDS)

    def stop(self) -> None:
        for machine in self.machines.values():
            machine.kill()
        for server in self.servers:
            server.kill()
            server.wait()
        self.network.remove()


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=30)
    except httpx.TransportError:
        return False
    return True


def wait_until(ready: Callable[[], bool], trouble: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, trouble
        time.sleep(0.1)
