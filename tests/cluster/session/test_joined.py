"""A cluster that is joined is looked at before any work: what is wrong with it is one line that names the remedy."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster.errors import RequestError
from cluster.report.render import peak_memory
from cluster.session import Embedded, Joined, joined, open_session, probe
from cluster.settings import ClusterSettings
from cluster.store import Location, Store
from tests.cluster.session.conftest import TOKEN, Head

CODE = Path(__file__).parents[3]


def session(address: str, root: Location | None = None) -> Joined:
    return Joined(ClusterSettings(address=address), address, "cluster.address", root)


def refusal(address: str, root: Location | None = None) -> str:
    began = time.monotonic()
    with pytest.raises(RequestError) as caught:
        session(address, root).check()
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_settings_come_before_the_environment_and_local_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_session(ClusterSettings()), Embedded)
    monkeypatch.setenv("RAY_ADDRESS", "198.18.0.1:6379")
    found = open_session(ClusterSettings())
    assert isinstance(found, Joined)
    assert found.named == "RAY_ADDRESS 198.18.0.1:6379"
    named = open_session(ClusterSettings(address="198.18.0.2:6379"))
    assert isinstance(named, Joined)
    assert named.named == "cluster.address 198.18.0.2:6379"
    assert isinstance(open_session(ClusterSettings(address="local")), Embedded)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ray://head:10001", r"an address for Ray Client, which cannot drive a run; .*HOST:6379"),
        ("http://head:8265", r"an address for submitting jobs; a run joins .*HOST:6379"),
        ("https://head", r"an address for submitting jobs; "),
        ("tcp://head:1", r"unknown kind of address; write HOST:PORT, auto or local"),
        ("head", r"no Ray cluster answers there"),
        ("head:", r"no Ray cluster answers there"),
        ("127.0.0.1:99999", r"no Ray cluster answers there"),
    ],
)
def test_what_is_no_head_s_address_is_told_apart(address: str, words: str) -> None:
    with pytest.raises(RequestError, match=rf"^cluster\.address {address}: {words}"):
        session(address).check()


def test_where_nobody_listens_both_ways_out_are_named(free_port: int) -> None:
    said = refusal(f"127.0.0.1:{free_port}")
    assert "no Ray cluster answers there ([Errno 111] Connection refused)" in said
    assert said.endswith("; start it, correct cluster.address, or unset cluster.address to run embedded")


@pytest.mark.slow
def test_what_listens_but_does_not_speak_as_ray_does_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "PROBE_SECONDS", 2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert "did not speak as Ray does within 2 s" in refusal(f"127.0.0.1:{listener.getsockname()[1]}")


def test_auto_where_no_cluster_runs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)  # other programs' may run beside this test
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda _: None)
    assert probe.described("auto") == {"failed": "Could not find any running Ray instance"}


def made_up(addresses: list[str], **versions: str) -> dict[str, Any]:
    nodes = [
        {"address": address, "id": "", "cpu": 1.0, "gpu": 0.0, "memory": 0, "labels": {}, "planned": not address}
        for address in addresses
    ]
    return {"address": "", "ray": ray.__version__, "python": sys.version.split()[0], **versions, "nodes": nodes}


@pytest.mark.parametrize(("others", "named"), [(["198.18.0.9"], r"\(198\.18\.0\.9\)"), ([""], "that the autoscaler adds")])
def test_a_path_as_the_root_of_a_cluster_of_several_machines_is_refused(others: list[str], named: str, tmp_path: Path) -> None:
    joining = session("198.18.0.9:6379", Location.of(tmp_path))
    joining.cluster = made_up(["127.0.0.1", *others])
    with pytest.raises(RequestError, match=rf"^root {tmp_path}: a path on this machine, .*{named}.*; give --root s3://"):
        joining._check_root()
    session("198.18.0.9:6379", None)._check_root()


def test_a_path_is_a_root_for_a_cluster_on_this_machine_alone(tmp_path: Path) -> None:
    joining = session("x:1", Location.of(tmp_path))
    joining.cluster = made_up(["127.0.0.2", *sorted(joined.own_addresses())])
    joining._check_root()


@pytest.mark.slow
def test_without_a_token_the_places_for_one_are_named(head: Head) -> None:
    said = refusal(head.address)
    assert said.startswith(f"cluster.address {head.address}: the cluster asks for a token, and there is none here; ")
    assert "RAY_AUTH_TOKEN, the file that RAY_AUTH_TOKEN_PATH names, or ~/.ray/auth_token" in said


@pytest.mark.slow
def test_a_wrong_token_is_named_by_where_it_was_read(head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    default = tmp_path / ".ray" / "auth_token"
    default.parent.mkdir()
    default.write_text("c" * 64)
    assert "does not accept the token in ~/.ray/auth_token;" in refusal(head.address)
    named = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(named))
    assert refusal(head.address) == f"RAY_AUTH_TOKEN_PATH {named}: no such file; correct or unset it"
    named.write_text("d" * 64)
    assert f"does not accept the token in RAY_AUTH_TOKEN_PATH ({named});" in refusal(head.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    assert "does not accept the token in RAY_AUTH_TOKEN;" in refusal(head.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert "RAY_AUTH_MODE=disabled sends none; unset it" in refusal(head.address)


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "home"])
def test_a_token_wherever_ray_looks_for_it_joins(
    head: Head, kept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / ".ray" / "auth_token"
    place.parent.mkdir()
    if kept == "RAY_AUTH_TOKEN":
        monkeypatch.setenv(kept, TOKEN)
    else:
        place.write_text(TOKEN)
    if kept == "RAY_AUTH_TOKEN_PATH":
        place = place.rename(tmp_path / "elsewhere")
        monkeypatch.setenv(kept, str(place))
    joining = session(head.address)
    joining.check()
    assert [(node.cpu, node.gpu) for node in joining.nodes()] == [(3.0, 0.0)]


@pytest.mark.slow
def test_joining_works_beside_an_imported_ray_twice_and_leaves_the_cluster_as_it_was(
    head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    for _ in range(2):
        joining = session(head.address, Location.of(tmp_path))
        joining.check()
        try:
            joining.start()
            assert ray.get(ray.remote(lambda: 6 * 7).remote()) == 42
        finally:
            joining.stop()
        assert "RAY_AUTH_MODE" not in os.environ
        assert head.process.is_running()
        assert not ray.is_initialized()


@pytest.mark.slow
def test_a_run_on_a_joined_cluster_commits_and_says_whose_memory_it_shows(
    head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    done = subprocess.run(
        [sys.executable, str(CODE / "tests" / "cluster" / "line_of_three.py"), str(tmp_path)],
        env=os.environ | {"RAY_ADDRESS": head.address, "PYTHONPATH": str(CODE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "committed squares" in done.stdout, done.stderr
    assert f"works on the Ray cluster at {head.address}; memory that is shown is the driver's alone" in done.stdout
    [artefact] = Store(tmp_path).artefacts("squares")
    assert artefact.manifest["peak_memory_of"] == "driver"
    assert peak_memory([artefact.manifest]).endswith(" GiB (driver)")


@pytest.mark.slow
def test_other_versions_are_one_line_with_both(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    here = ".".join(map(str, sys.version_info[:3]))
    with told(head, b"CLUSTER_METADATA", b"cluster", {"ray_version": "2.59.1", "python_version": here}):
        assert f"{head.address}: Ray 2.59.1 there, 2.60.0 here; " in refusal(head.address)
    with told(head, b"CLUSTER_METADATA", b"cluster", {"ray_version": "2.60.0", "python_version": "3.11.99"}):
        assert f"{head.address}: Python 3.11.99 there, {here} here; " in refusal(head.address)


@pytest.mark.slow
def test_nodes_that_an_autoscaler_may_add_are_room_too(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.core.generated.autoscaler_pb2 import ClusterConfig

    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    groups = ClusterConfig()
    groups.node_group_configs.add(resources={"CPU": 3}, max_count=2)  # one of them is there
    groups.node_group_configs.add(resources={"CPU": 8, "GPU": 1}, max_count=2)
    with told(head, b"__autoscaler_cluster_config", b"__autoscaler", groups.SerializeToString()):
        found = sorted((node.cpu, node.gpu) for node in session(head.address).nodes())
    assert found == [(3.0, 0.0), (3.0, 0.0), (8.0, 1.0), (8.0, 1.0)]


@pytest.mark.slow
def test_a_node_that_cannot_reach_the_root_is_named_before_any_work(
    head: Head, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
    joining = session(head.address, Location.of("s3://bucket/root"))
    joining.check()
    with pytest.raises(
        RequestError, match=r"^root s3://.*: node 127\.0\.0\.2 of cluster\.address .* cannot use it \(.*\); give"
    ):
        joining.start()
    assert not ray.is_initialized()


class told:
    """The head's own store says something else for a while."""

    PROGRAM = (
        "import sys, ast; from ray._raylet import GcsClient; client = GcsClient(address=sys.argv[1]);"
        "key, space, value = (ast.literal_eval(each) for each in sys.argv[2:]);"
        "print(client.internal_kv_get(key, space));"
        "client.internal_kv_del(key, False, space) if value is None else client.internal_kv_put(key, value, True, space)"
    )

    def __init__(self, head: Head, key: bytes, space: bytes, value: dict[str, str] | bytes) -> None:
        self.address, self.key, self.space = head.address, key, space
        self.value = json.dumps(value).encode() if isinstance(value, dict) else value

    def put(self, value: bytes | None) -> bytes | None:
        import ast

        arguments = [self.address, repr(self.key), repr(self.space), repr(value)]
        done = subprocess.run(
            [sys.executable, "-c", self.PROGRAM, *arguments],
            env=os.environ | {"RAY_AUTH_MODE": "token"},
            check=True,
            capture_output=True,
            text=True,
        )
        return ast.literal_eval(done.stdout.strip().splitlines()[-1])

    def __enter__(self) -> None:
        self.before = self.put(self.value)

    def __exit__(self, *_: object) -> None:
        self.put(self.before)
