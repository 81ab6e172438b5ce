"""Lists of domains and URLs that nobody wants to use, kept by the user or by others."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cluster.errors import RequestError
from cluster.store import Location
from pipeline.url import canonical_url, host_name, without_scheme

# A domain, also as ad blockers and browsers' extensions write one: ||example.org^, *.example.org, https://example.org/*
DOMAIN = re.compile(r"(?:https?://|\*?\.|\|\|)?([^\s/*|^?@]+?)(?:\^|/\*)?", re.IGNORECASE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


class BlockList:
    """Domains, each with its sub-domains, and beginnings of URLs. Memory: about 120 bytes a domain.

    A URL entry is matched on its canonical spelling, with either scheme.
    """

    def __init__(self, lines: Iterable[str], source: str = "block list") -> None:
        self.domains: set[str] = set()
        self.beginnings: dict[str, list[str]] = {}  # by host
        self.add(lines, source)

    @classmethod
    def read(cls, uris: Iterable[str]) -> BlockList:
        """From local files or URIs of plain UTF-8 text. Raises RequestError for a missing file or a line that is neither."""
        whole = cls(())
        for uri in uris:
            try:
                text = Location.of(uri).read_bytes().decode("utf-8-sig", "replace")
            except OSError as error:
                raise RequestError(f"{uri}: this block list cannot be read; check pages.rights.block_lists") from error
            whole.add(text.splitlines(), uri)
        return whole

    def add(self, lines: Iterable[str], source: str) -> None:
        for number, line in enumerate(lines, 1):
            entry = line.partition("#")[0].strip() if not line.startswith("http") else line.partition(" #")[0].strip()
            if not entry:
                continue
            if domain := DOMAIN.fullmatch(entry):
                url = f"http://{domain[1]}"
            else:
                beginning = entry.removesuffix("*")
                url = canonical_url(beginning if SCHEME.match(beginning) else f"http://{beginning}") or ""
            host = host_name(url)
            if not HOST.fullmatch(host) or "*" in url or any(each.isspace() for each in entry):
                raise RequestError(f"{source}: line {number}: {entry[:80]!r} is neither a domain nor a URL; correct the line")
            if domain:
                self.domains.add(host)
            else:
                self.beginnings.setdefault(host, []).append(without_scheme(url))

    def entry_for(self, url: str) -> str:
        """The entry that blocks this URL, or an empty string."""
        domain = host = host_name(url)
        while domain:
            if domain in self.domains:
                return domain
            domain = domain.partition(".")[2]
        if host in self.beginnings:
            spelled = without_scheme(canonical_url(url) or url)
            return next((each for each in self.beginnings[host] if spelled.startswith(each)), "")
        return ""
