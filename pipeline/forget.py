"""Pages that somebody asked to be forgotten: a list under the root that every later run leaves out.

An entry is a file ROOT/forget/<digest of what it names>.json, written whole and never changed. So two people can add at
the same time, also while a run holds the root, saying it twice changes nothing, and the names alone are the list's state.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from cluster.errors import RequestError, WorkError
from cluster.stage import root_list
from cluster.store import Location, digest_bytes
from pipeline.url import canonical_url, host_of

FORGET = "forget"
REASON = "forgotten"
Kind = Literal["url", "host", "warc_record"]


class Entry(BaseModel):
    """What is to be forgotten. value: in the one spelling of `entry`. reason: the person's words; time: ISO 8601 UTC."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    value: str
    reason: str = ""
    time: str = ""

    @property
    def name(self) -> str:
        return f"{digest_bytes(f'{self.kind} {self.value}'.encode())}.json"

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.value}"


def entry(kind: Kind, value: str, reason: str = "") -> Entry:
    """An entry in the spelling that is matched: a URL without scheme and fragment, a host in lower case, FILE@OFFSET.

    Raises RequestError where the value is none of its kind.
    """
    spelled = {"url": spelled_url, "host": spelled_host, "warc_record": spelled_record}[kind](value.strip())
    return Entry(kind=kind, value=spelled, reason=reason, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def spelled_url(value: str) -> str:
    url = canonical_url(value)
    if url is None:
        raise RequestError(f"--url {value}: not an http:// or https:// URL; give the whole address of a page")
    return without_scheme(url)


def spelled_host(value: str) -> str:
    url = canonical_url(f"http://{value}") if value and not set("/@?#") & set(value) else None
    if url is None:
        raise RequestError(f"--host {value}: not a host's name; give it as example.org, without scheme and path")
    return host_of(url)


def spelled_record(value: str) -> str:
    file, at, offset = value.rpartition("@")
    if not (file and at and offset.isascii() and offset.isdigit()):
        raise RequestError(f"--warc-record {value}: give FILE@OFFSET, as `pageloom trace URL` prints them")
    return f"{file}@{int(offset)}"


def without_scheme(url: str) -> str:
    return url.partition("://")[2]


def remember(root: Location, new: Entry) -> bool:
    """Put an entry on the list; False where it was on it already (its reason and time stay)."""
    place = root / FORGET / new.name
    if place.exists():
        return False
    place.write_bytes(new.model_dump_json(indent=1).encode())
    return True


def entries(root: Location) -> list[Entry]:
    """The whole list, oldest first. Raises RequestError naming a file that is no entry."""
    found = []
    for name in (root / FORGET).files():
        if name.startswith("."):
            continue  # of a writer that was killed
        place = root / FORGET / name
        try:
            each = Entry.model_validate_json(place.read_bytes())
        except ValueError as error:
            raise RequestError(f"{place}: not an entry of the list to forget; remove the file or restore it") from error
        found.append(each)
    return sorted(found, key=lambda each: (each.time, each.name))


def read_forgotten(root: Location, external: Iterable[dict[str, Any]]) -> Forgotten:
    """The list that a stage's key speaks of (`Context.external`). Raises WorkError where it has grown since the plan."""
    planned = next((each for each in external if each["uri"] == f"{FORGET}/"), None)
    if root_list(root, FORGET) != planned:
        raise WorkError(f"{root / FORGET}: pages were forgotten after this run had begun; run again")
    return Forgotten(entries(root))


class Forgotten:
    """Answers whether a record is to be forgotten. Picklable; about 150 bytes an entry.

    A URL counts with either scheme and in every spelling (`canonical_url`), a host with its sub-domains and, where it
    names no port, with every port; a WARC file by its whole name or by its last parts.
    """

    def __init__(self, listed: Iterable[Entry]) -> None:
        self.urls: set[str] = set()
        self.hosts: set[str] = set()
        self.records: dict[int, list[str]] = {}
        for each in listed:
            if each.kind == "url":
                self.urls.add(each.value)
            elif each.kind == "host":
                self.hosts.add(each.value)
            else:
                file, _, offset = each.value.rpartition("@")
                self.records.setdefault(int(offset), []).append(file)
        self.names_ports = any(":" in host for host in self.hosts)
        self.url_hosts = {(urlsplit(f"//{url}").hostname or "") for url in self.urls}

    def __bool__(self) -> bool:
        return bool(self.urls or self.hosts or self.records)

    def match(self, url: str, file: str, offset: int) -> str:
        """The evidence, such as `host example.org`; empty where nothing on the list means this record."""
        for name in self.records.get(offset, ()):
            if file == name or file.endswith(f"/{name}"):
                return f"warc record {name}@{offset}"
        if not self.urls and not self.hosts:
            return ""
        host = quick_host(url)
        if not host.isascii() or "%" in host:
            host = urlsplit(canonical_url(url) or "").hostname or ""
        if self.hosts and (listed := self.listed_host(url, host)):
            return f"host {listed}"
        if host in self.url_hosts and (spelled := without_scheme(canonical_url(url) or "")) in self.urls:
            return f"url {spelled}"
        return ""

    def listed_host(self, url: str, host: str) -> str:
        if self.names_ports and (with_port := host_of(canonical_url(url) or "")) in self.hosts:
            return with_port
        while host:
            if host in self.hosts:
                return host
            host = host.partition(".")[2]
        return ""


def quick_host(url: str) -> str:
    """The host in lower case, without port; empty where the URL has none."""
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""
