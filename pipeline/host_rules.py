"""What hosts say for all their pages: robots.txt, /.well-known/tdmrep.json and /ai.txt, found in archives and asked by URL."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from protego import Protego

from cluster.store import Location, expand
from pipeline.read.streams import GZIP, WINDOW
from pipeline.rights import Evidence
from pipeline.rights_settings import RightsSettings
from pipeline.url import canonical_url, host_of

GZIP_MEMBER = GZIP + b"\x08"  # with the one compression method there is
KINDS = {"/robots.txt": "robots", "/.well-known/tdmrep.json": "tdmrep", "/ai.txt": "ai_txt"}
TEXT_BYTES = 500 * 1024  # RFC 9309, section 2.5: a crawler must read at least this much
HOST_RULES = "host_rules.parquet"  # where our own crawls keep them
SCHEMA = pa.schema([("host", pa.string()), ("kind", pa.string()), ("time", pa.string()), ("text", pa.large_string())])
USER_AGENT = re.compile(r"^[ \t]*user-?agent[ \t]*:[ \t]*([^\r\n#]+)", re.I | re.M)


@dataclass(frozen=True)
class HostFile:
    """One fetch of a host's rules. host: with a port that is not the default. moved: where it was redirected to."""

    host: str
    kind: str
    time: str
    text: str
    moved: str = ""


def host_file_kind(url: str) -> str:
    """robots, tdmrep or ai_txt where the URL is that of a host's rules, else empty."""
    if not url.endswith((".txt", ".json")):
        return ""
    return KINDS.get("/" + url.partition("://")[2].partition("/")[2], "")


def gather_host_rules(files: Iterable[HostFile]) -> pa.Table:
    """The newest rules of every host and kind, redirects followed, as a table of SCHEMA sorted by host and kind.

    A later answer without rules does not undo them: the page may have been fetched while they stood.

    Memory: the texts, on average 2 kB a host, half a megabyte at most.
    """
    newest: dict[tuple[str, str], HostFile] = {}
    for file in files:
        before = newest.get((file.host, file.kind))
        if before is None or (bool(file.text), file.time) >= (bool(before.text), before.time):
            newest[file.host, file.kind] = file
    rows = []
    for (host, kind), file in sorted(newest.items()):
        for _ in range(5):  # RFC 9309, section 2.3.1.2: five redirects at least, also to another host
            if file.text or not file.moved:
                break
            file = newest.get((host_of(file.moved), host_file_kind(file.moved)), HostFile(host, kind, "", ""))
        if file.text and is_rules(file.text):
            rows.append({"host": host, "kind": kind, "time": file.time, "text": file.text})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def is_rules(text: str) -> bool:
    """Many servers answer every address with a page: that is no rule."""
    return not text.lstrip("\ufeff \t\r\n").startswith("<")


