"""The wheel holds what the checkout holds, and the command works from it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cluster.jobs.package import sources

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("cluster", "pipeline", "actors", "serving", "k8s")


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_works_alone(tmp_path: Path) -> None:
    source, unpacked = tmp_path / "source", tmp_path / "unpacked"
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pageloom.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(tmp_path)],
        cwd=source,
        check=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("pageloom-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(unpacked)
    wanted = {
        str(file.relative_to(CHECKOUT)) for package in PACKAGES for file in (CHECKOUT / package).rglob("*") if file.is_file()
    }
    assert held == {name for name in wanted if "__pycache__" not in name} | {"pageloom.py"}
    # What `pageloom submit` sends is the same without manifests, which no job renders.
    assert {name for name in held if not name.startswith("k8s/")} == {*sources(CHECKOUT)}
    assert wheel.stat().st_size < 2_000_000  # half a megabyte in 2026, a fifth of it the extractor's weights

    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    rendering = ["k8s", "render", "quickstart", "--overlay", "prod", "--root", "s3://bucket/root"]
    for arguments in (["recipe", "check", "web"], ["recipe", "check"], rendering, ["--version"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pageloom", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
