"""The script that starts a copy of a RayJob, against an API server that keeps what it is given."""

from __future__ import annotations

import importlib.util
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest

from tests.k8s.kustomize import K8S, Object, build
from tests.k8s.rules import named

PATH = "/apis/ray.io/v1/namespaces/team/rayjobs"


class Kubernetes(ThreadingHTTPServer):
    """Holds RayJobs by name: GET of one, POST of a new one (409 for a name that is taken), 404 for what is not there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rayjobs: dict[str, Object] = {}


class Handler(BaseHTTPRequestHandler):
    server: Kubernetes

    def answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        path, _, name = self.path.rpartition("/")
        found = self.server.rayjobs.get(name) if path == PATH else None
        self.answer(200 if found else 404, found)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        taken = body["metadata"]["name"] in self.server.rayjobs
        if self.path != PATH:
            return self.answer(404, None)
        if not taken:
            self.server.rayjobs[body["metadata"]["name"]] = body
        return self.answer(409 if taken else 201, body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def kubernetes() -> Iterator[Kubernetes]:
    server = Kubernetes()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for each in build(K8S / "overlays" / "dev-cpu"):
        if each["kind"] == "RayJob":
            each["metadata"] |= {"uid": "0", "resourceVersion": "7"}
            server.rayjobs[each["metadata"]["name"]] = {**each, "status": {"jobDeploymentStatus": "Suspended"}}
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start", K8S / "jobs" / "start.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(script: ModuleType, kubernetes: Kubernetes, name: str) -> None:
    def request(url: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return json.load(answer)

    script.start(f"http://127.0.0.1:{kubernetes.server_port}{PATH}", name, request)


def test_the_copy_runs_what_the_template_says_and_has_nothing_of_its_life(script: ModuleType, kubernetes: Kubernetes) -> None:
    start(script, kubernetes, "pageloom-pages-1")
    template, copy = (kubernetes.rayjobs[name] for name in ("pageloom-pages", "pageloom-pages-1"))
    assert copy["spec"] == {**template["spec"], "suspend": False}
    assert copy["metadata"] == {"name": "pageloom-pages-1", "labels": template["metadata"]["labels"]}
    assert "status" not in copy
    assert template["spec"]["suspend"] is True
    assert named(copy) == "RayJob pageloom-pages-1"


def test_a_second_attempt_changes_nothing(script: ModuleType, kubernetes: Kubernetes) -> None:
    start(script, kubernetes, "pageloom-train-7")
    before = json.dumps(kubernetes.rayjobs)
    start(script, kubernetes, "pageloom-train-7")
    assert json.dumps(kubernetes.rayjobs) == before


def test_a_cycle_knows_its_own_name(script: ModuleType, kubernetes: Kubernetes) -> None:
    kubernetes.rayjobs["pageloom-cycle"]["spec"]["entrypoint"] = "pageloom run r.yaml --root s3://b/cycles/@JOB_NAME@ --wait"
    start(script, kubernetes, "pageloom-cycle-29412000")
    entrypoint = kubernetes.rayjobs["pageloom-cycle-29412000"]["spec"]["entrypoint"]
    assert entrypoint == "pageloom run r.yaml --root s3://b/cycles/pageloom-cycle-29412000 --wait"


def test_a_name_that_begins_with_no_rayjobs_is_one_line(script: ModuleType, kubernetes: Kubernetes) -> None:
    with pytest.raises(SystemExit, match=r"^pageloom-serve-1: no RayJob pageloom-serve to copy \(HTTP Error 404.*; there are"):
        start(script, kubernetes, "pageloom-serve-1")
    with pytest.raises(SystemExit, match=r"^first: name the Job TEMPLATE-ANYTHING"):
        start(script, kubernetes, "first")
