"""What a root holds that no run and no ref names."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.fs as pafs

from cluster.attempts import BEGUN, attempts_in, half_written
from cluster.location import Location, in_parallel, is_unfinished
from cluster.logs import LOGS
from cluster.named import Name
from cluster.runs import REFS, RUNS
from cluster.shards import WORK
from cluster.store import Store
from cluster.verify import strangers

KEY = re.compile(r"[0-9a-f]{16}")  # as cluster.plan makes them


@dataclass(frozen=True)
class Garbage:
    """Something to delete. what: for people. bytes, files: all that is in it."""

    place: Location
    what: str
    bytes: int
    files: int
    artefact: Name | None = None  # whose manifest goes first

    def delete(self, store: Store) -> None:
        if self.artefact:
            store.discard(*self.artefact)
        else:
            self.place.delete()


def garbage(store: Store, named: set[Name] | None, log_days: float) -> list[Garbage]:
    """What may go, for holders of the root. named: what stays; None: every artefact does. log_days: age of logs that go."""
    found = [each for name in keys_in(store) for each in of_artefact(store, name, named is None or name in named)]
    return found + old_logs(store, log_days)


def keys_in(store: Store) -> list[Name]:
    """Stage and key of everything that looks like an artefact or an attempt at one."""
    stages = [name for name in store.root.directories() if name not in (RUNS, REFS, LOGS)]
    keys = in_parallel(lambda stage: (store.root / stage).directories(), stages)
    return [(stage, key) for stage, there in zip(stages, keys, strict=True) for key in there if KEY.fullmatch(key)]


def of_artefact(store: Store, name: Name, stays: bool) -> Iterator[Garbage]:
    """What goes of an artefact's directory: all of it, or what is beside its files or, uncommitted, beside what resumes."""
    place, artefact = store.place(*name), store.artefact(*name)
    if not stays:
        yield sized(place, "no run names it", name)
        return
    attempts = attempts_in(place)
    if artefact is None:
        kept = [each for each in attempts if (place / each / BEGUN).exists()][-1:]
        left = {f"{each}/{path}": size for each in kept for path, size in (place / each).sizes().items() if half_written(path)}
    else:
        kept = [artefact.location.name]
        if WORK in artefact.location.directories():
            yield sized(artefact.location / WORK, "state that nothing resumes from")
        inside = artefact.location.path.removeprefix(place.path).lstrip("/")
        left = {f"{inside}/{path}".lstrip("/"): size for path, size in strangers(artefact).items()}
    for other in attempts:
        if other not in kept:
            yield sized(place / other, "another attempt")
    left |= {name: 0 for name in place.own_files() if is_unfinished(name)}
    for path, size in left.items():
        yield Garbage(place / path, "no manifest names it", size, 1)


def sized(place: Location, what: str, artefact: Name | None = None) -> Garbage:
    sizes = place.sizes()
    return Garbage(place, what, sum(sizes.values()), len(sizes), artefact)


def old_logs(store: Store, days: float) -> list[Garbage]:
    """Logs of runs in which nothing was written for `days`."""
    logs, found = store.root / LOGS, []
    for name in logs.directories():
        selector = pafs.FileSelector((logs / name).path, recursive=True)
        written = [info.mtime.timestamp() for info in logs.filesystem.get_file_info(selector) if info.mtime]
        if max(written, default=0) < time.time() - days * 86400:
            found.append(sized(logs / name, f"logs older than {days:g} days"))
    return found
