"""Pages that somebody asked to be forgotten: a list under the root that every later run leaves out.

An entry is a file ROOT/forget/<digest of what it names>.json, written whole and never changed. So two people can add at
the same time, also while a run holds the root, saying it twice changes nothing, and the names alone are the list's state.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cluster.errors import RequestError, WorkError
from cluster.inputs import root_list
from cluster.store import Location, digest_bytes
from pipeline.url import canonical_url, host_name, host_of, without_port, without_scheme

FORGET = "forget"
REASON = "forgotten"
Kind = Literal["url", "host", "warc_record"]
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?!\d)", re.ASCII | re.IGNORECASE)  # and not a host with its port
SURROGATE = re.compile("[\ud800-\udfff]")
HOST = re.compile(r"([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d+)?", re.ASCII)


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
    """An entry in the spelling that is matched: a URL without scheme and fragment, a host as in `host_of`, FILE@OFFSET.

    Raises RequestError where the value is none of its kind.
    """
    if SURROGATE.search(value):  # what the shell hands over for bytes that are no UTF-8
        raise RequestError(f"--{kind.replace('_', '-')} {value!r}: not UTF-8; give it as `pageloom trace` prints it")
    spelled = {"url": spelled_url, "host": spelled_host, "warc_record": spelled_record}[kind](value.strip())
    return Entry(kind=kind, value=spelled, reason=reason, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def spelled_url(value: str) -> str:
    """A web address without its scheme; what is none, such as file:///x, as records have it."""
    if url := canonical_url(value):
        return without_scheme(url)
    if not SCHEME.match(value):
        raise RequestError(
            f"--url {value}: not a whole address; give it with its scheme, such as https://example.org/page, "
            "or name the record by --warc-record FILE@OFFSET"
        )
    return value


def spelled_host(value: str) -> str:
    """`*.example.org` is example.org: a host stands for its sub-domains in either spelling."""
    bare = value.removeprefix("*.").removeprefix(".")
    host = host_of(f"http://{bare}") if not set("/@?#") & set(bare) else ""
    if not HOST.fullmatch(host):
        raise RequestError(f"--host {value}: not a host's name; give it as example.org, without scheme and path")
    return host


def spelled_record(value: str) -> str:
    file, at, offset = value.rpartition("@")
    if not (file and at and offset.isascii() and offset.isdigit()):
        raise RequestError(f"--warc-record {value}: give FILE@OFFSET, as `pageloom trace URL` prints them")
    return f"{file}@{int(offset)}"


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

    A web address counts with either scheme and in every spelling (`canonical_url`), any other as it is spelled; a host with
    its sub-domains and, where it names no port, with every port; a WARC file by its whole name or by its last parts.
    """

    def __init__(self, listed: Iterable[Entry]) -> None:
        self.urls: set[str] = set()
        self.hosts: set[str] = set()
        self.records: dict[int, list[str]] = {}
        for each in listed:
            if each.kind == "url":
                # Both spellings: an entry is never changed, and some are older than the one spelling of hosts.
                self.urls |= {each.value, without_scheme(canonical_url(f"http://{each.value}") or f"http://{each.value}")}
            elif each.kind == "host":
                self.hosts.add(host_of(f"http://{each.value}") or each.value)
            else:
                file, _, offset = each.value.rpartition("@")
                self.records.setdefault(int(offset), []).append(file)
        self.url_hosts = {host_name(f"http://{url}") for url in self.urls}

    def __bool__(self) -> bool:
        return bool(self.urls or self.hosts or self.records)

    def match(self, url: str, file: str, offset: int) -> str:
        """The evidence, such as `host example.org`; empty where nothing on the list means this record."""
        for name in self.records.get(offset, ()):
            if file == name or file.endswith(f"/{name}"):
                return f"warc record {name}@{offset}"
        if not self.urls and not self.hosts:
            return ""
        host = host_of(url)
        if self.hosts and (listed := self.listed_host(host)):
            return f"host {listed}"
        if url in self.urls:
            return f"url {url}"
        if without_port(host) in self.url_hosts and (spelled := without_scheme(canonical_url(url) or "")) in self.urls:
            return f"url {spelled}"
        return ""

    def listed_host(self, host: str) -> str:
        if host in self.hosts:
            return host
        host = without_port(host)
        while host:
            if host in self.hosts:
                return host
            host = host.partition(".")[2]
        return ""
