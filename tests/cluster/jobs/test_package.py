"""What is sent to a cluster is this project's code, small, and the same bytes for the same code."""

import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from cluster.errors import RequestError
from cluster.jobs.package import package, sources

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the code, whose files are newer."""
    for name in sources(CHECKOUT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, tmp_path / name)
        os.utime(tmp_path / name, (time.time() + 60,) * 2)
    return tmp_path


def test_the_same_code_elsewhere_and_written_later_gives_the_same_bytes(copied: Path) -> None:
    assert package(code=copied) == package()
    assert package(("mine.yaml", b"name: mine"), copied) == package(("mine.yaml", b"name: mine"))
    assert package(("mine.yaml", b"name: mine"), copied) != package()


def test_a_changed_line_gives_other_bytes(copied: Path) -> None:
    with open(copied / "pageloom.py", "a") as code:
        code.write("\n")
    assert package(code=copied) != package()


def test_what_lies_about_in_a_checkout_is_not_sent(copied: Path) -> None:
    for name in ("cluster/.env", "pipeline/notes.txt", "actors/model.safetensors", "secrets.py", "serving/__pycache__/x.pyc"):
        (copied / name).parent.mkdir(exist_ok=True)
        (copied / name).write_bytes(b"secret")
    assert package(code=copied) == package()


def test_more_than_five_mebibytes_are_refused_and_the_largest_file_is_named(copied: Path) -> None:
    (copied / "actors" / "weights.npz").write_bytes(os.urandom(6 << 20))
    with pytest.raises(
        RequestError, match=r"^the code to send is 6\.\d+ MB, more than 5\.\d+ MB; .* actors/weights\.npz \(6\."
    ) as caught:
        package(code=copied)
    assert "\n" not in str(caught.value)


def test_the_command_works_from_the_package_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package(("mine.yaml", b"name: mine")))) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import pageloom; print(pageloom.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(tmp_path / "pageloom.py"), done.stderr
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pageloom", "recipe", "check", "recipe/mine.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("recipe/mine.yaml: a valid recipe"), done.stderr
