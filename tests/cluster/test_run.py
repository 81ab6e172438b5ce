"""A plan is walked once: what is committed is reused, what fails is said in one line, what is killed goes on."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from cluster.errors import RequestError, WorkError
from cluster.lock import lock_root
from cluster.plan import make_plan
from cluster.run import Run, causes, run_plan, words_for_people
from cluster.session import open_session
from cluster.store import Location, Manifest, Store
from cluster.track.console import RunConsole

LINE = Path(__file__).with_name("line_of_three.py")


def run_line(root: Path, *arguments: str, **options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(LINE), str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=LINE.parents[2],
        env=os.environ | {"PYTHONPATH": str(LINE.parents[2])} | options,
    )


def finish(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=120)
    return text


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_shard_and_gives_the_same_bytes(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "a", tmp_path / "b"
    assert "committed squares" in finish(run_line(undisturbed))
    first = run_line(disturbed, PAUSE_AT="3")
    wait_for(disturbed / "paused", first)
    first.send_signal(signal.SIGKILL)
    finish(first)
    text = finish(run_line(disturbed))
    assert "computed shards [3, 4, 5]" in text
    digests = [
        {stage: [artefact.digest for artefact in Store(root).artefacts(stage)] for stage in ("numbers", "squares")}
        for root in (undisturbed, disturbed)
    ]
    assert digests[0] == digests[1]
    assert all(len(found) == 1 for found in digests[0].values())
    [artefact] = Store(disturbed).artefacts("squares")
    assert [row["value"] for row in artefact.metrics()] == [0, 1, 4, 9, 16, 25]
    assert 0 < artefact.manifest["work_seconds"] <= artefact.manifest["seconds"]
    assert artefact.manifest["peak_memory_bytes"] > 50_000_000


@pytest.mark.slow
def test_ctrl_c_ends_within_seconds_and_leaves_a_root_to_go_on_from(tmp_path: Path) -> None:
    process = run_line(tmp_path, PAUSE_AT="2")
    wait_for(tmp_path / "paused", process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    finish(process)
    assert time.monotonic() - began < 30  # its worker would sleep for 60
    assert "computed shards [2, 3, 4, 5]" in finish(run_line(tmp_path))


def test_an_address_where_nobody_answers_is_named_with_the_remedy(tmp_path: Path, free_port: int) -> None:
    text = finish(run_line(tmp_path, RAY_ADDRESS=f"127.0.0.1:{free_port}"))
    assert f"RAY_ADDRESS 127.0.0.1:{free_port}: no Ray cluster answers there" in text
    assert "unset RAY_ADDRESS to run embedded" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_run_that_would_wait_for_ever_is_refused_before_any_work_and_the_plan_says_so(tmp_path: Path) -> None:
    def pageloom(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pageloom", *arguments, "--root", str(tmp_path / "root")]
        command += ["--until", "base", "--set", "cluster.gpus_per_worker=1"]
        place = str(LINE.parents[2])
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=os.environ | {"PYTHONPATH": place}
        )

    line = (
        "base: no room for 2 x training rank (1 CPU, 1 GPU) on 1 node (8 CPU); "
        "lower cluster.train_workers or cluster.gpus_per_worker"
    )
    refused = pageloom("run", "--no-serve")
    assert (refused.returncode, refused.stderr) == (2, f"pageloom: {line}\n")
    assert not list((tmp_path / "root").glob("*/*/artefact.json"))  # the stages before it had room
    assert line in pageloom("plan").stdout
    assert json.loads(pageloom("plan", "--json").stdout)["room"] == [line]


def test_a_full_disk_is_named_with_the_remedy(tmp_path: Path) -> None:
    words = r"^pages: no space left on the disk of .*; free some or choose another --root"
    with pytest.raises(WorkError, match=words), words_for_people("pages", Location.of(tmp_path), tmp_path):
        raise RuntimeError("task failed") from OSError(errno.ENOSPC, "No space left on device")


def test_an_unforeseen_error_is_one_line_and_its_traceback_a_file(tmp_path: Path) -> None:
    with pytest.raises(WorkError) as caught, words_for_people("base", Location.of(tmp_path), tmp_path / "logs"):
        raise ValueError("first\nlast words")
    assert str(caught.value) == f"base: ValueError: last words; traceback in {tmp_path}/logs/base.traceback.log"
    assert "Traceback" in (tmp_path / "logs" / "base.traceback.log").read_text()


def test_a_request_error_inside_a_worker_reaches_the_reader_unchanged(tmp_path: Path) -> None:
    request = RequestError("the file is empty")
    with pytest.raises(RequestError, match=r"^the file is empty$"), words_for_people("p", Location.of(tmp_path), tmp_path):
        raise RuntimeError("worker died") from request


def test_causes_ends_on_circular_chains() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert set(map(str, causes(first))) == {"1", "2"}


def test_progress_adds_up_over_workers_and_absolute_reports_win(capsys: pytest.CaptureFixture[str]) -> None:
    console = RunConsole(Console(width=120))
    console.begin("pages")
    for event in ({"advance": 3}, {"advance": 4, "total": 10, "unit": "pages"}, {"metrics": {"loss": 1}}):
        console.take([{"stage": "pages", "time": 0.0, **event}])
    assert (console.progress.done, console.progress.total, console.progress.unit) == (7, 10, "pages")
    console.take([{"stage": "pages", "time": 0.0, "done": 9}])
    console.end("pages", 65.4, 0.25, 3 << 30)
    assert capsys.readouterr().out.split() == [
        *("✓", "pages", "1", "min", "05", "s", "25%", "start-up", "3.0", "GiB", "9", "pages")
    ]


def test_a_stage_is_not_run_on_an_input_whose_files_changed(tmp_path: Path) -> None:
    from tests.cluster.line_of_three import STAGES, Line

    recipe, store = Line(name="line", root=str(tmp_path)), Store(tmp_path)
    numbers = make_plan(recipe, STAGES, store)[0]
    place = store.attempt("numbers", numbers.key)
    (place / "numbers.json").write_json([1])
    blank = {"settings": {}, "parents": {}, "external": [], "version": "1", "pageloom": "0", "host": ""}
    store.commit(place, Manifest("numbers", numbers.key, **blank, started=0, seconds=1, work_seconds=1, peak_memory_bytes=0))  # type: ignore[arg-type]
    (place / "numbers.json").delete()
    session = open_session(recipe.cluster, store.root)  # which it is refused before the start of
    run = Run(recipe, store, session, RunConsole(Console(quiet=True)), tmp_path / "logs")
    with (
        lock_root(store.root) as held,
        pytest.raises(WorkError, match=r"numbers\.json: missing; .*run again with --force numbers"),
    ):
        run_plan(make_plan(recipe, STAGES, store), run, held)