class HostRules:
    """Answers for a URL from its host's rules; parses each host once (the last 4,096 are kept parsed).

    rules: table of SCHEMA. Memory: the texts and about ten times those of the parsed hosts.
    """

    def __init__(self, rules: pa.Table, settings: RightsSettings) -> None:
        self.rules, self.settings = rules, settings
        self.agents = {agent.lower(): agent for agent in settings.ai_agents}
        self.own = settings.own_agent.lower()
        self.rows: dict[str, list[int]] = {}
        for row, host in enumerate(rules["host"].to_pylist()):
            self.rows.setdefault(host, []).append(row)
        self.parsed = lru_cache(maxsize=4096)(self.parse)

    def __reduce__(self) -> tuple[type[HostRules], tuple[pa.Table, RightsSettings]]:
        return HostRules, (self.rules, self.settings)

    def parse(self, host: str) -> dict[str, Any]:
        """{robots or ai_txt: AgentRules, tdmrep: [TdmRule]}."""
        found: dict[str, Any] = {}
        for row in self.rows[host]:
            kind, text = self.rules["kind"][row].as_py(), self.rules["text"][row].as_py()
            found[kind] = tdm_rules(text) if kind == "tdmrep" else AgentRules(text, self.agents, self.own)
        return found

    def of(self, url: str) -> dict[str, Any]:
        host = plain_host(url)
        return self.parsed(host) if host in self.rows else {}

    def opt_outs(self, url: str) -> list[Evidence]:
        """What robots.txt and ai.txt of the URL's host say against its use."""
        rules, found = self.of(url), []
        if (robots := rules.get("robots")) and (agent := robots.forbids(url)):
            found.append(Evidence("robots", f"robots.txt: {agent}"))
        if ai_txt := rules.get("ai_txt"):
            # The lists of ai.txt are of file types; a page whose address names none is HTML.
            typed = () if "." in urlsplit(url).path.rpartition("/")[2] else (without_query(url) + "index.html",)
            if agent := next(filter(None, map(ai_txt.forbids, (url, *typed))), ""):
                found.append(Evidence("ai_txt", f"ai.txt: {agent}"))
        return found

    def reservation(self, url: str) -> tuple[bool | None, str]:
        """Whether tdmrep.json reserves the URL (None: it says nothing), and the evidence."""
        rules: list[TdmRule] = self.of(url).get("tdmrep", [])
        if not rules:
            return None, ""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # The longest location counts, as RFC 9309 has it for robots.txt; of two as long the one that reserves.
        best = max(
            (rule for rule in rules if rule.matches(path)), key=lambda rule: (len(rule.location), rule.reserves), default=None
        )
        return (best.reserves, f"tdmrep.json: {best.location[:100]}") if best else (None, "")


class AgentRules:
    """A file in the form of robots.txt, asked for the agents it names and, for our own, what it says to everybody."""

    def __init__(self, text: str, agents: dict[str, str], own: str) -> None:
        # Only a group that names a crawler speaks of it. Protego alone would let `User-agent: Google` speak of
        # Google-Extended; so it is asked with the names as the file spells them.
        self.asked: dict[str, str] = {}  # what Protego is asked with -> what the evidence says
        everybody = False
        for found in USER_AGENT.finditer(text):
            spelled = found[1].strip().lower()
            name = spelled.partition("/")[0].rstrip("* ")
            everybody |= spelled == "*"
            if name in agents or (own and name == own):
                self.asked[spelled] = agents.get(name, name)
        if own and own not in self.asked and everybody:
            self.asked[own] = "*"
        self.rules = Protego.parse(text) if self.asked else None

    def forbids(self, url: str) -> str:
        """The first agent that may not fetch the URL, or an empty string."""
        if self.rules is None:
            return ""
        return next((name for agent, name in self.asked.items() if not self.rules.can_fetch(url, agent)), "")


@dataclass(frozen=True)
class TdmRule:
    """A rule of a tdmrep.json. location: the beginning of a path, with `*` and `$` as in RFC 9309."""

    location: str
    reserves: bool

    def matches(self, path: str) -> bool:
        """Takes the first place for each part between wildcards: enough, and unlike a pattern of `re` it cannot hang."""
        anchored = self.location.endswith("$")
        first, *rest = self.location.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        position, last = len(first), rest.pop() if rest else None
        for part in rest:
            position = path.find(part, position) + len(part)
            if position < len(part):
                return False
        if last is None:
            return not anchored or position == len(path)
        if anchored:
            return len(path) - len(last) >= position and path.endswith(last)
        return path.find(last, position) >= 0


def tdm_rules(text: str) -> list[TdmRule]:
    """The rules of a tdmrep.json; what is none is left out. Source: W3C community group report TDMRep, 2024."""
    try:
        rules = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return []
    return [
        TdmRule(rule["location"], str(rule.get("tdm-reservation")) == "1")
        for rule in (rules if isinstance(rules, list) else [rules])
        if isinstance(rule, dict) and isinstance(rule.get("location"), str) and str(rule.get("tdm-reservation")) in ("0", "1")
    ]


def plain_host(url: str) -> str:
    """`host` or `host:port` in lower case, default ports left out: what the rows are called by."""
    authority = url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    return authority.removesuffix(":443" if url[:5].lower() == "https" else ":80")


