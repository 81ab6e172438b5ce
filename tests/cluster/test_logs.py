"""Logs outlive the disk of the driver where the root is an object store."""

import os
from pathlib import Path

import pytest

from cluster.location import Location
from cluster.logs import LARGEST, MOST, Copies, kept_in, newest_logs
from pageloom import outcome


def test_a_copy_has_the_end_of_a_long_file_and_what_was_written_last(tmp_path: Path) -> None:
    source, target = tmp_path / "logs", Location.of(tmp_path / "copies")
    source.mkdir()
    (source / "long.log").write_bytes(b"a" * LARGEST + b"the end")
    (source / "driver.log").write_text("one\n")
    copies = Copies(source, target)
    copies.renew()
    with open(source / "driver.log", "a") as log:
        log.write("two\n")
    copies.renew()
    assert copies.trouble == ""
    assert (target / "driver.log").read_bytes() == b"one\ntwo\n"
    assert (target / "long.log").read_bytes() == b"a" * (LARGEST - 7) + b"the end"


def test_files_that_are_too_many_are_counted(tmp_path: Path) -> None:
    for number in range(MOST + 3):
        (tmp_path / f"{number:03d}.log").touch()
    copies = Copies(tmp_path, Location.of(tmp_path / "copies"))
    copies.renew()
    assert copies.trouble == f"3 files are more than {MOST}"
    assert len((tmp_path / "copies").glob("*") and [*(tmp_path / "copies").iterdir()]) == MOST


def test_what_a_lost_disk_held_is_shown_from_the_root(
    s3_root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, logs = Location.of(s3_root), tmp_path / "20261129-120000-7"
    logs.mkdir()
    with kept_in(root, logs):
        (logs / "driver.log").write_text("what the engines said\n")
    (logs / "driver.log").unlink()
    monkeypatch.setenv("HOME", str(tmp_path / "another"))
    found = newest_logs(root, "quickstart")
    assert str(found) == f"{s3_root}/logs/20261129-120000-7"
    assert outcome(["logs", "--root", s3_root]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{s3_root}/logs/20261129-120000-7/driver.log", "what the engines said"]


def test_a_store_that_takes_no_copy_does_not_fail_the_run(
    tmp_path: Path, s3_root: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Location.of(f"s3://no-such-bucket-{os.getpid()}/root")
    with kept_in(root, tmp_path):
        (tmp_path / "driver.log").write_text("words")
    assert "not all of it could be copied to" in capsys.readouterr().err
