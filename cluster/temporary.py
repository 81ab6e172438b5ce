"""Temporary directories that their process holds by a lock inside them, so that what a killed one left is found and removed.

The kernel releases the lock with the process. A process id in the name would not do: containers that share the folder of
temporary files have the same ids, and each took the other's living directories for dead ones.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "pageloom-"
HOLD, KEPT, FULL = ".held", ".kept", ".full"
KEEP_DAYS = 7  # that a kept directory stays
UNHELD_SECONDS = 3600  # age at which a directory that never had a lock is nobody's: one is made within a moment
# Linux takes 107 bytes for a socket's path. Ray puts /session_<date>_<time>_<microseconds>_<pid>/sockets/dash_TaskEventsHead
# below its directory: up to 71. Ours is `pageloom-<kind>-<8 letters>` and the name of Ray's inside it.
SOCKET_PATH, RAY_SOCKETS, OWN_NAME = 107, 71, 24
SHORT = ("/tmp", "/var/tmp", "/dev/shm")

held: dict[Path, int] = {}  # directories of this process -> descriptor of the file whose lock holds them


def make_directory(kind: str, for_sockets: bool = False) -> Path:
    """A new empty directory that only its owner may enter; the caller removes it by `remove_directory`.

    kind: a word for people who look into the folder of temporary files. for_sockets: engines will put sockets far below it,
    so where the usual folder's path is too long for them it is made in another one.
    """
    folder = socket_folder() if for_sockets else tempfile.gettempdir()
    while True:
        place = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-", dir=folder))
        if hold(place):
            return place


def remove_directory(place: Path) -> None:
    """Delete a directory that `make_directory` made, and what is in it."""
    delete(place)
    if (descriptor := held.pop(place, None)) is not None:
        os.close(descriptor)


@contextmanager
def directory(kind: str) -> Iterator[str]:
    """A new empty directory, removed at the end of a `with` block. The lock is beside it: all that is in it is the caller's."""
    place = make_directory(kind)
    inside = place / kind
    inside.mkdir()
    try:
        yield str(inside)
    finally:
        remove_directory(place)


@contextmanager
def shared(kind: str, name: str, fill: Callable[[Path], None]) -> Iterator[Path]:
    """A directory that this user's processes on this machine share by its name: one fills it while the others wait, all read
    it, the last to leave removes it. Whoever fills it may be killed: the next begins it anew.
    """
    place = Path(tempfile.gettempdir()) / f"{PREFIX}{kind}-{os.getuid()}-{name}"
    inside = place / kind
    descriptor = opened_full(place, inside, fill)
    try:
        yield inside
    finally:
        os.close(descriptor)
        remove_unheld(place)


def opened_full(place: Path, inside: Path, fill: Callable[[Path], None]) -> int:
    """A descriptor whose shared lock keeps a filled directory there. Raises what `fill` raises."""
    while True:
        place.mkdir(mode=0o700, exist_ok=True)
        if place.is_symlink() or place.stat().st_uid != os.getuid():
            raise PermissionError(errno.EACCES, "belongs to another user; set TMPDIR to a directory of your own", str(place))
        try:
            descriptor = os.open(place / HOLD, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # removed since it was looked at
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink and (place / FULL).exists():
            return descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.fstat(descriptor).st_nlink and not (place / FULL).exists():
                shutil.rmtree(inside, ignore_errors=True)
                inside.mkdir()
                fill(inside)
                (place / FULL).touch()
        except BaseException:
            delete(place)
            raise
        finally:
            os.close(descriptor)


def keep(place: Path) -> None:
    """Leave a directory to people who were told its path, after its process too; it goes after KEEP_DAYS."""
    (place / KEPT).touch()


def socket_folder() -> str:
    """The usual folder of temporary files, or the first that is short enough for Ray's sockets and may be written to."""
    usual, longest = tempfile.gettempdir(), SOCKET_PATH - RAY_SOCKETS - OWN_NAME
    short = (each for each in SHORT if os.access(each, os.W_OK | os.X_OK))
    return usual if len(os.fsencode(usual)) <= longest else next(short, usual)


def hold(place: Path) -> bool:
    """Lock a new directory for this process; False where it was taken for an abandoned one meanwhile."""
    if (descriptor := locked(place)) is None:
        return False
    if os.fstat(descriptor).st_nlink == 0:
        os.close(descriptor)
        return False
    held[place] = descriptor
    return True


def locked(place: Path) -> int | None:
    """A descriptor that holds the lock inside a directory; None where another has it, or the directory is gone or not ours."""
    try:
        descriptor = os.open(place / HOLD, os.O_RDWR | os.O_CREAT, 0o600)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def delete(place: Path) -> None:
    """Delete a directory whose lock this process has.

    The sign that it is full goes first: one that is half deleted is filled anew. The lock goes last: until then others wait.
    """
    (place / FULL).unlink(missing_ok=True)
    with suppress(OSError):  # what cannot go stays, as with the rest
        for each in os.scandir(place):
            if each.is_dir(follow_symlinks=False):
                shutil.rmtree(each, ignore_errors=True)
            elif each.name != HOLD:
                Path(each).unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def abandoned() -> list[Path]:
    """The directories whose process is gone (a killed one cannot clean up), but for kept ones."""
    found = []
    for place in candidates():
        if (claim := claimed(place)) is not None:
            os.close(claim)
            found.append(place)
    return found


def remove_abandoned() -> None:
    """Delete what killed processes left."""
    for place in candidates():
        remove_unheld(place)


def remove_unheld(place: Path) -> None:
    """Delete a directory unless somebody holds it."""
    if (claim := claimed(place)) is not None:
        delete(place)
        os.close(claim)


def candidates() -> Iterator[Path]:
    for folder in dict.fromkeys((tempfile.gettempdir(), *SHORT)):
        yield from sorted(Path(folder).glob(f"{PREFIX}*-*"))


def claimed(place: Path) -> int | None:
    """A descriptor whose lock keeps others off a directory that nobody holds; None for one that stays. Another user's stays."""
    try:
        if (place / KEPT).exists() and time.time() - (place / KEPT).stat().st_mtime < KEEP_DAYS * 86400:
            return None
        if not (place / HOLD).exists() and time.time() - place.stat().st_mtime < UNHELD_SECONDS:
            return None
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return locked(place)
