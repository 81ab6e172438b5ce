"""Files from outside that a recipe names, and the lists that users keep under a root: what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.fs as pafs

from cluster.errors import RequestError
from cluster.globs import Entry, fits, is_glob, literal_part, local_entries, local_entry, named
from cluster.store import Location, digest_file, first_words, printable

SMALL = 64 << 20  # bytes of a pattern's files that a plan may read: some 30 ms


def root_list(root: Location, name: str) -> dict[str, Any] | None:
    """What enters a key of the list ROOT/<name>/, None while it is empty. Reads names only: thousands are one listing."""
    names = [each for each in (root / name).files() if not each.startswith(".")]
    if not names:
        return None
    return {"uri": f"{name}/", "entries": len(names), "digest": hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]}


def expand(pattern: str, besides: Location | None = None) -> list[dict[str, Any]]:
    """Files that a path, directory, glob or URI names, in name order, with what identifies their content.

    besides: a root, whose files are left out where the pattern `reaches` it: what runs write is no input of theirs.
    Returns [{uri, bytes, modified}]. Raises RequestError where nothing matches, or a local name is not UTF-8.
    """
    place = named_place(pattern)
    try:
        entries = {entry.path: entry for entry in candidates(place) if entry.is_file}
    except OSError as error:
        raise RequestError(
            f"{printable(pattern)}: cannot be listed ({first_words(error)}); check the credentials and what they permit"
        ) from error
    found = sorted(named(place.path, entries))
    if besides is not None and reaches(pattern, besides):
        found = [path for path in found if not path.startswith(inside(besides))]
    if not found:
        deeper = "; a glob names files, and `**/` those in directories below" if "*" in pattern else ""
        raise RequestError(
            f"{printable(pattern)}: no file there; check the path, or quote a glob so that the shell leaves it alone{deeper}"
        )
    if odd := next((path for path in found if printable(path) != path), None):
        raise RequestError(f"{printable(odd)}: the name of this file is not UTF-8; rename it, `convmv` does so for whole trees")
    scheme = "" if place.is_local else f"{place.filesystem.type_name}://"
    return [{"uri": scheme + path, "bytes": entries[path].bytes, "modified": entries[path].modified} for path in found]


def identified(pattern: str, besides: Location | None = None) -> list[dict[str, Any]]:
    """As `expand`, with the `digest` of each file where they are local and small enough to be read before every plan."""
    files = expand(pattern, besides)
    if sum(file["bytes"] for file in files) > SMALL or "://" in files[0]["uri"]:
        return files
    return [file | {"digest": digest_file(Location.of(file["uri"]))[1]} for file in files]


def identity(file: Mapping[str, Any], placed: bool) -> dict[str, Any]:
    """What of a file enters a key: its name (its whole place where rows tell of that), its size, its digest or its time."""
    name = file["uri"] if placed else file["uri"].rpartition("/")[2]
    told = {"digest": file["digest"]} if "digest" in file else {"modified": file["modified"]}
    return {"name": name, "bytes": file["bytes"], **told}


def reaches(pattern: str, root: Location) -> bool:
    """Whether a pattern that begins above a root may name files below it. One that begins at or in the root means them."""
    place = named_place(pattern)
    begin = literal_part(place.path).rstrip("/")
    if place.filesystem.type_name != root.filesystem.type_name or not root.path.rstrip("/").startswith(f"{begin}/"):
        return False
    return not is_glob(place.path) or "**" in place.path or place.path.count("/") >= inside(root).count("/")


def inside(root: Location) -> str:
    return root.path.rstrip("/") + "/"


def named_place(pattern: str) -> Location:
    """Where a path, URI or glob points. Raises RequestError as `Location.of` does."""
    if "://" not in pattern or pattern.startswith("s3://"):
        return Location.of(pattern)
    base = literal_part(pattern)  # in the others, glob signs are no URI or mean something else
    place = Location.of(base)
    return place if base == pattern else Location(place.filesystem, f"{place.path.rstrip('/')}/{pattern[len(base) :]}")


def candidates(place: Location) -> Iterable[Entry]:
    """Among which are the files that a pattern names. Lists no directory that it does not reach."""
    if there := entry_of(place):
        return [there] if there.is_file else entries_in(place, recursive=True)
    if not is_glob(place.path):
        return []
    base = literal_part(place.path)
    reached, segments = base.rstrip("/"), place.path[len(base) :].split("/")
    directories = [reached]
    while len(segments) > 1 and segments[0] != "**":
        segment = segments.pop(0)
        reached = f"{reached}/{segment}"
        if is_glob(segment):
            beside = (entry for each in directories for entry in entries_in(Location(place.filesystem, each)))
            directories = [entry.path for entry in beside if not entry.is_file and fits(entry.path, reached)]
        else:
            directories = [f"{each}/{segment}" for each in directories]
    recursive, hidden = segments[0] == "**", any(segment.startswith(".") for segment in segments)
    return (entry for each in directories for entry in entries_in(Location(place.filesystem, each), recursive, hidden))


def entry_of(place: Location) -> Entry | None:
    if place.is_local:
        return local_entry(place.path)
    info = place.filesystem.get_file_info(place.path)
    return None if info.type == pafs.FileType.NotFound else remote_entry(info)


def entries_in(place: Location, recursive: bool = False, hidden: bool = False) -> Iterable[Entry]:
    """What is in a directory, nothing where there is none; see `local_entries`. On object stores hidden ones are in it."""
    if place.is_local:
        return local_entries(place.path or "/", recursive, hidden)
    selector = pafs.FileSelector(place.path, recursive=recursive, allow_not_found=True)
    return map(remote_entry, place.filesystem.get_file_info(selector))


def remote_entry(info: pafs.FileInfo) -> Entry:
    return Entry(info.path, info.type == pafs.FileType.File, info.size or 0, info.mtime_ns or 0)
