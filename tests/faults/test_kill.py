"""kill -9 at any moment: the next run finishes, commits nothing twice and gives the bytes of an undisturbed run."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
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


@dataclass
class Interrupted:
    """One root whose runs were killed and stopped, one after the other, until the last one finished.

    family: the first driver's processes. committed: when each artefact was, by its path, after every interruption.
    outlived: of the family, who was there 30 s after its driver. stop_seconds: from Ctrl-C to the end.
    """

    root: Path
    family: list[psutil.Process] = field(default_factory=list)
    committed: list[dict[Path, float]] = field(default_factory=list)
    outlived: list[psutil.Process] = field(default_factory=list)
    stopped: tuple[int, str] = (0, "")
    stop_seconds: float = 0
    refused: tuple[int, str] = (0, "")
    finished: tuple[int, int, str] = (0, 0, "")  # pid first

    def artefacts(self) -> dict[Path, float]:
        return {each: each.stat().st_mtime for each in self.root.glob("*/*/artefact.json")}

    def watch(self) -> None:
        _, self.outlived = psutil.wait_procs(self.family, timeout=30)


@pytest.fixture(scope="module")
def interrupted(line: Line, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """kill -9 in `records` and in `corpus`, Ctrl-C in `base`, kill -9 in `assistant`; then one finishes beside a second run."""
    root = tmp_path_factory.mktemp("interrupted") / "root"
    shutil.copytree(undisturbed / "crawl", root / "crawl")
    found = Interrupted(root)

    first = line.start(root, "assistant")
    wait_until(first, lambda: under_way(root, "records"))
    found.family = psutil.Process(first.pid).children(recursive=True)
    kill_once(first, lambda: True)
    watcher = threading.Thread(target=found.watch)
    watcher.start()
    found.committed.append(found.artefacts())

    kill_once(line.start(root, "assistant"), lambda: under_way(root, "corpus"))
    found.committed.append(found.artefacts())

    third = line.start(root, "assistant")
    wait_until(third, lambda: checkpointed(root, "base"))
    third.send_signal(signal.SIGINT)
    began = time.monotonic()
    text, _ = third.communicate(timeout=60)
    found.stop_seconds, found.stopped = time.monotonic() - began, (third.returncode, text)
    found.committed.append(found.artefacts())

    kill_once(line.start(root, "assistant"), lambda: checkpointed(root, "assistant"))
    found.committed.append(found.artefacts())

    last = line.start(root, "assistant")
    wait_until(last, lambda: any(root.glob(f"logs/*-{last.pid}")))
    second = line.start(root, "assistant")
    text, _ = second.communicate(timeout=200)
    found.refused = (second.returncode, text)
    text, _ = last.communicate(timeout=600)
    found.finished = (last.pid, last.returncode, text)
    watcher.join()
    return found


def test_a_driver_killed_in_stage_after_stage_ends_with_the_bytes_of_an_undisturbed_run(
    interrupted: Interrupted, undisturbed: Path
) -> None:
    _, code, text = interrupted.finished
    assert code == 0, text
    assert digests(interrupted.root, DETERMINISTIC) == digests(undisturbed, DETERMINISTIC)


def test_what_is_committed_is_never_written_again(interrupted: Interrupted) -> None:
    def stages(seen: dict[Path, float]) -> list[str]:
        return [stage for stage in DETERMINISTIC if any(stage in each.parts for each in seen)]

    at_the_end = interrupted.artefacts()
    for seen in interrupted.committed:
        assert seen.items() <= at_the_end.items()
    records, corpus, base, assistant = map(stages, interrupted.committed)
    assert (records, corpus, assistant) == ([], DETERMINISTIC[:4], DETERMINISTIC[:8])
    assert base == DETERMINISTIC[:7]


def test_no_process_outlives_a_killed_driver_for_long(interrupted: Interrupted) -> None:
    assert len(interrupted.family) > 3
    # Two agents of Ray's ask the head, which is gone, for up to the minute that a request to it may take.
    assert {each.name() for each in interrupted.outlived if each.is_running()} <= {
        "ray::DashboardAgent",
        "ray::RuntimeEnvAgent",
    }
    _, alive = psutil.wait_procs(interrupted.family, timeout=60)
    assert alive == []


def test_ctrl_c_ends_a_training_run_cleanly_within_seconds(interrupted: Interrupted) -> None:
    code, text = interrupted.stopped
    assert code == 130
    assert interrupted.stop_seconds < 10
    assert "stopped; finished stages stay" in text
    assert "Traceback" not in text


def test_of_two_runs_on_one_root_the_second_says_who_holds_it(interrupted: Interrupted) -> None:
    """That the first took no harm is what the bytes above say."""
    code, text = interrupted.refused
    assert code == 2
    assert f"held by another run (pid {interrupted.finished[0]} on" in text
    assert "Traceback" not in text


@pytest.mark.long
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
