"""The crawler: visits its hosts politely and leaves WARC files and a journal behind."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata

import aiohttp
import pyarrow as pa
import pyarrow.parquet as pq
from protego import Protego
from yarl import URL

from cluster.store import Location, parquet_bytes, shard_records, write_shard
from cluster.track.events import Track
from pipeline.crawl.addresses import NotPublic, PublicResolver
from pipeline.crawl.archive import WarcFile
from pipeline.crawl.frontier import Fetch, Frontier, Limits, page_links
from pipeline.crawl.settings import CrawlSettings
from pipeline.read.charset import decode
from pipeline.read.warc.http_body import codings_of, decoded
from pipeline.rights.host_files import KINDS, TEXT_BYTES, HostFile, is_rules, rules_text
from pipeline.url import canonical_url

AGENT = "pageloom"
FILES_PER_ACTOR = 1_000_000  # at 64 MB each more than any crawler fetches: two of them share no number
DEAD_AFTER = 5  # failed exchanges in a row after which a host is left alone
NO_TEXT = re.compile("[\0-\x08\x0e-\x19\x1c-\x1f]")  # such as an encoding that no header announces; \x1a and \x1b do occur
TRANSIENT = {"timeout", "unreachable", "broken", "http_429", "http_503"}
JOURNAL = pa.schema(
    [
        ("host", pa.string()),
        ("url", pa.string()),
        ("depth", pa.int32()),
        ("reason", pa.string()),
        ("status", pa.int32()),
        ("bytes", pa.int64()),
        ("links", pa.list_(pa.string())),
    ]
)


HOST_FILES = pa.schema([(name, pa.string()) for name in ("host", "kind", "time", "text", "moved")])


def journal_name(index: int) -> str:
    return f"journal/{index:06d}.parquet"


def host_files_name(index: int) -> str:
    return f"host_files/{index:06d}.parquet"


@dataclass
class Exchange:
    """A request and its answer, as they go into the archive."""

    request_headers: list[tuple[str, str]]
    status: int
    status_line: str
    headers: list[tuple[str, str]]
    body: bytes
    content_type: str
    charset: str | None

    def decoded(self, limit: int) -> tuple[bytes, str]:
        """The body without its content encodings, limit + 1 bytes of a longer one, and a note where it ends early.

        An encoding that is announced and not there is passed over. Raises ValueError where the body is damaged inside one.
        """
        codings = codings_of(value for name, value in self.headers if name.lower() == "content-encoding")
        return decoded(self.body, codings, limit)


class TooLarge(Exception):
    """The body is longer than may be kept."""


class Crawler:
    """Visits hosts, each one request at a time with a pause between, several hosts at once.

    Every closed WARC file is a committed shard; what was fetched into it is in a journal beside it (written
    first), so that another attempt, by any number of crawlers, goes on where the last closed file ends.
    Memory: the open WARC file, and 100-200 bytes for each URL seen.
    """

    def __init__(self, number: int, settings: CrawlSettings, output: Location, work: Location, track: Track) -> None:
        self.settings, self.output, self.work, self.track = settings, output, work, track
        self.software = f"{AGENT}/{metadata.version('pageloom')}"
        self.user_agent = f"{self.software} (+{settings.contact or 'run by the owner of this host'})"
        done = shard_records(output)
        first = number * FILES_PER_ACTOR
        self.index = max((each + 1 for each in done if first <= each < first + FILES_PER_ACTOR), default=first)
        self.journal: list[tuple[str, Fetch]] = []
        self.host_files: list[HostFile] = []
        self.finished = self._read_journals(done)
        self.redirects: Counter[str] = Counter()
        self.said = 0
        self._open_file()

    async def crawl(self, seeds: Mapping[str, list[str]]) -> None:
        """Crawl every host from its seeds (host -> canonical URLs)."""
        turns = asyncio.Semaphore(self.settings.hosts_at_once)
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout)
        headers = {"User-Agent": self.user_agent, "Accept": "text/html,application/xhtml+xml", "Accept-Encoding": "gzip"}
        # Bodies stay as sent: the archive keeps what the server said, not what a library made of it.
        self.resolver = PublicResolver(url for urls in seeds.values() for url in urls)
        connector = aiohttp.TCPConnector(resolver=self.resolver)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=headers, auto_decompress=False
        ) as session:

            async def visit(host: str, urls: list[str]) -> None:
                async with turns:
                    await self._visit(session, host, urls)

            await asyncio.gather(*(visit(host, urls) for host, urls in seeds.items()))
        self._close_file()

    async def _visit(self, session: aiohttp.ClientSession, host: str, seeds: list[str]) -> None:
        limits = Limits(self.settings.max_pages, self.settings.max_depth, int(self.settings.max_host_mb * 1e6))
        frontier = Frontier(host, seeds, self.settings.exclude, limits)
        frontier.replay(self.finished.pop(host, ()))
        origin = str(URL(seeds[0]).origin())
        robots = await self._robots(session, host, f"{origin}/robots.txt")
        delay, ready = self.settings.delay, 0.0
        if robots is None:
            frontier.give_up("robots_unreachable")
            robots = Protego.parse("")
        else:
            delay = max(delay, robots.crawl_delay(AGENT) or 0.0)
            ready = await self._reservations(session, host, origin, robots, delay)
        tried: Counter[str] = Counter()
        failed_in_a_row = 0
        while following := frontier.next():
            url, depth = following
            if not robots.can_fetch(url, AGENT):
                self._keep(host, Fetch(url, depth, "robots_disallowed"))
                continue
            await asyncio.sleep(max(0.0, ready - time.monotonic()))
            fetch = await self._fetch(session, url, depth)
            ready = time.monotonic() + delay
            tried[url] += 1
            if fetch.reason in TRANSIENT:
                failed_in_a_row += 1
                if failed_in_a_row >= DEAD_AFTER:
                    frontier.give_up("host_failing")
                elif tried[url] < self.settings.attempts:
                    ready += delay + 2 ** tried[url]
                    frontier.retry(url, depth)
                    continue
            else:
                failed_in_a_row = 0
            frontier.done(fetch)
            self._keep(host, fetch)
        self._keep(host, *frontier.take_refused())

    async def _robots(self, session: aiohttp.ClientSession, host: str, url: str) -> Protego | None:
        """The host's rules. None: nobody answers, the server fails, or what it says cannot be read.

        Then nothing may be fetched (RFC 9309, section 2.3.1): rules that are there and unread may forbid all.
        """
        try:
            text = await self._host_file(session, host, "robots", url)
        except TooLarge:
            return Protego.parse("User-agent: *\nDisallow: /")
        return None if text is None else Protego.parse(text)

    async def _reservations(
        self, session: aiohttp.ClientSession, host: str, origin: str, robots: Protego, delay: float
    ) -> float:
        """Archive what the host says of text and data mining, for `pages` to judge by; returns when the next request may go.

        Only a host that has pages we may fetch is asked, with the same pause as between pages.
        """
        ready = time.monotonic() + delay
        for path, kind in KINDS.items():
            if kind == "robots" or not self.settings.host_files or not robots.can_fetch(origin + path, AGENT):
                continue
            await asyncio.sleep(max(0.0, ready - time.monotonic()))
            with contextlib.suppress(TooLarge):
                await self._host_file(session, host, kind, origin + path)
            ready = time.monotonic() + delay
        return ready

    async def _host_file(self, session: aiohttp.ClientSession, host: str, kind: str, url: str) -> str | None:
        """The text at an address for the whole host, redirects followed; empty where there is none, None for no answer.

        None too where the answer cannot be decoded, or a redirect leads into a network that is not public. Kept with the host
        it was asked of, which after a redirect is not the one in the archive. Raises TooLarge.
        """
        for _ in range(self.settings.max_redirects + 1):
            try:
                exchange = await self._exchange(session, url, TEXT_BYTES)
            except (aiohttp.ClientError, TimeoutError, OSError, NotPublic):
                return None
            if exchange.status >= 500:
                return None
            if 300 <= exchange.status < 400 and (target := redirect_target(exchange, url)):
                url = target
                continue
            if exchange.status != 200:
                return ""
            try:
                body, cut_off = exchange.decoded(TEXT_BYTES)
            except ValueError:
                return None
            if len(body) > TEXT_BYTES:
                raise TooLarge(url)
            text = rules_text(body)
            if cut_off or NO_TEXT.search(text):
                return None
            if is_rules(text):
                time_fetched = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                self.host_files.append(HostFile(host, kind, time_fetched, text))
            return text
        return ""

    async def _fetch(self, session: aiohttp.ClientSession, url: str, depth: int) -> Fetch:
        limit = int(self.settings.max_page_mb * 1e6)
        try:
            exchange = await self._exchange(session, url, limit)
        except TooLarge:
            return Fetch(url, depth, "too_large")
        except TimeoutError:
            return Fetch(url, depth, "timeout")
        except NotPublic:
            return Fetch(url, depth, "not_public")
        except aiohttp.ClientConnectorError:
            return Fetch(url, depth, "unreachable")
        except (aiohttp.ClientError, OSError):
            return Fetch(url, depth, "broken")
        status, size = exchange.status, len(exchange.body)
        if 300 <= status < 400 and (target := redirect_target(exchange, url)):
            self.redirects[target] = self.redirects[url] + 1
            if self.redirects[target] > self.settings.max_redirects:
                return Fetch(url, depth, "too_many_redirects", status, size)
            return Fetch(url, depth, "redirect", status, size, (target,))
        if status != 200:
            return Fetch(url, depth, f"http_{status}", status, size)
        links: tuple[str, ...] = ()
        if exchange.content_type in ("text/html", "application/xhtml+xml"):
            with contextlib.suppress(ValueError):  # damaged inside its encoding: `records` has a row that tells of it
                links = page_links(decode(exchange.decoded(10 * limit)[0], exchange.charset).text, url)
        return Fetch(url, depth, "ok", status, size, links)

    async def _exchange(self, session: aiohttp.ClientSession, url: str, limit: int) -> Exchange:
        """One request and its whole answer, put into the archive. Raises TooLarge, NotPublic and aiohttp's errors."""
        self.resolver.check(url)
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # encoded=True: canonical_url has already decided the spelling, the archive must show the same.
        async with session.get(URL(url, encoded=True), allow_redirects=False) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > limit:
                    raise TooLarge(url)
            version = response.version or aiohttp.HttpVersion11
            protocol = f"HTTP/{version.major}.{version.minor}"
            exchange = Exchange(
                request_headers=list(response.request_info.headers.items()),
                status=response.status,
                status_line=f"{protocol} {response.status} {response.reason or ''}".rstrip(),
                headers=[(name, value) for name, value in response.headers.items() if name.lower() != "transfer-encoding"],
                body=bytes(body),
                content_type=response.content_type,
                charset=response.charset,
            )
        line = f"GET {URL(url, encoded=True).raw_path_qs} HTTP/1.1"
        self.file.add(url, date, (line, exchange.request_headers), exchange.status_line, exchange.headers, exchange.body)
        return exchange

    # What is done, and how it survives.

    def _keep(self, host: str, *fetches: Fetch) -> None:
        self.journal += [(host, fetch) for fetch in fetches]
        self.said += sum(fetch.reason == "ok" for fetch in fetches)
        if self.said >= 20:
            self._say()
        if self.file.size >= self.settings.warc_mb * 1e6:
            self._close_file()
            self._open_file()

    def _say(self) -> None:
        self.track.advance(self.said, unit="pages")
        self.said = 0

    def _open_file(self) -> None:
        self.file = WarcFile(f"crawl-{self.index:06d}.warc.gz", self.software, self.settings.contact or "")

    def _close_file(self) -> None:
        rows = [{"host": host, **asdict(fetch)} for host, fetch in self.journal]
        (self.work / journal_name(self.index)).write_bytes(parquet_bytes(pa.Table.from_pylist(rows, schema=JOURNAL)))
        files = pa.Table.from_pylist([asdict(file) for file in self.host_files], schema=HOST_FILES)
        (self.work / host_files_name(self.index)).write_bytes(parquet_bytes(files))
        reasons = Counter(fetch.reason for _, fetch in self.journal)
        write_shard(self.output, self.index, f"warc/{self.file.name}", self.file.close(), **reasons)
        self.index, self.journal, self.host_files = self.index + 1, [], []
        self._say()

    def _read_journals(self, done: Iterable[int]) -> dict[str, list[Fetch]]:
        finished: dict[str, list[Fetch]] = {}
        for index in sorted(done):
            for row in pq.read_table((self.work / journal_name(index)).open()).to_pylist():
                finished.setdefault(row.pop("host"), []).append(Fetch(**row))
        return finished


class CrawlWorker:
    """The actor. Synchronous, so that the crawler has an event loop of its own and may block on the store."""

    def __init__(self, number: int, settings: CrawlSettings, output: Location, work: Location) -> None:
        self.arguments = (number, settings, output, work)

    def crawl(self, seeds: Mapping[str, list[str]], track: Track) -> None:
        started = time.time()
        asyncio.run(Crawler(*self.arguments, track).crawl(seeds))
        track.worked(started, time.time())


def redirect_target(exchange: Exchange, url: str) -> str | None:
    location = next((value for name, value in exchange.headers if name.lower() == "location"), None)
    return canonical_url(location, url) if location else None
