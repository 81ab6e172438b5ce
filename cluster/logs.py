"""Where a run's noise goes: files on the driver's disk, and copies in the root where that is an object store.

A driver's disk may go with its node; the root stays.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import first_line
from cluster.location import Location
from cluster.terminal import err

LOGS = "logs"
COPY_SECONDS = 60.0
LARGEST = 1 << 20  # bytes of a file that are copied: its end, where tracebacks are
MOST = 50  # files of a run that are copied, in name order


def logs_directory(root: Location, name: str) -> Path:
    """A run's own: beside a local root's artefacts, else in the user's cache. Always local."""
    return all_logs(root, name) / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def all_logs(root: Location, name: str) -> Path:
    return (Path(root.path) if root.is_local else Path.home() / ".cache" / "pageloom" / name) / LOGS


def newest_logs(root: Location, name: str) -> Location | None:
    """The logs of the run that began last: those on this machine, or the copies that another one left in the root."""
    here = {each.name: Location.of(each) for each in all_logs(root, name).glob("*") if each.is_dir()}
    there = {} if root.is_local else {each: root / LOGS / each for each in (root / LOGS).directories()}
    found = there | here
    return found[max(found)] if found else None


@contextmanager
def kept_in(root: Location, logs: Path) -> Iterator[None]:
    """Copy the logs to ROOT/logs/ in the block, every COPY_SECONDS, and at its end. A local root has them already."""
    if root.is_local:
        yield
        return
    copies, ended = Copies(logs, root / LOGS / logs.name), threading.Event()

    def copying() -> None:
        while not ended.wait(COPY_SECONDS):
            copies.renew()

    thread = threading.Thread(target=copying, daemon=True, name="logs")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        copies.renew()
        if copies.trouble:
            err.print(f"pageloom: {logs}: not all of it could be copied to {copies.target} ({copies.trouble})", soft_wrap=True)


class Copies:
    """Copies of a directory's files, each as far as LARGEST. trouble: what kept the last renewal; empty where nothing did."""

    def __init__(self, source: Path, target: Location) -> None:
        self.source, self.target = source, target
        self.trouble = ""
        self._seen: dict[str, tuple[int, int]] = {}

    def renew(self) -> None:
        """Copy what changed since the last time."""
        files = sorted(path for path in self.source.rglob("*") if path.is_file())
        self.trouble = f"{len(files) - MOST} files are more than {MOST}" if len(files) > MOST else ""
        for path in files[:MOST]:
            name = path.relative_to(self.source).as_posix()
            try:
                found = path.stat()
                if self._seen.get(name) == (found.st_size, found.st_mtime_ns):
                    continue
                with open(path, "rb") as file:
                    file.seek(max(0, found.st_size - LARGEST))
                    (self.target / name).write_bytes(file.read(LARGEST))
            except OSError as error:
                self.trouble = first_line(error)
                return
            self._seen[name] = (found.st_size, found.st_mtime_ns)
