"""Which files hold the pages, in what format, from which source: looked at once, before any work is dealt out."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from cluster.errors import RequestError, first_line
from cluster.globs import named
from cluster.inputs import named_place
from cluster.store import Location
from pipeline.crawl.settings import Source
from pipeline.read.code.licence import LICENCE_BYTES, is_licence_file, licences_in, nearest
from pipeline.read.formats import guess_format, read_head, why_unknown
from pipeline.read.streams import AT_ONCE, open_content

Files = list[dict[str, Any]]


def inventory(external: Iterable[Mapping[str, Any]], sources: Sequence[Source]) -> tuple[Files, Files]:
    """Sort files into what can be read and what cannot.

    external: [{uri, bytes}]; a file that two sources name belongs to the first of them. Returns (files, unreadable):
    files [{uri, bytes, source, format}], for source code also `path` in its tree and `licence` (SPDX expression);
    unreadable [{uri, bytes, source, reason}]. Reads the first 64 KiB of each file whose source gives no format.
    """
    files, unreadable = [], []
    for source, listed in by_source(external, sources):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            formats = list(pool.map(partial(format_of, given=source.format), listed))
        for each, (kind, reason) in zip(listed, formats, strict=True):
            entry = {"uri": each["uri"], "bytes": each["bytes"], "source": source.name}
            if reason:
                unreadable.append({**entry, "reason": reason})
            else:
                files.append({**entry, "format": kind})
        add_licences([file for file in files if file["source"] == source.name and file["format"] == "code"], listed)
    return files, unreadable


def by_source(external: Iterable[Mapping[str, Any]], sources: Sequence[Source]) -> list[tuple[Source, list[Mapping[str, Any]]]]:
    """Each source with its files, in the sources' order; every file once.

    Raises RequestError for a source that is left without any.
    """
    files = {each["uri"]: each for each in external}
    owner: dict[str, str] = {}
    for source in sources:
        its = {uri for pattern in source.input for uri in named(str(named_place(pattern)), files)}
        if its and its <= owner.keys():
            raise RequestError(
                f"crawl.sources: {source.name} is left without a file, since a file belongs to the first source that names it "
                f"and {', '.join(sorted({owner[uri] for uri in its}))} named all of its {len(its)}; "
                f"put {source.name} before, or leave it out"
            )
        owner |= dict.fromkeys(its - owner.keys(), source.name)
    return [(source, [files[uri] for uri in files if owner.get(uri) == source.name]) for source in sources]


def format_of(file: Mapping[str, Any], given: str | None) -> tuple[str, str]:
    """(format, empty), or (empty, why the file cannot be read)."""
    if file["bytes"] == 0:
        return "", "empty file"
    if given:
        return given, ""
    try:
        head = read_head(Location.of(file["uri"]))
    except (OSError, zlib.error) as error:
        return "", f"cannot be read: {first_line(error)}"
    kind = guess_format(file["uri"], head)
    return ("", why_unknown(head)) if kind == "unknown" else (kind, "")


def add_licences(code: Files, listed: Sequence[Mapping[str, Any]]) -> None:
    """Note each source file's path in its tree, and the licences of the nearest directory above it that has any."""
    if not code:
        return
    found: dict[str, list[str]] = {}
    for each in listed:
        directory, _, name = each["uri"].rpartition("/")
        if is_licence_file(name):
            found[directory] = sorted({*found.get(directory, []), *licences_of(each["uri"])})
    top = os.path.commonpath([os.path.dirname(each["uri"]) for each in listed])
    for file in code:
        file["path"] = file["uri"][len(top) :].lstrip("/")
        file["licence"] = nearest(file["uri"], found)


def licences_of(uri: str) -> list[str]:
    """SPDX ids of a licence file; `unknown-licence` for one that we do not know, so that it permits nothing."""
    try:
        with open_content(Location.of(uri)) as stream:
            text = stream.read(LICENCE_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    return licences_in(text) or ["unknown-licence"]


def places(listing: Mapping[str, Any], crawl: Location) -> Files:
    """What `plan_units` takes, from the crawl stage's `inventory.json`.

    Files that the crawl itself wrote are named by their path in it, so that rows do not depend on where the root is.
    """
    sources = listing.get("sources", {})
    found = []
    for file in listing["files"]:
        source = sources.get(file["source"], {})
        options = {**source.get("options", {}), **{name: file[name] for name in ("path", "licence") if name in file}}
        uri, name = file.get("uri") or str(crawl / file["path"]), file.get("uri") or file["path"]
        place = {"uri": uri, "name": name, "format": file["format"], "bytes": file["bytes"], "options": options}
        found.append({**place, "source": file["source"], "priority": source.get("priority", 0)})
    return found
