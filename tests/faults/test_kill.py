"""kill -9 at any moment: the next run finishes, commits nothing twice and gives the bytes of an undisturbed run."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pageloom import line
from tests.faults.conftest import Line, checkpointed, digests, kill_once, wait_until, worker_of

pytestmark = pytest.mark.slow

LAST = "assistant"
DETERMINISTIC = [stage.name for stage in line().stages[: line().names.index(LAST) + 1] if stage.deterministic]


def under_way(root: Path, stage: str) -> bool:
    """Whether an attempt at the stage has begun to write and is not committed."""
    return any((root / stage).glob("*/*")) and not any((root / stage).glob("*/artefact.json"))


def test_a_driver_killed_in_stage_after_stage_ends_with_the_bytes_of_an_undisturbed_run(
    line: Line, undisturbed: Path, crawled: Path
) -> None:
    committed: dict[str, float] = {}
    moments: dict[str, Callable[[], bool]] = {
        "records": lambda: under_way(crawled, "records"),
        "corpus": lambda: under_way(crawled, "corpus"),
        "base": lambda: checkpointed(crawled, "base"),
        "assistant": lambda: checkpointed(crawled, "assistant"),
    }
    for stage, moment in moments.items():
        kill_once(line.start(crawled, "assistant"), moment)
        for manifest in crawled.glob("*/*/artefact.json"):
            name = manifest.parent.parent.name
            assert committed.setdefault(name, manifest.stat().st_mtime) == manifest.stat().st_mtime
        assert stage not in committed
    line.run(crawled, "assistant")
    assert digests(crawled, DETERMINISTIC) == digests(undisturbed, DETERMINISTIC)


def test_no_process_outlives_a_killed_driver_for_long(line: Line, crawled: Path) -> None:
    process = line.start(crawled, "records")
    wait_until(process, lambda: under_way(crawled, "records"))
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=30)
    # Two agents of Ray's ask the head, which is gone, for up to the minute that a request to it may take.
    assert {process.name() for process in alive} <= {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
    _, alive = psutil.wait_procs(alive, timeout=60)
    assert alive == []


@pytest.mark.parametrize(("stage", "worker"), [("records", "MapWorker"), ("base", "RayTrainWorker")])
def test_a_killed_worker_is_replaced_within_the_run(
    line: Line, undisturbed: Path, crawled: Path, stage: str, worker: str
) -> None:
    process = line.start(crawled, stage)
    ready = checkpointed if stage == "base" else under_way
    wait_until(process, lambda: ready(crawled, stage) and worker_of(process, worker) is not None)
    victim = worker_of(process, worker)
    assert victim is not None
    victim.kill()
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0, text
    assert digests(crawled, [stage]) == digests(undisturbed, [stage])


def test_two_runs_on_one_root_the_second_says_who_holds_it_and_nothing_is_corrupted(
    line: Line, undisturbed: Path, crawled: Path
) -> None:
    first = line.start(crawled, "corpus")
    wait_until(first, lambda: under_way(crawled, "pages"))
    second = line.start(crawled, "corpus")
    text, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"held by another run (pid {first.pid} on" in text
    assert "Traceback" not in text
    first.communicate(timeout=200)
    assert first.returncode == 0
    assert digests(crawled, ["pages", "corpus"]) == digests(undisturbed, ["pages", "corpus"])


def test_ctrl_c_ends_a_training_run_cleanly_within_seconds(line: Line, crawled: Path) -> None:
    process = line.start(crawled, "base")
    wait_until(process, lambda: checkpointed(crawled, "base"))
    process.send_signal(signal.SIGINT)
    try:
        text, _ = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        pytest.fail("still running 10 seconds after Ctrl-C")
    assert process.returncode == 130
    assert "stopped; finished stages stay" in text
    assert "Traceback" not in text
