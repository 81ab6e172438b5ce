"""What a path or glob names, the same where files are listed and where it is asked whose a file is.

A glob means what it means to shells, pathlib and fsspec: `*`, `?` and `[..]` stay within a segment, `**` is any number of
segments, also none. Hidden names (.git, .cache) are taken only where the pattern writes their dot.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from cluster.errors import RequestError

GLOB_SIGNS = "*?["
NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # what a path says that leads to nothing


class Entry(NamedTuple):
    """What a directory holds. modified: nanoseconds since 1970, 0 where the filesystem does not say."""

    path: str
    is_file: bool
    bytes: int
    modified: int


def is_glob(text: str) -> bool:
    return any(mark in text for mark in GLOB_SIGNS)


def literal_part(pattern: str) -> str:
    """The directories in front of the first glob sign, with the slash behind them; all of a pattern without one."""
    if not is_glob(pattern):
        return pattern
    first = min(place for mark in GLOB_SIGNS if (place := pattern.find(mark)) >= 0)
    return pattern[: pattern.rfind("/", 0, first) + 1]


def named(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of the paths that an absolute pattern names: a file, all below a directory, or what a glob fits.

    A path that exists is meant literally, whatever signs are in it: so `a[1].html` is that file, where it is there.
    """
    listed = list(paths)
    if literal := [path for path in listed if path == pattern or is_below(path, pattern)]:
        return literal
    return [path for path in listed if fits(path, pattern)] if is_glob(pattern) else []


def is_below(path: str, directory: str) -> bool:
    """Whether a path is in the directory or its sub-directories, and not hidden there."""
    return path.startswith(directory.rstrip("/") + "/") and dots(path) == dots(directory)


def fits(path: str, glob: str) -> bool:
    # A segment with a dot takes one hidden name: where there are more, `*` or `**` took one.
    return expression(glob).match(path) is not None and dots(path) == dots(glob)


def dots(path: str) -> int:
    """How many segments begin with a dot."""
    return path.count("/.") + path.startswith(".")


@cache
def expression(glob: str) -> re.Pattern[str]:
    from fsspec.utils import glob_translate  # a fifteenth of a second, which only globs cost

    try:
        return re.compile(glob_translate(glob))
    except ValueError as error:
        raise RequestError(
            f"{glob}: `**` stands for directories and must be a whole part of the path, as in a/**/*.gz"
        ) from error


def local_entries(directory: str, recursive: bool, hidden: bool) -> Iterator[Entry]:
    """What is in a local directory; with `recursive`, the files in all below it, in hidden ones only where `hidden` says so.

    There a linked directory is listed too, but every directory once: a link to one above it is no endless tree.
    """
    seen = set[tuple[int, int]]()
    real, links = [directory], list[str]()
    while real or links:
        here = real.pop() if real else links.pop()  # real ones first: a file is called by its own path where it has one here
        try:
            about = os.stat(here)
            with os.scandir(here) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError as error:
            if error.errno in NOWHERE:
                continue
            raise
        if (about.st_dev, about.st_ino) in seen:
            continue
        seen.add((about.st_dev, about.st_ino))
        for child in children:
            entry = local_entry(child.path)
            if entry is None:
                continue
            if entry.is_file or not recursive:
                yield entry
            elif hidden or not child.name.startswith("."):
                (links if child.is_symlink() else real).append(child.path)


def local_entry(path: str) -> Entry | None:
    """The file or directory at a local path or where a link there leads; None where there is neither."""
    try:
        state = os.stat(path)
    except OSError as error:
        if error.errno in NOWHERE:
            return None
        raise
    if stat.S_ISREG(state.st_mode):
        return Entry(path, True, state.st_size, state.st_mtime_ns)
    return Entry(path, False, 0, 0) if stat.S_ISDIR(state.st_mode) else None
