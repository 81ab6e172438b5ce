"""`pageloom.run` where sys.stdout is a notebook's: it has no descriptor, and descriptors 1 and 2 are the server's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = """
import io, json, os, signal, sys

class Cell(io.TextIOBase):
    encoding = "UTF-8"
    def __init__(self): self.text = ""
    def write(self, text):
        self.text += text
        return len(text)

cell = sys.stdout = sys.stderr = Cell()
import pageloom

found = {"before": signal.getsignal(signal.SIGINT) is signal.default_int_handler}
for until in ("crawl", "records"):
    made = pageloom.run("web", input=[sys.argv[1]], root=sys.argv[2], until=until, set={"cluster.dashboard": False,
                        "tracking.wandb": "disabled"})
    found[until] = sorted(made)
print("the next cell")
found["after"] = signal.getsignal(signal.SIGINT) is signal.default_int_handler
found["restored"] = sys.stdout is cell and sys.stderr is cell
os.write(1, b"to the server")
try:
    pageloom.run("web", until="nonsense")
except pageloom.RequestError as error:
    found["refused"] = str(error)
found["cell"] = cell.text
json.dump(found, open(sys.argv[3], "w"))
"""


@pytest.mark.slow
def test_a_notebook_runs_twice_sees_its_lines_and_keeps_its_streams_and_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<title>Bread</title><p>{'Bread is made of flour, water and salt. ' * 20}</p>")
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    done = subprocess.run(
        [sys.executable, "notebook.py", "page.html", "root", "found.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("to the server", "")
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["crawl"], found["records"]) == (["crawl"], ["crawl", "records"])
    assert [found["before"], found["after"], found["restored"]] == [True, True, True]
    assert found["refused"].startswith("--until nonsense: no such stage; there are crawl, records")
    # Without how far a stage is, which is told every 30 s: a busy machine takes longer.
    lines = [line.split() for line in found["cell"].splitlines() if not line.startswith("    ")]
    assert [line[:2] for line in lines] == [
        ["pageloom", "web"],
        ["✓", "crawl"],
        ["pageloom", "web"],
        ["=", "crawl"],
        ["✓", "records"],
        ["the", "next"],
    ]
