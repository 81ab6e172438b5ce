"""Temporary directories: whose they are follows from a lock, and what is nobody's goes."""

import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import temporary
from cluster.temporary import abandoned, directory, keep, make_directory, remove_abandoned, remove_directory

LEAVE_ONE = "import os, cluster.temporary as t; print(t.make_directory('test'), flush=True); os.kill(os.getpid(), 9)"
OTHER_NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of temporary files of one's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(temporary, "SHORT", ())
    return tmp_path


def left_by_a_killed_process() -> Path:
    killed = subprocess.run([sys.executable, "-c", LEAVE_ONE], capture_output=True, text=True, check=False)
    return Path(killed.stdout.strip())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays(folder: Path) -> None:
    left = left_by_a_killed_process()
    with directory("test") as mine:
        Path(mine, "file").touch()
        assert abandoned() == [left]
        remove_abandoned()
        assert not left.exists()
        assert Path(mine, "file").exists()
    assert list(folder.iterdir()) == []


@pytest.fixture
def stranger(folder: Path) -> Iterator[Path]:
    """The directory of a living process that this one cannot see by its id: it counts its processes by itself."""
    program = "import sys, cluster.temporary as t; print(t.make_directory('test'), flush=True); sys.stdin.read()"
    command = [*OTHER_NAMESPACE, sys.executable, "-c", program]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = process.stdout.readline().strip()
    if not told:
        pytest.skip("this machine lets nobody make a namespace of processes")
    yield Path(told)
    process.communicate("")


def test_a_living_process_of_another_container_keeps_its_directory(stranger: Path) -> None:
    remove_abandoned()
    assert stranger.exists()


def test_a_directory_whose_path_was_told_stays_for_days_and_then_goes(folder: Path) -> None:
    left = left_by_a_killed_process()
    keep(left)
    remove_abandoned()
    assert left.exists()
    past = time.time() - (temporary.KEEP_DAYS * 86400 + 60)
    os.utime(left / temporary.KEPT, (past, past))
    remove_abandoned()
    assert not left.exists()


def test_a_directory_that_is_just_being_made_is_nobodys_prey_and_a_forgotten_one_is(folder: Path) -> None:
    bare = folder / f"{temporary.PREFIX}test-x"
    bare.mkdir()
    assert abandoned() == []
    past = time.time() - temporary.UNHELD_SECONDS - 60
    os.utime(bare, (past, past))
    assert abandoned() == [bare]


def test_a_directory_taken_for_an_abandoned_one_while_it_is_made_is_made_again(folder: Path) -> None:
    first = Path(tempfile.mkdtemp(prefix=f"{temporary.PREFIX}test-"))
    (first / temporary.HOLD).touch()
    claim = temporary.claimed(first)
    assert claim is not None
    assert not temporary.hold(first)
    os.close(claim)
    assert temporary.hold(first)
    remove_directory(first)


def test_only_the_owner_may_enter(folder: Path) -> None:
    place = make_directory("test")
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    remove_directory(place)


def test_where_tmpdir_is_too_long_for_sockets_a_short_folder_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with directory("test") as usual:
        assert Path(usual).is_relative_to(long)
    place = make_directory("ray", for_sockets=True)
    try:
        socket = f"{place}/r/session_2026-12-31_23-59-59_123456_4194304/sockets/dash_TaskEventsHead"
        assert len(socket) <= 107
        assert place in temporary.held
    finally:
        remove_directory(place)
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert temporary.socket_folder() == "/tmp"


USE_SHARED = """
import sys, pathlib, cluster.temporary as t
def fill(place):
    with open(sys.argv[1], "a") as log:
        log.write("filled\\n")
    (place / "data").write_text("whole")
with t.shared("copy", "one", fill) as place:
    print((place / "data").read_text(), flush=True)
    sys.stdin.read()
"""


def users_of_one(log: Path, number: int) -> list["subprocess.Popen[str]"]:
    """Processes that are using one shared directory, all at the same time."""
    command = [sys.executable, "-c", USE_SHARED, str(log)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    for each in started:
        assert each.stdout is not None
        assert each.stdout.readline() == "whole\n"
    return started


def test_of_processes_that_share_a_directory_one_fills_it_and_the_last_removes_it(folder: Path) -> None:
    log = folder / "log"
    first, *others = users_of_one(log, 4)
    assert log.read_text() == "filled\n"
    [place] = folder.glob("pageloom-copy-*")
    first.kill()
    first.wait()
    remove_abandoned()
    assert (place / "copy" / "data").read_text() == "whole"
    for each in others:
        each.communicate("")
    assert list(folder.iterdir()) == [log]


def test_a_directory_whose_filler_was_killed_is_filled_anew(folder: Path) -> None:
    program = USE_SHARED.replace(
        '(place / "data").write_text("whole")', '(place / "half").touch(); import os; os.kill(os.getpid(), 9)'
    )
    subprocess.run([sys.executable, "-c", program, str(folder / "log")], check=False)
    [place] = folder.glob("pageloom-copy-*")
    assert [each.name for each in (place / "copy").iterdir()] == ["half"]
    [user] = users_of_one(folder / "log", 1)
    assert [each.name for each in (place / "copy").iterdir()] == ["data"]
    user.communicate("")


# While what is in the directory goes, a user is killed; or it waits there for a word.
DIES_LEAVING = USE_SHARED.replace(
    "with t.shared",
    """
def leave(place, **_):
    if (pathlib.Path(place) / "data").exists():
        (pathlib.Path(place) / "data").unlink()
        LEAVE
t.shutil.rmtree = leave
with t.shared""",
)


def test_a_directory_that_its_last_user_was_killed_deleting_is_filled_anew(folder: Path) -> None:
    program = DIES_LEAVING.replace("LEAVE", "import os; os.kill(os.getpid(), 9)")
    log = folder / "log"
    subprocess.run([sys.executable, "-c", program, str(log)], input="", text=True, capture_output=True, check=False)
    log.write_text("")
    [user] = users_of_one(log, 1)
    assert log.read_text() == "filled\n"
    user.communicate("")


def test_whoever_comes_while_a_directory_is_deleted_waits_for_its_end(folder: Path) -> None:
    program = DIES_LEAVING.replace("LEAVE", "print('leaving', flush=True); print(open(sys.argv[2]).read(), flush=True)")
    log, word = folder / "log", folder / "word"
    os.mkfifo(word)
    command = [sys.executable, "-c", program, str(log), str(word)]
    leaving = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert leaving.stdin is not None
    assert leaving.stdout is not None
    leaving.stdin.close()
    assert [leaving.stdout.readline() for _ in range(2)] == ["whole\n", "leaving\n"]
    [place] = folder.glob("pageloom-copy-*")
    assert not (place / ".full").exists()
    with open(place / ".held") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    word.write_text("go on")
    leaving.wait()


def test_what_cannot_be_filled_leaves_nothing_and_says_why(folder: Path) -> None:
    def refuse(_: Path) -> None:
        raise OSError("the store does not answer")

    with pytest.raises(OSError, match="the store does not answer"), temporary.shared("copy", "one", refuse):
        pass
    assert list(folder.iterdir()) == []


def test_a_directory_that_others_put_in_its_place_is_not_used(folder: Path) -> None:
    mine = folder / "elsewhere"
    mine.mkdir()
    (folder / f"pageloom-copy-{os.getuid()}-one").symlink_to(mine)
    with pytest.raises(PermissionError, match="belongs to another user"), temporary.shared("copy", "one", lambda _: None):
        pass
