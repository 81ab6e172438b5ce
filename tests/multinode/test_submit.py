"""Runs submitted to three machines that have none of our code: whole, twice, disturbed, refused."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from cluster.runs import last_run
from cluster.store import Location, Store
from cluster.versions import commit
from tests.multinode.cluster import Cluster, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.multinode]

SMALL = {
    "tracking.wandb": "disabled",
    "crawl.max_pages": "30",
    "tokenizer.vocabulary": "512",
    "tokens.sequence_length": "64",
    "cluster.data_workers": "5",  # more than fit on two nodes beside each other
}
MADE = ["records", "classifiers", "pages", "dedup", "corpus", "tokenizer", "tokens"]  # of the same crawl, the same bytes


def arguments(cluster: Cluster, root: str, *more: str, until: str = "tokens", **settings: str) -> list[str]:
    values = [part for key, value in (SMALL | settings).items() for part in ("--set", f"{key}={value}")]
    return ["submit", "--address", cluster.url, "--root", root, "--until", until, *values, *more]


def listed(cluster: Cluster, root: str) -> list[dict[str, Any]]:
    code, said = cluster.pageloom("jobs", "list", "--json", "--address", cluster.url)
    assert code == 0, said
    return [job for job in json.loads(said) if job["root"] == root]


def digests(root: str) -> dict[str, list[str]]:
    return {stage: [artefact.digest for artefact in Store(root).artefacts(stage)] for stage in MADE}


def lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.strip()]


@pytest.fixture
def store(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, whose object store this process may read."""
    for name, value in cluster.store_environment.items():
        monkeypatch.setenv(name, value)
    return cluster


@pytest.fixture(scope="module")
def undisturbed(running_cluster: Cluster) -> tuple[str, int, str]:
    """A root that a job filled up to its tokens; the exit code and words of who submitted it."""
    root = running_cluster.bucket("undisturbed") + "/root"
    return root, *running_cluster.pageloom(*arguments(running_cluster, root))


@pytest.fixture
def crawled(undisturbed: tuple[str, int, str], store: Cluster, request: pytest.FixtureRequest) -> str:
    """A root that holds the same crawl and nothing else."""
    root = store.bucket(f"b{abs(hash(request.node.nodeid)) % 10**10}") + "/root"
    source, target = Location.of(undisturbed[0]) / "crawl", Location.of(root) / "crawl"
    pafs.copy_files(source.path, target.path, source.filesystem, target.filesystem)
    return root


@pytest.fixture
def begun(cluster: Cluster) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test starts; none outlives it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_line_runs_from_the_sent_code_on_nodes_that_have_none(undisturbed: tuple[str, int, str], store: Cluster) -> None:
    root, code, said = undisturbed
    assert code == 0, said
    assert "✓ tokens" in said
    assert ": done in" in said
    assert said.strip().endswith(root)
    assert not any(rays in said for rays in ("Runtime env", "Running entrypoint"))
    assert all(len(each) == 1 for each in digests(root).values())
    record = last_run(Location.of(root))
    assert record is not None
    assert (record.host, record.outcome, record.commit) == ("head", "done", commit())
    for name in ("w1", "w2"):
        fetched = [
            *(store.machines[name].disk / "r").glob("session_*/runtime_resources/working_dir_files/_ray_pkg_*/pageloom.py")
        ]
        assert len(fetched) == 1, f"{name} took no part"
    assert store.token not in said


def test_what_is_done_is_not_submitted_again(undisturbed: tuple[str, int, str], cluster: Cluster) -> None:
    root = undisturbed[0]
    code, said = cluster.pageloom(*arguments(cluster, root))
    assert code == 0, said
    assert lines(said) == [f"{root}: nothing to do, all 8 stages are done; `pageloom status` says what is there"]
    assert len(listed(cluster, root)) == 1


def test_the_same_work_twice_is_one_job_and_other_work_on_its_root_hears_who_holds_it(
    store: Cluster, begun: list[subprocess.Popen[str]]
) -> None:
    root = store.bucket("twice") + "/root"
    begun.append(store.begin(*arguments(store, root)))
    wait_until(lambda: Location.of(root + "/runs").files() != [], "the first run did not begin", 120)
    begun.append(store.begin(*arguments(store, root)))
    code, said = store.pageloom(*arguments(store, root, **{"crawl.max_pages": "29"}))
    assert code == 2, said
    assert "on head since" in said
    assert "Traceback" not in said
    told = [process.communicate(timeout=300)[0] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], told
    assert "this work is running already" in told[1]
    assert ["✓ tokens" in each for each in told] == [True, True]
    assert sorted(job["state"] for job in listed(store, root)) == ["FAILED", "SUCCEEDED"]


