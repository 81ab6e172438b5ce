"""The whole stage, for real, on tiny models; and what happens to it when its parts are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.store import Artefact, Location, Store
from cluster.track.segments import read_segments
from tests.faults.conftest import wait_until, worker_of

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[3]
STEPS = 60
SECTIONS = {
    "rlhf": {
        "steps": STEPS,
        "prompts": 4,
        "samples": 4,
        "prompt_tokens": 64,
        "answer_tokens": 24,
        "engine_cache_mb": 32,
        "optimiser": {"learning_rate": 3e-3, "warmup_steps": 0},
    },
    "cluster": {"checkpoint_seconds": 2, "max_failures": 3},
}


class Line:
    """Runs tests/actors/rl/line.py on one root."""

    def __init__(self, root: Path, tokenizer: Path) -> None:
        self.root, self.tokenizer = root, tokenizer
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("line.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.root), str(self.tokenizer), json.dumps(SECTIONS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        )
        return self.process

    def finish(self) -> Artefact:
        assert self.process is not None
        text, _ = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, text
        [artefact] = Store(self.root).artefacts("aligned")
        return artefact

    def steps_done(self) -> int:
        for saved in self.root.glob("aligned/*/*/_work/coordinator.json"):
            return len(json.loads(saved.read_text())["history"])
        return 0

    def checkpointed(self) -> bool:
        """Whether Ray Train has registered a checkpoint: files of one that it has not are no use to a restart."""
        return any(
            "step-" in file.read_text() for file in self.root.glob("aligned/*/*/_work/**/checkpoint_manager_snapshot.json")
        )


@pytest.fixture
def line(tmp_path: Path, tokenizer_directory: Path) -> Iterator[Line]:
    line = Line(tmp_path / "root", tokenizer_directory)
    yield line
    if line.process is not None and line.process.poll() is None:
        line.process.kill()
        line.process.wait()


def kill_worker(line: Line, process: subprocess.Popen[str], name: str, ready: Callable[[], bool]) -> None:
    wait_until(process, lambda: ready() and worker_of(process, name) is not None)
    victim: psutil.Process | None = worker_of(process, name)
    assert victim is not None
    victim.kill()


def assert_whole(artefact: Artefact) -> None:
    """Every step was learnt from, with verified weights, and the result is a model that loads."""
    from actors.models.load import load_model, load_tokenizer

    rows: list[dict[str, Any]] = artefact.metrics()
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert max(row["sync_error"] for row in rows) < 1e-4
    assert {row["staleness"] for row in rows} <= {0.0, 1.0}
    with artefact.location.as_local() as directory:
        assert load_model(directory).config.vocab_size == len(load_tokenizer(directory))
    assert not (artefact.location / "_work").exists()


def test_the_stage_survives_the_death_of_each_of_its_actors(line: Line) -> None:
    process = line.start()
    for at, name in ((3, "Rollout"), (8, "Coordinator"), (13, "Reward"), (18, "Reference")):
        kill_worker(line, process, name, lambda: line.steps_done() >= at)  # noqa: B023
    assert_whole(line.finish())


def test_a_lost_rank_and_a_lost_driver_go_on_from_the_last_checkpoint(line: Line) -> None:
    process = line.start()
    kill_worker(line, process, "RayTrainWorker", line.checkpointed)
    before = line.steps_done()
    wait_until(process, lambda: line.steps_done() > before + 3)
    reached = line.steps_done()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    [first_attempt] = line.root.glob("aligned/*/*/_work/metrics")
    earlier = {row["step"]: row for row in read_segments(Location.of(first_attempt))}

    line.start()
    artefact = line.finish()
    assert_whole(artefact)
    kept = [row["step"] for row in artefact.metrics() if earlier.get(row["step"], {}).get("time") == row["time"]]
    assert kept, "everything was done again"
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) <= reached
