"""What a terminal shows of a real run is ours, line by line: Ray's, Ray Data's and wandb's words are in the logs."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
OURS = [
    r"pageloom quickstart → \S+   0 of 4 stages already done",
    r". (crawl|records|classifiers|pages) +━+ .*",  # the bar
    r"  ✓ (crawl|records|classifiers|pages) +[\d.]+ s +\d+% start-up +[\d.]+ GiB( +\d+ (pages|records))?",
    r"report  \S+/report\.html   \(.* so far\)",
    r"next    `pageloom run` takes it on from here",
]


def command(root: Path, port: int, *options: str) -> list[str]:
    settings = ["crawl.max_pages=30", "cluster.dashboard=false", f"crawl.pydoc.port={port}"]
    overrides = [part for setting in settings for part in ("--set", setting)]
    return [sys.executable, "-m", "pageloom", "run", "--until", "pages", "--root", str(root), *overrides, *options]


def on_a_terminal(arguments: list[str]) -> str:
    """What a command shows on a terminal that it has for stdout and stderr."""
    ours, its = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "200", "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(arguments, stdin=its, stdout=its, stderr=its, cwd=CHECKOUT, env=environment)
    os.close(its)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # a terminal's end, once nobody has it open
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(30) == 0, shown.decode(errors="replace")
    return shown.decode()


def lines(shown: str) -> set[str]:
    """Every line that has stood on the terminal, without what moves the cursor or gives colour."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    return {line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()}


@pytest.mark.slow
def test_every_line_of_a_run_is_ours_also_where_a_bar_is_drawn(tmp_path: Path, free_port: int) -> None:
    shown = lines(on_a_terminal(command(tmp_path, free_port)))
    assert [line for line in sorted(shown) if not any(re.fullmatch(one, line) for one in OURS)] == []
    assert any(line.startswith("  ✓ pages") for line in shown)
    log = next(tmp_path.glob("logs/*/driver.log")).read_text()
    assert "Execution plan of Dataset" in log or "Starting execution of Dataset" in log  # it was said, and is kept

    def said(*options: str) -> list[str]:
        done = subprocess.run(
            command(tmp_path, free_port, *options),
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            timeout=120,
            check=True,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"},
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    events = [json.loads(line) for line in said("--json")]
    assert [each["stage"] for each in events if each["event"] == "reused"] == ["crawl", "records", "classifiers", "pages"]
    [report] = [each for each in events if each["event"] == "report"]
    assert report["place"] == f"{tmp_path}/report.html"
    [line] = said("-q")
    assert line.startswith("report  ")
