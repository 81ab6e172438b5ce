"""The lock of local roots: record locks on a file, which the kernel releases when the holder dies.

They belong to the open file, not to the process as POSIX's do, and unlike flock's, others can ask for them without taking them.
Byte 0 of the file is the lock; byte 1 says that the holder has written its name. The fence stays in the file between holders.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.errors import RequestError
from cluster.holder import LOCK, Held, Say, held_message, identity, named
from cluster.location import Location, make_directory

RECORD_BYTES = 512  # the file's whole content: one write, so that a kill leaves the old or the new
POLL_SECONDS = 0.2
NAMED_WITHIN = 5  # seconds that a holder has between taking the lock and having written its name
HELD, NAMED = 0, 1
NOT_FREE = (errno.EAGAIN, errno.EACCES)
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def local_holder(root: Location) -> dict[str, Any] | None:
    """Who holds a local root, or None. Takes no lock and writes nothing."""
    try:
        descriptor = os.open(f"{root.path}/{LOCK}", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return who_holds(descriptor) if is_locked(descriptor, HELD) else None
    except OSError as error:
        if error.errno in NO_LOCKS:  # where no run can hold the root
            return None
        raise
    finally:
        os.close(descriptor)


@contextmanager
def local_lock(root: Location, wait: bool, say: Say) -> Iterator[Held]:
    try:
        make_directory(Path(root.path))
        descriptor = os.open(f"{root.path}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RequestError(f"{root}: cannot be written ({error.strerror}); choose another --root") from error
    try:
        waited_for: dict[str, Any] = {}
        while not taken(descriptor, HELD, root):
            who = who_holds(descriptor)
            if not wait:
                raise RequestError(held_message(root, who))
            if who != waited_for:
                say(f"{root}: waiting for another run ({named(who)})")
                waited_for = who
            time.sleep(POLL_SECONDS)
        fence = read_record(descriptor).get("fence", 0) + 1
        write_record(descriptor, identity(fence))
        taken(descriptor, NAMED, root)
        yield Held(fence)
    finally:
        os.close(descriptor)


def record_lock(kind: int, byte: int) -> bytes:
    """The kernel's `struct flock` for one byte of a file, counted from its beginning."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)


def taken(descriptor: int, byte: int, root: Location) -> bool:
    """Lock a byte; False where another holds it. Raises RequestError where the filesystem has no locks."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, record_lock(fcntl.F_WRLCK, byte))
    except OSError as error:
        if error.errno in NOT_FREE:
            return False
        if error.errno in NO_LOCKS:
            raise RequestError(
                f"{root}: its filesystem has no locks ({error.strerror}), so two runs could destroy each other's work; "
                "use a root on a local disk or in an object store"
            ) from error
        raise
    return True


def is_locked(descriptor: int, byte: int) -> bool:
    """Whether another open file holds the lock on a byte. Asks only."""
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, record_lock(fcntl.F_WRLCK, byte))
    return struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK


def who_holds(descriptor: int) -> dict[str, Any]:
    """What the holder says of itself; of one that has just come, once it has; {} where it left meanwhile or says nothing."""
    deadline = time.monotonic() + NAMED_WITHIN
    while not is_locked(descriptor, NAMED):
        if not is_locked(descriptor, HELD) or time.monotonic() > deadline:
            return {}
        time.sleep(0.005)
    return read_record(descriptor)


def read_record(descriptor: int) -> dict[str, Any]:
    """The file's content; {} where it is empty or no record."""
    try:
        record = json.loads(os.pread(descriptor, RECORD_BYTES, 0) or b"{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def write_record(descriptor: int, record: dict[str, Any]) -> None:
    os.pwrite(descriptor, json.dumps(record).encode().ljust(RECORD_BYTES), 0)
    os.fsync(descriptor)
