"""What is recorded reaches W&B once, whenever and however often it is sent. Real wandb against a server on loopback."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from rich.console import Console

from cluster.errors import WorkError
from cluster.store import Artefact, Location
from cluster.track import sync, wandb
from cluster.track.console import RunConsole
from cluster.track.settings import TrackingSettings
from cluster.track.sync import Sending, send_group
from cluster.track.tracking import Tracking

pytestmark = pytest.mark.slow


def artefact(root: Path, stage: str, *files: str, report: list[Any] | None = None) -> Artefact:
    manifest = {
        "stage": stage,
        "key": f"{stage}-key",
        "files": [{"path": name, "bytes": 1, "digest": "d"} for name in files],
        "counts": {"documents": 5, "by": {"books": 2}},
        "report": report or [],
        "seconds": 2.0,
        "work_seconds": 1.0,
        "peak_memory_bytes": 7,
    }
    return Artefact(Location.of(root / stage / f"{stage}-key"), manifest)


def record(root: Path, steps: int, fails: bool = False, mode: str = "offline", screen: io.StringIO | None = None) -> Location:
    """A run of one stage, as its driver records it."""
    settings = TrackingSettings(project="books", tags=["mine"], wandb=mode)  # type: ignore[arg-type]
    console = RunConsole(Console(file=screen or io.StringIO(), width=500))
    with Tracking(settings, "small", Location.of(root), "group", console, root) as tracking:
        tracking.stage("base", "base-key", {"steps": steps}, None, Location.of(root / "base"))
        for step in range(steps):
            event = {"stage": "base", "time": 1000.0 + step, "metrics": {"loss": 1 / (step + 1)}, "step": 10 * step}
            for sink in tracking.sinks:
                if sink.name == "W&B record":
                    sink.put(event)
        table = {"kind": "table", "title": "Samples", "columns": ["prompt", "answer"], "rows": [["a", 1], ["b", None]]}
        if fails:
            tracking.failure("base")
        else:
            made = artefact(root, "base", "model.safetensors", report=[table])
            tracking.made(made, [artefact(root, "tokens", "tokens.bin")])
    return Location.of(root) / "tracking" / "group"


def state(server: str) -> dict[str, Any]:
    found = httpx.get(f"{server}/state").json()
    assert found["unknown"] == []
    return found


def losses(found: dict[str, Any]) -> list[tuple[int, float]]:
    [run] = found["runs"].values()
    return [(row["base/step"], row["base/loss"]) for row in run["history"] if "base/loss" in row]


def test_a_stage_is_a_run_with_group_config_tags_samples_and_lineage(tmp_path: Path, wandb_server: str) -> None:
    group = record(tmp_path, 5)
    send_group(group, running=False)
    found = state(wandb_server)
    [run] = found["runs"].values()
    assert (run["project"], run["groupName"], run["jobType"]) == ("books", "group", "base")
    assert set(run["tags"]) == {"pageloom", "small", "mine"}
    assert run["config"]["steps"] == 5
    assert losses(found) == [(10 * step, 1 / (step + 1)) for step in range(5)]
    assert [row["_timestamp"] for row in run["history"]][:5] == [1000.0 + step for step in range(5)]
    assert (run["summary"]["documents"], run["summary"]["by.books"], run["exit"]) == (5, 2, 0)
    [samples] = [row["base/Samples"] for row in run["history"] if "base/Samples" in row]
    assert (samples["_type"], samples["nrows"], samples["ncols"]) == ("table-file", 2, 2)
    axes = [each for each in run["config"]["_wandb"]["m"] if each.get("1") == "base/loss"]
    assert len(axes) == 1  # the loss has an axis of its own: the stage's step
    made = {each["name"]: each["type"] for each in found["artefacts"].values()}
    assert made["base"] == "model"
    assert made["tokens"] == "dataset"
    edges = [tuple(edge[1:]) for edge in found["edges"]]
    assert ("used", "tokens") in edges
    assert ("made", "base") in edges


def test_sent_twice_is_the_same_with_and_without_our_own_note_of_it(tmp_path: Path, wandb_server: str) -> None:
    group = record(tmp_path, 5)
    assert list(send_group(group, running=False).values()) == [5 + 5]
    first = state(wandb_server)
    assert send_group(group, running=False) == {}
    [note] = tmp_path.glob("tracking/group/*/sent.json")
    note.unlink()  # as if the process had been killed before it wrote it
    assert len(send_group(group, running=False)) == 1
    second = state(wandb_server)
    assert losses(second) == losses(first)
    [before], [after] = first["runs"].values(), second["runs"].values()
    assert len(after["history"]) == len(before["history"])
    assert second["artefacts"].keys() == first["artefacts"].keys()
    assert second["edges"] == first["edges"]


def test_a_sending_that_was_cut_off_goes_on_where_w_and_b_has_come_to(
    tmp_path: Path, wandb_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = record(tmp_path, 8)
    [name] = group.directories()
    rows = list(sync.Tail(group / name).rows())
    monkeypatch.setattr(sync.Tail, "rows", lambda _: iter(rows[:4]))
    cut = Sending(group / name, tmp_path)
    cut.advance()
    cut.run.finish()  # three steps are there, and no note of it
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_BASE_URL", wandb_server)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert len(losses(state(wandb_server))) == 3
    send_group(group, running=False)
    assert losses(state(wandb_server)) == [(10 * step, 1 / (step + 1)) for step in range(8)]


def test_a_failed_stage_is_a_failed_run_and_one_that_never_ended_too(tmp_path: Path, wandb_server: str) -> None:
    group = record(tmp_path, 2, fails=True)
    send_group(group, running=False)
    [run] = state(wandb_server)["runs"].values()
    assert run["exit"] == 1


def test_a_record_that_is_damaged_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "000001.jsonl").write_text('{"a": 1}\n{bad\n')
    with pytest.raises(WorkError, match=r"000001\.jsonl: line 2: no JSON \(.*\); put back a copy, or delete the line"):
        list(sync.Tail(Location.of(tmp_path)).rows())


def test_what_has_no_end_yet_is_left_while_a_run_holds_the_root(tmp_path: Path, wandb_server: str) -> None:
    group = record(tmp_path, 2)
    [file] = (tmp_path / "tracking" / "group").glob("*/*.jsonl")
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines() if "end" not in json.loads(line)))
    assert send_group(group, running=True) == {}
    assert state(wandb_server)["runs"] == {}
    send_group(group, running=False)
    [run] = state(wandb_server)["runs"].values()
    assert run["exit"] == 1


def test_online_sends_while_it_goes_and_leaves_nothing_for_a_sync(tmp_path: Path, wandb_server: str) -> None:
    screen = io.StringIO()
    group = record(tmp_path, 5, mode="online", screen=screen)
    found = state(wandb_server)
    assert losses(found) == [(10 * step, 1 / (step + 1)) for step in range(5)]
    [run] = found["runs"].values()
    assert (run["exit"], run["finished"]) == (0, 1)
    assert screen.getvalue() == ""
    assert send_group(group, running=False) == {}


def test_online_without_a_key_ends_within_seconds_and_says_what_sends_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    screen, began = io.StringIO(), time.monotonic()
    record(tmp_path, 5, mode="online", screen=screen)
    assert time.monotonic() - began < 40
    [line] = screen.getvalue().splitlines()
    assert line.startswith("  ! W&B: ")
    assert "API key" in line
    assert line.endswith(f"; metrics are in {tmp_path}/tracking/group; `pageloom sync` sends them")


def test_a_server_that_never_answers_is_left_behind_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "FINISH_SECONDS", 3.0)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        screen, began = io.StringIO(), time.monotonic()
        record(tmp_path, 5, mode="online", screen=screen)
    assert time.monotonic() - began < 20
    [line] = screen.getvalue().splitlines()
    assert line.startswith("  ! W&B: did not take everything within 3 s; metrics are in ")
    mine = psutil.Process().children(recursive=True)
    assert not [each for each in mine if "cluster.track.sync" in " ".join(each.cmdline())]


def test_without_a_key_the_command_says_so_in_one_line_and_the_record_stays(tmp_path: Path) -> None:
    record(tmp_path, 2)
    done = synced(tmp_path, HOME=str(tmp_path), NETRC=str(tmp_path / "netrc"), WANDB_API_KEY="", WANDB_BASE_URL="")
    assert done.returncode == 1
    assert "API key" in done.stderr
    assert "keeps what W&B lacks" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("tracking/group/*/*.jsonl"))
    assert not list(tmp_path.glob("tracking/group/*/sent.json"))


def test_the_command_sends_says_what_and_never_shows_the_key(tmp_path: Path, wandb_server: str) -> None:
    record(tmp_path, 3)
    first, second = synced(tmp_path), synced(tmp_path)
    assert "1 stages sent" in first.stdout
    assert "nothing to send: W&B has all that is recorded" in second.stdout
    assert len(losses(state(wandb_server))) == 3
    assert "k" * 40 not in first.stdout + first.stderr
    assert all("k" * 40 not in each.read_text(errors="replace") for each in tmp_path.rglob("*") if each.is_file())


def synced(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    checkout = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-m", "pageloom", "sync", "--root", str(root)],
        capture_output=True,
        text=True,
        cwd=checkout,
        env={name: value for name, value in (os.environ | environment).items() if value},
        timeout=120,
        check=False,
    )