def without_query(url: str) -> str:
    path = url.partition("?")[0].partition("#")[0]
    return path if path.endswith("/") else path + "/"


# Archives


def collect_host_rules(crawl: Location, archives: Iterable[Location], settings: RightsSettings) -> pa.Table:
    """The rules for a `pages` stage: of our own crawl from its table, of other archives from the archives themselves.

    crawl: the crawl artefact. archives: WARC files that are not ours, of which all are scanned. Those that the settings
    name (Common Crawl keeps robots.txt in archives of their own) come to it in either case. Where the archives are many
    terabytes, give `scan_archive` to tasks and all they find to `gather_host_rules`.
    """
    files = list[HostFile]()
    if (crawl / HOST_RULES).exists():
        files += (HostFile(**row) for row in pq.read_table((crawl / HOST_RULES).open()).to_pylist())
    else:
        files += (file for place in archives for file in scan_archive(place))
    for pattern in settings.host_files:
        files += (file for found in expand(pattern) for file in scan_archive(Location.of(found["uri"])))
    return gather_host_rules(files)


def scan_archive(place: Location) -> Iterator[HostFile]:
    """The hosts' rules in a WARC file, without decompressing its pages where each record is a gzip member.

    There, only the first bytes of each member are decompressed, and the next one is searched for by its magic:
    about four times faster than reading the file (tests/benchmarks/rights.py). What cannot be read is left out.
    Memory: one window of 1 MB.
    """
    with place.open() as stream:
        if stream.read(3) != GZIP_MEMBER:
            stream.seek(0)
            yield from read_host_files(stream)
            return
        for offset in rules_members(stream):
            stream.seek(offset)
            yield from read_host_files(stream, first_only=True)


def rules_members(stream: Any) -> Iterator[int]:
    """Offsets of the gzip members whose WARC header names a host's rules."""
    position, window = 0, b""
    stream.seek(0)
    while True:
        block = stream.read(WINDOW)
        window += block
        # The last kilobytes wait for the next block, so that a header is never cut.
        end = len(window) - (4096 if block else 0)
        found = window.find(GZIP_MEMBER)
        while 0 <= found < end:
            if names_rules(member_head(window[found : found + 4096])):
                yield position + found
            found = window.find(GZIP_MEMBER, found + 1)
        if not block:
            return
        position, window = position + max(end, 0), window[max(end, 0) :]


def member_head(data: bytes) -> bytes:
    """The first 2 kB in a gzip member, or nothing where there is none: the magic alone occurs in compressed data too."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data, 2048)
    except zlib.error:
        return b""


def names_rules(head: bytes) -> bool:
    """Whether this is the WARC header of a response with one of the three addresses."""
    if not head.startswith(b"WARC/"):
        return False
    target = re.search(rb"^WARC-Target-URI:\s*<?([^\r\n>]*)", head, re.I | re.M)
    return target is not None and b"WARC-Type: request" not in head and bool(host_file_kind(target[1].decode("latin-1")))


def read_host_files(stream: Any, first_only: bool = False) -> Iterator[HostFile]:
    try:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False):
            if file := host_file(record):
                yield file
            if first_only:
                return
    except OSError:
        return


def host_file(record: WarcRecord) -> HostFile | None:
    """The host's rules in a response record; None for every other record and for answers that state no rules."""
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    kind = host_file_kind(url)
    if not kind or not record.is_http or record.record_type & WarcRecordType.request:
        return None
    record.parse_http(auto_decode="all")
    if record.http_headers is None:
        return None
    time, status = record.headers.get("WARC-Date") or "", record.http_headers.status_code or 0
    if 300 <= status < 400:
        moved = canonical_url(record.http_headers.get("Location") or "", url)
        return HostFile(plain_host(url), kind, time, "", moved) if moved else None
    text = record.reader.read(TEXT_BYTES).decode("utf-8", "replace") if status == 200 else ""
    return HostFile(plain_host(url), kind, time, text)
