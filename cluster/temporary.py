"""Temporary directories that carry their owner's process id, so that what a killed process left is found and removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psutil

PREFIX = "pageloom-"


def make_directory(kind: str) -> Path:
    """A new empty directory; the caller removes it. kind: a word for people who look into the folder of temporary files."""
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{kind}-"))


def directory(kind: str) -> tempfile.TemporaryDirectory[str]:
    """As `make_directory`, removed at the end of a `with` block."""
    return tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-{kind}-")


def abandoned() -> list[Path]:
    """The directories whose process is gone (a killed one cannot clean up)."""
    owners = {place: place.name.split("-")[1] for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*")}
    return [place for place, owner in owners.items() if owner.isdigit() and not psutil.pid_exists(int(owner))]


def remove_abandoned() -> None:
    """Delete what killed processes left."""
    for place in abandoned():
        shutil.rmtree(place, ignore_errors=True)