def test_a_killed_driver_s_work_goes_on_when_submitted_again_and_gives_the_same_bytes(
    undisturbed: tuple[str, int, str], crawled: str, store: Cluster, begun: list[subprocess.Popen[str]]
) -> None:
    process = store.begin(*arguments(store, crawled))
    begun.append(process)
    wait_until(lambda: Store(crawled).artefacts("records") != [], "no records", 120)
    assert store.head.run(["pkill", "-9", "-f", "pageloom run"]).returncode == 0
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1, said
    assert "submitting it again goes on" in lines(said)[-1]
    first = digests(crawled)
    assert (len(first["records"]), first["tokens"]) == (1, [])
    code, said = store.pageloom(*arguments(store, crawled))
    assert code == 0, said
    assert "= records     already there" in said
    assert digests(crawled) == digests(undisturbed[0])
    identities = sorted(job["id"] for job in listed(store, crawled))
    assert identities[1] == identities[0] + "-2"


def test_a_log_is_shown_once_and_whole_although_the_connection_was_lost(
    crawled: str, store: Cluster, begun: list[subprocess.Popen[str]]
) -> None:
    process = store.begin(*arguments(store, crawled))
    begun.append(process)
    wait_until(lambda: Location.of(crawled + "/runs").files() != [], "the run did not begin", 120)
    heard = []
    store.network.cut_here()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            heard.append(line)
            if "no answer; trying again" in line:
                break
    finally:
        store.network.mend_here()
    said = "".join(heard) + process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "no answer; trying again" in said
    assert "the cluster answers again" in said
    made = [line.split()[1] for line in lines(said) if line.startswith("  ✓")]
    assert made == MADE


def test_a_stopped_job_gives_the_root_back(crawled: str, store: Cluster, begun: list[subprocess.Popen[str]]) -> None:
    process = store.begin(*arguments(store, crawled))
    begun.append(process)
    wait_until(lambda: Location.of(crawled + "/runs").files() != [], "the run did not begin", 120)
    [job] = listed(store, crawled)
    code, said = store.pageloom("jobs", "stop", job["id"], "--address", store.url)
    assert code == 0, said
    assert "was stopped" in said
    assert process.wait(60) == 130
    record = last_run(Location.of(crawled))
    assert record is not None
    assert record.outcome == "stopped"
    assert json.loads((Location.of(crawled) / ".pageloom.lock").read_bytes())["state"] == "free"


def test_a_root_that_one_node_cannot_reach_is_one_line_that_names_the_node(crawled: str, store: Cluster) -> None:
    away = store.machines["w2"]
    away.lose_way_to(store.network.hub_address)
    try:
        code, said = store.pageloom(*arguments(store, crawled))
    finally:
        away.find_way_to(store.network.hub_address)
    assert code == 2, said
    refusals = [line for line in lines(said) if line.startswith("pageloom: root ")]
    assert len(refusals) == 1, said
    assert f"root {crawled}: node {away.address} of " in refusals[0]
    assert "Traceback" not in said


def test_tokens_are_asked_for_and_looked_at(cluster: Cluster, tmp_path: Path) -> None:
    told = {}
    for name, environment in {"none": {"RAY_AUTH_TOKEN": ""}, "wrong": {"RAY_AUTH_TOKEN": "d" * 64}}.items():
        code, told[name] = cluster.pageloom("jobs", "list", "--address", cluster.url, **environment, HOME=str(tmp_path))
        assert code == 2
        assert len(lines(told[name])) == 1
    assert "the cluster asks for a token, and there is none here; put the cluster's into RAY_AUTH_TOKEN" in told["none"]
    assert "the cluster does not accept the token in RAY_AUTH_TOKEN;" in told["wrong"]
    assert "d" * 64 not in told["wrong"]


def test_a_path_that_is_said_to_be_shared_but_is_not_names_a_node_without_it(cluster: Cluster) -> None:
    code, said = cluster.pageloom(*arguments(cluster, "/tmp/shared", **{"cluster.shared_paths": "true"}))
    assert code == 2, said
    refusals = [line for line in lines(said) if line.startswith("pageloom: root ")]
    assert len(refusals) == 1, said
    assert "(the directory of that name is another one there)" in refusals[0]
    assert any(f"node {cluster.machines[name].address} of " in refusals[0] for name in ("w1", "w2"))


@pytest.mark.long
def test_a_run_whose_head_is_lost_is_not_called_running_and_goes_on_at_the_head_s_successor(
    undisturbed: tuple[str, int, str], crawled: str, store: Cluster, begun: list[subprocess.Popen[str]]
) -> None:
    process = store.begin(*arguments(store, crawled))
    begun.append(process)
    wait_until(lambda: Store(crawled).artefacts("records") != [], "no records", 120)
    before = store.ids["head"]
    store.kill("head")
    store.start("head")
    back = time.monotonic()
    said = process.communicate(timeout=120)[0]
    assert time.monotonic() - back < 60
    assert process.returncode == 1, said
    assert "the cluster answers again" in said
    assert "submit" in lines(said)[-1]
    assert store.ids["head"] != before
    code, said = store.pageloom(*arguments(store, crawled))
    assert code == 0, said
    assert digests(crawled) == digests(undisturbed[0])
