"""Real runs, disturbed: whatever becomes of mailbox, disk or W&B, the work ends as it would have, and what is lost is said."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from cluster.store import Artefact, Store
from tests.cluster.track.conftest import wait_until

pytestmark = pytest.mark.slow

Program = Callable[..., subprocess.Popen[str]]


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    text, _ = process.communicate(timeout=240)
    assert process.returncode == code, text
    return text


def measured(root: Path) -> Artefact:
    [artefact] = Store(root).artefacts("measured")
    return artefact


def mailbox_of(process: subprocess.Popen[str]) -> psutil.Process:
    found: list[psutil.Process] = []

    def there() -> bool:
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if " ".join(each.cmdline()).startswith("ray::Mailbox"):
                    found.append(each)
        return bool(found)

    wait_until(there)
    return found[-1]


def test_a_killed_mailbox_loses_no_row(tmp_path: Path, program: Program) -> None:
    run = program(tmp_path, GATE="1", STEPS="40", SETTLE_EVERY="10")
    wait_until(lambda: (tmp_path / "go.wanted").exists() or run.poll() is not None)
    mailbox_of(run).send_signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    text = ended(run)
    assert "history" not in text
    assert [row["step"] for row in measured(tmp_path).metrics()] == list(range(40))


def test_a_mailbox_killed_again_and_again_loses_no_row(tmp_path: Path, program: Program) -> None:
    run = program(tmp_path, STEPS="200", PAUSE="0.05")
    for _ in range(3):
        wait_until(lambda: (tmp_path / "go.wanted").exists() or run.poll() is not None)
        mailbox_of(run).send_signal(signal.SIGKILL)
    ended(run)
    assert [row["step"] for row in measured(tmp_path).metrics()] == list(range(200))


def test_a_history_that_cannot_be_written_stops_nothing_and_is_said_on_the_screen_and_in_the_report(
    tmp_path: Path, program: Program
) -> None:
    run = program(tmp_path, GATE="1", STEPS="30", SETTLE_EVERY="5")
    wait_until(lambda: (tmp_path / "go.wanted").exists() or run.poll() is not None)
    [place] = tmp_path.glob("measured/*/**/_work/metrics")
    for each in place.iterdir():
        each.unlink()
    place.rmdir()
    place.write_text("a file where the history's directory was")
    began = time.monotonic()
    (tmp_path / "go").touch()
    text = ended(run)
    assert time.monotonic() - began < 60  # each of four checkpoints would have waited for half a minute
    assert "  ! measured: history: " in text
    [table] = [block for block in measured(tmp_path).manifest["report"] if block["title"] == "Tracking"]
    assert "the stage goes on, metrics.jsonl may have a hole" in str(table["rows"])


def test_online_without_a_key_ends_as_ever_and_says_what_sends_the_metrics(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    began = time.monotonic()
    text = ended(program(tmp_path, WANDB="online", HOME=str(tmp_path), STEPS="20", PAUSE="0.5"))
    assert time.monotonic() - began < 90
    assert "  ! W&B: " in text
    assert "API key" in text
    assert f"metrics are in {tmp_path}/tracking/group; `pageloom sync` sends them" in text
    assert len(measured(tmp_path).metrics()) == 20


def test_a_w_and_b_that_never_answers_slows_no_step(tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        took = {}
        for mode in ("disabled", "online"):
            ended(program(tmp_path / mode, WANDB=mode, STEPS="1000", WAIT="3"))
            took[mode] = measured(tmp_path / mode).counts["took"]
    print(took)
    assert took["online"] < 2 * took["disabled"] + 1


def test_what_a_live_run_sends_a_sync_finds_there_already(tmp_path: Path, program: Program, wandb_server: str) -> None:
    ended(program(tmp_path, WANDB="online", STEPS="20", PAUSE="0.2"))
    live = httpx.get(f"{wandb_server}/state").json()
    [run] = live["runs"].values()
    rows = [row for row in run["history"] if "measured/loss" in row]
    assert [row["measured/step"] for row in rows] == list(range(20))
    assert run["exit"] == 0
    from cluster.store import Location
    from cluster.track.sync import send_group

    group = Location.of(tmp_path) / "tracking" / "group"
    assert send_group(group, running=False) == {}
    [sent] = (tmp_path / "tracking" / "group").glob("*/sent.json")
    sent.unlink()
    assert len(send_group(group, running=False)) == 1
    again = httpx.get(f"{wandb_server}/state").json()
    assert again["runs"].keys() == live["runs"].keys()
    [run] = again["runs"].values()
    assert [row["measured/step"] for row in run["history"] if "measured/loss" in row] == list(range(20))
    assert again["edges"] == live["edges"]
    assert again["artefacts"].keys() == live["artefacts"].keys()


def test_prometheus_has_labels_and_units_and_names_with_dashes(tmp_path: Path, program: Program) -> None:
    run = program(tmp_path, GATE="1", STEPS="30")
    wait_until(lambda: (tmp_path / "go.wanted").exists() or run.poll() is not None)
    found = ""
    deadline = time.monotonic() + 60
    while "my-books" not in found and time.monotonic() < deadline:
        found = "".join(exported(run))
        time.sleep(1)
    (tmp_path / "go").touch()
    ended(run)
    [line] = [each for each in found.splitlines() if each.startswith("ray_pageloom_held_out_loss{")]
    assert 'source="my-books"' in line
    assert 'stage="measured"' in line
    assert line.endswith(" 9.0")


def exported(run: subprocess.Popen[str]) -> list[str]:
    """Every page of metrics that a process of the run serves on loopback."""
    ports = set()
    for each in psutil.Process(run.pid).children(recursive=True):
        try:
            ports |= {c.laddr.port for c in each.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    pages = []
    for port in ports:
        try:
            page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2)
        except (httpx.HTTPError, OSError):
            continue
        if page.status_code == 200:
            pages.append(page.text)
    return pages


def test_without_a_terminal_a_stage_says_a_line_now_and_then(tmp_path: Path, program: Program) -> None:
    text = ended(program(tmp_path, STEPS="40", PAUSE="0.1", EVERY="0.5"))
    said = [line for line in text.splitlines() if line.startswith("    measured")]
    assert 3 <= len(said) <= 12 + 30
    assert "/40 steps" in said[-1]


def test_a_failed_stage_is_a_failed_run_at_w_and_b(tmp_path: Path, program: Program, wandb_server: str) -> None:
    ended(program(tmp_path, WANDB="online", FAIL="1"), code=1)
    [run] = httpx.get(f"{wandb_server}/state").json()["runs"].values()
    assert run["exit"] == 1
