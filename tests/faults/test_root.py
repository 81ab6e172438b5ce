"""A root that two writers cannot destroy, nor kills, stops, clocks and networks: on a directory and on a real S3 server."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest

from cluster.lock import current_holder
from cluster.store import MANIFEST, Artefact, Location, Store
from cluster.verify import faults, strangers
from tests.conftest import reach_s3
from tests.faults import writer

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path_factory.mktemp("s3") / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.faults.s3_server", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=CHECKOUT)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/-requests")
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    reach_s3(monkeypatch, server)
    lose(server)
    name = f"bucket-{os.urandom(6).hex()}"
    assert httpx.put(f"{server}/{name}", timeout=60).status_code == 200
    return f"s3://{name}/root"


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else request.getfixturevalue("bucket")


def lose(server: str, at: int = 0, count: int = 0, answer: bool = False) -> None:
    """Tell the server which requests from now on are lost (see tests.faults.s3_server)."""
    httpx.put(f"{server}/-faults", json={"at": at, "count": count, "answer": answer})


def start(root: str, artefacts: int, *more: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.writer", root, str(artefacts), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | environment,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> str:
    """The process's next line that begins with `word`."""
    output: IO[str] | None = process.stdout
    assert output is not None
    lines = []
    for line in output:
        lines.append(line)
        if line.startswith(word):
            return line
    raise AssertionError("".join(lines))


def assert_whole(store: Store, artefacts: int) -> list[Artefact]:
    """Everything is there once, as it was meant to be, and nothing else."""
    found = store.artefacts("made")
    assert sorted(each.key for each in found) == [f"{number:016x}" for number in range(artefacts)]
    for each in found:
        assert faults(each) == []
        assert strangers(each) == {}
        for index in range(writer.SHARDS):
            assert (each.location / f"part-{index:06d}").read_bytes() == writer.shard(each.key, index)
        assert {file["path"] for file in each.manifest["files"]} == {
            *(f"part-{index:06d}" for index in range(writer.SHARDS)),
            *("model/config.json", "model/weights", "list.json"),
        }
        inside = {f"{each.location.name}/{file['path']}" for file in each.manifest["files"]}
        assert set(each.place.files()) == {MANIFEST, *inside}
    return found


def test_of_two_that_start_in_the_same_instant_one_gets_the_root_and_the_other_hears_who(root: str) -> None:
    rounds, context = 100, multiprocessing.get_context("spawn")
    together, told = context.Barrier(2), context.Queue()
    both = [context.Process(target=writer.contend, args=(root, rounds, together, told)) for _ in range(2)]
    for process in both:
        process.start()
    heard = [told.get(timeout=120) for _ in range(2 * rounds)]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    won = {key: pid for key, pid, words in heard if not words}
    lost = {key: words for key, _, words in heard if words}
    assert len(won) == len(lost) == rounds
    for key, pid in won.items():
        assert f"held by another run (pid {pid} on {socket.gethostname()} since " in lost[key]
    artefacts = Store(root).artefacts("made")
    assert len(artefacts) == rounds
    for artefact in artefacts:
        assert (artefact.location / "pid").read_json() == won[artefact.key]
    fences = [int(artefact.location.name) for artefact in artefacts]
    assert fences == sorted(set(fences))
    assert len(set(won.values())) == 2  # no one always wins


def test_a_holder_stopped_beyond_its_lease_loses_the_root_and_overwrites_nothing(bucket: str) -> None:
    store = Store(bucket)
    stopped = start(bucket, 1, "2")
    wait_for(stopped, "waiting")
    stopped.send_signal(signal.SIGSTOP)
    try:
        successor = start(bucket, 1)
        said, _ = successor.communicate(timeout=60)
        assert successor.returncode == 0, said
        assert re.search(rf"taken over from a run .* \(pid {stopped.pid} on ", said)
        [artefact] = assert_whole(store, 1)
        assert artefact.location.name == "000002"
    finally:
        stopped.send_signal(signal.SIGCONT)
    said, _ = stopped.communicate("go on\n", timeout=60)
    last = said.splitlines()[-1]
    assert stopped.returncode == 1, said
    assert re.fullmatch(r"pageloom: s3://\S+: this run no longer holds the root \(.*\) and stops; .*run again", last)
    assert "Traceback" not in said
    assert artefact.location.name == Store(bucket).artefacts("made")[0].location.name
    assert faults(artefact) == []
    assert "fence" in (store.root / ".pageloom.lock").read_json()


