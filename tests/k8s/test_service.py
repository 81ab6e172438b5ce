"""What a RayService is given, given to a real Ray Serve: its application is built from a root and answers; its node goes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import ray
import yaml

import pageloom
from cluster.errors import RequestError
from cluster.session import Embedded, Session
from cluster.session.drain import drain
from cluster.settings import ClusterSettings
from cluster.store import Manifest, Store
from serving.engine.app import build, stop
from tests.conftest import reach_s3
from tests.k8s.kustomize import build as kustomized
from tests.serving.engine.test_endpoint import write_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Iterator[dict[str, Any]]:
    """Serve's configuration as it is rendered, of a root on S3 that holds one release called `latest`; at a free port."""
    place = tmp_path_factory.mktemp("released")
    write_model(place / "model")
    (place / "model" / "release.json").write_text(json.dumps({"name": "loomling"}))
    with pytest.MonkeyPatch.context() as environment:
        reach_s3(environment, s3_server)
        httpx.put(f"{s3_server}/released").raise_for_status()
        store = Store("s3://released/root")
        attempt = store.attempt("release", KEY)
        attempt.upload(place / "model")
        store.commit(attempt, Manifest("release", KEY, {}, {}, [], "1", "0", 0, 0, 0, 0, "here"))
        (store.root / "refs/latest.json").write_json({"stage": "release", "key": KEY, "run": "1"})
        out = place / "out"
        asked = ["k8s", "render", "web", "--overlay", "dev-cpu", "--root", "s3://released/root", "-o", str(out)]
        asked += ["--input", "s3://released/*.warc.gz", "--set", "serve.kv_cache_mb=16", "--set", "serve.max_tokens=8"]
        assert pageloom.outcome(asked) == 0
        (service,) = [each for each in kustomized(out) if each["kind"] == "RayService"]
        config = yaml.safe_load(service["spec"]["serveConfigV2"])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            config["http_options"] |= {"host": "127.0.0.1", "port": probe.getsockname()[1]}
        yield config


@pytest.fixture(scope="module")
def session(no_ray: None, configuration: dict[str, Any]) -> Iterator[Session]:
    session = Embedded(ClusterSettings(dashboard=False, object_store_mb=100))
    session.start()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def url(session: Session, configuration: dict[str, Any]) -> Iterator[str]:
    """The configuration deployed as the operator does it: whole, by the controller, which imports and builds by itself."""
    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    options = configuration["http_options"]
    serve.start(proxy_location=configuration["proxy_location"], http_options=options)
    client = _get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate(configuration), _blocking=False)
    deadline = time.monotonic() + 200
    while (state := serve.status().applications["pageloom"]).status != "RUNNING":
        assert state.status != "DEPLOY_FAILED", state.message
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
    yield f"http://127.0.0.1:{options['port']}"
    stop()


def test_the_release_that_the_root_calls_latest_answers_under_its_own_name(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=120, max_retries=0)
    answer = client.chat.completions.create(model="loomling", messages=[{"role": "user", "content": "json?"}])
    assert answer.usage
    assert 1 <= answer.usage.completion_tokens <= 8  # serve.max_tokens of the recipe


def test_the_proxy_answers_the_readiness_probe(url: str) -> None:
    assert httpx.get(f"{url}/-/healthz", timeout=30).status_code == 200


def test_a_node_is_let_go_and_an_unknown_one_is_named(url: str) -> None:
    """The last test here: the node takes no work after it."""
    address, node = ray.get_runtime_context().gcs_address, ray.util.get_node_ip_address()
    with pytest.raises(LookupError, match=r"knows no node 198\.51\.100\.7$"):
        drain(address, "198.51.100.7", 60)
    began = time.time()
    drain(address, node, 60)
    draining = ray._private.state.state.get_draining_nodes()
    assert list(draining) == [ray.get_runtime_context().get_node_id()]
    assert 50 < draining[ray.get_runtime_context().get_node_id()] / 1000 - began < 70


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({}, r"^serving\.engine\.app:build: .*name `model`, or the `root` of its release"),
        ({"root": "runs/a", "model": "m"}, "one of them"),
        ({"model": "m", "serve": {"max_token": 3}}, r"serve\.max_token: unknown key; did you mean serve\.max_tokens\?"),
        ({"model": "no-such-directory"}, "no config.json, so not a model directory"),
        ({"root": "no-such-root"}, "--release latest: no such release"),
    ],
)
def test_arguments_that_describe_nothing_are_one_line(
    args: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=says) as refused:
        build(args)
    assert "\n" not in str(refused.value)
