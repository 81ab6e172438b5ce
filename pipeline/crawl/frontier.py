"""One host's part of a crawl: what to fetch next, and what became of every URL that was seen."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from pipeline.url import canonical_url, host_of

LONGEST_URL = 2000  # characters; longer ones are nearly always a trap or a session


@dataclass(frozen=True)
class Limits:
    """Per host. depth: links away from a seed; bytes: of bodies as sent."""

    pages: int
    depth: int
    bytes: int


@dataclass
class Fetch:
    """What became of one URL. reason: 'ok', or why there is no page (`redirect`, `http_404`, `timeout`, ...).

    bytes: of the body as sent. links: what the page points to, in its order, canonical.
    """

    url: str
    depth: int
    reason: str
    status: int = 0
    bytes: int = 0
    links: tuple[str, ...] = ()


class Frontier:
    """Breadth first over one host, each URL at most once, within the limits.

    Every URL that comes in leaves exactly one Fetch behind: from the crawler (`done`) or, where it is not
    to be fetched at all, from here.
    """

    def __init__(self, host: str, seeds: Iterable[str], exclude: Iterable[str], limits: Limits) -> None:
        self.host, self.limits = host, limits
        self.exclude = [re.compile(pattern) for pattern in exclude]
        self.seen: set[str] = set()
        self.queue: deque[tuple[str, int]] = deque()
        self.refused: list[Fetch] = []
        self.pages = self.bytes = 0
        for seed in seeds:
            self._see(seed, 0)

    def _see(self, url: str, depth: int) -> None:
        if url in self.seen:
            return
        self.seen.add(url)
        if len(url) > LONGEST_URL:
            self.refused.append(Fetch(url, depth, "url_too_long"))
        elif host_of(url) != self.host:
            self.refused.append(Fetch(url, depth, "out_of_scope"))
        elif any(pattern.search(url) for pattern in self.exclude):
            self.refused.append(Fetch(url, depth, "excluded"))
        elif depth > self.limits.depth:
            self.refused.append(Fetch(url, depth, "depth_limit"))
        else:
            self.queue.append((url, depth))

    def next(self) -> tuple[str, int] | None:
        """The next URL and its depth; None when the host is done. Limits that are reached refuse the rest."""
        if self.pages >= self.limits.pages:
            self.give_up("page_limit")
        elif self.bytes >= self.limits.bytes:
            self.give_up("byte_limit")
        return self.queue.popleft() if self.queue else None

    def retry(self, url: str, depth: int) -> None:
        """Put a URL that may succeed later at the end of the queue."""
        self.queue.append((url, depth))

    def done(self, fetch: Fetch) -> None:
        """Take in what became of a URL and see its links. A redirect's target keeps the depth."""
        self.seen.add(fetch.url)
        self.bytes += fetch.bytes
        self.pages += fetch.reason == "ok"
        for link in fetch.links:
            self._see(link, fetch.depth + (fetch.reason != "redirect"))

    def replay(self, fetches: Iterable[Fetch]) -> None:
        """Take in what an interrupted crawl had finished, so that nothing is fetched twice."""
        finished = list(fetches)
        for fetch in finished:
            self.done(fetch)
        urls = {fetch.url for fetch in finished}
        self.queue = deque(each for each in self.queue if each[0] not in urls)
        self.refused = [fetch for fetch in self.refused if fetch.url not in urls]

    def give_up(self, reason: str) -> None:
        """Refuse all that is still queued."""
        self.refused += [Fetch(url, depth, reason) for url, depth in self.queue]
        self.queue.clear()

    def take_refused(self) -> list[Fetch]:
        taken, self.refused = self.refused, []
        return taken


def page_links(html: str, url: str) -> tuple[str, ...]:
    """Canonical targets of a page's `a[href]`, each once, in the page's order.

    Honours `<base href>`, `rel=nofollow` and `<meta name=robots content=nofollow>`.
    """
    tree = etree.fromstring(html.encode("utf-8", "replace"), etree.HTMLParser(encoding="utf-8"))
    if tree is None:  # no element at all
        return ()
    if any("nofollow" in (meta.get("content") or "").lower() for meta in tree.iterfind(".//meta[@name='robots']")):
        return ()
    base_tag = tree.find(".//base[@href]")
    base = canonical_url(base_tag.get("href"), url) if base_tag is not None else None
    links: dict[str, None] = {}
    for anchor in tree.iterfind(".//a[@href]"):
        if "nofollow" not in (anchor.get("rel") or "").lower() and (link := canonical_url(anchor.get("href"), base or url)):
            links[link] = None
    return tuple(links)