def test_a_stopped_holder_of_a_local_root_keeps_it_for_the_kernel_does(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    stopped = start(root, 1, "2")
    wait_for(stopped, "waiting")
    stopped.send_signal(signal.SIGSTOP)
    try:
        refused, _ = start(root, 1).communicate(timeout=60)
        assert f"held by another run (pid {stopped.pid} on " in refused
    finally:
        stopped.send_signal(signal.SIGCONT)
    stopped.communicate("go on\n", timeout=60)
    assert_whole(Store(root), 1)


def test_a_holder_whose_store_no_longer_answers_stops_in_one_line(bucket: str, server: str) -> None:
    cut_off = start(bucket, 1, "2")
    wait_for(cut_off, "waiting")
    lose(server, at=1, count=10**6)
    began = time.monotonic()
    cut_off.wait(60)  # on its own: its main thread waits for words that never come
    assert time.monotonic() - began < 30
    lose(server)
    said = cut_off.communicate()[0]
    assert cut_off.returncode == 1, said
    assert "this run no longer holds the root (not renewed for 1 s" in said.splitlines()[-1]
    assert start(bucket, 1).communicate(timeout=60)[0].splitlines()[-1].startswith("committed")
    assert_whole(Store(bucket), 1)


@pytest.mark.parametrize("skew", ["3600", "-3600"])
def test_clocks_an_hour_apart_change_nothing(bucket: str, skew: str) -> None:
    holder = start(bucket, 1, "2", CLOCK_SKEW=skew)
    wait_for(holder, "waiting")
    refused, _ = start(bucket, 1).communicate(timeout=60)
    assert f"held by another run (pid {holder.pid} on " in refused.splitlines()[-1]
    holder.kill()
    holder.wait()
    text, _ = start(bucket, 1).communicate(timeout=60)
    assert "taken over" in text
    assert_whole(Store(bucket), 1)


def test_a_network_error_at_any_request_of_a_commit_loses_nothing_and_doubles_nothing(bucket: str, server: str) -> None:
    def attempt(number: int, fence: int) -> Artefact:
        from cluster.shards import WORK, write_shard

        store, key = Store(bucket), f"{number:016x}"
        if found := store.artefact("made", key):
            store.tidy(found, fence)
            return found
        place = store.attempt("made", key, fence)
        (place / WORK / "state").write_bytes(b"x")
        write_shard(place, 0, "part-0", writer.shard(key, 0))
        (place / "list.json").write_json([key])
        return store.commit(place, writer.manifest(key))

    lose(server)
    attempt(0, 1)
    requests = len(httpx.get(f"{server}/-requests").json())
    assert requests > 10
    trials = failed = 0
    for at in range(1, requests + 1):
        # An answer lost once is asked for again; then all that is tried is lost, in turns before and after the store has it.
        for count, answer in ((1, True), (6, at % 2 == 0)):
            trials += 1
            lose(server, at, count, answer)
            try:
                attempt(trials, 1)
            except OSError:
                failed += 1
            lose(server)
            artefact = attempt(trials, 2)
            assert faults(artefact) == []
            assert sorted(file["path"] for file in artefact.manifest["files"]) == ["list.json", "part-0"]
            assert (artefact.location / "part-0").read_bytes() == writer.shard(artefact.key, 0)
            assert artefact.place.directories() == [artefact.location.name]
    assert failed > requests / 2
    print(requests, trials, failed)


@pytest.mark.parametrize("seed", [1])
def test_kill_minus_9_at_random_moments_loses_nothing_and_doubles_nothing(root: str, seed: int) -> None:
    artefacts, moments = 12, random.Random(seed)
    span = 0.15 if root.startswith("/") else 1.0
    committed: dict[str, float] = {}
    for _ in range(15):
        process = start(root, artefacts)
        wait_for(process, "holds")
        time.sleep(moments.uniform(0, span))
        process.kill()
        process.communicate()
        for each in Store(root).artefacts("made"):
            assert faults(each) == []
            assert committed.setdefault(each.key, each.manifest["committed"]) == each.manifest["committed"]
    text, _ = start(root, artefacts).communicate(timeout=60)
    assert "pageloom:" not in text
    for each in assert_whole(Store(root), artefacts):
        assert committed.get(each.key, each.manifest["committed"]) == each.manifest["committed"]


def test_asking_who_holds_a_root_a_thousand_times_refuses_no_start(tmp_path: Path) -> None:
    root, starts = Location.of(tmp_path), 0
    code = (
        "import sys; from cluster.lock import current_holder; from cluster.store import Location\n"
        "for _ in range(1000): current_holder(Location.of(sys.argv[1]))"
    )
    asking = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=CHECKOUT)
    while asking.poll() is None:
        with writer.hold(root):
            starts += 1
    assert asking.returncode == 0
    assert starts > 100
    assert current_holder(root) is None
