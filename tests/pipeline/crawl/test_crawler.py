"""The crawler against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import itertools
import random
import string
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brotli
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from cluster.store import WORK, Location, shard_records
from pipeline.crawl.crawler import Crawler, host_files_name, journal_name
from pipeline.crawl.settings import CrawlSettings
from pipeline.rights.host_files import HostFile, gather_host_rules, scan_archive
from pipeline.url import host_of

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """A server whose answers a test sets: path -> answer, or a function that makes one. Remembers who asked when."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: list[tuple[str, float]] = []
        self.agents: set[str] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.asked.append((self.path, time.monotonic()))
                site.agents.add(self.headers["User-Agent"])
                answer = site.answers.get(self.path, (404, {"Content-Type": "text/html"}, b"<p>nothing here"))
                status, headers, body = answer() if callable(answer) else answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def page(self, path: str, *links: str, text: str = "words") -> None:
        html = text + "".join(f'<a href="{link}">x</a>' for link in links)
        self.answers[path] = (200, {"Content-Type": "text/html; charset=utf-8"}, html.encode())

    def paths(self) -> list[str]:
        """What was asked for, in order, but for the two files about text and data mining."""
        return [path for path, _ in self.asked if path not in ("/.well-known/tdmrep.json", "/ai.txt")]


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


class Said:
    """Takes the progress that a crawler reports where no Ray runs."""

    def __init__(self) -> None:
        self.pages = 0

    def advance(self, by: float, total: float | None = None, unit: str = "") -> None:
        self.pages += int(by)


def noise(seed: int) -> str:
    """3,000 characters that hardly compress."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=3000))


def crawl(directory: Path, *seeds: str, **settings: Any) -> dict[str, tuple[str, int]]:
    """Crawl; returns url -> (reason, status) of the journal."""
    output = Location.of(directory)
    crawler = Crawler(0, CrawlSettings(delay=0, **settings), output, output / WORK, Said())  # type: ignore[arg-type]
    asyncio.run(crawler.crawl({host_of(seeds[0]): list(seeds)}))
    rows = [
        row
        for index in sorted(shard_records(output))
        for row in pq.read_table((output / WORK / journal_name(index)).open()).to_pylist()
    ]
    urls = [row["url"] for row in rows]
    assert len(urls) == len(set(urls)), "a URL has two lines"
    return {row["url"]: (row["reason"], row["status"]) for row in rows}


def records(directory: Path) -> list[tuple[str, str, str, bytes]]:
    """(type, url, status, body) of every record, read by warcio."""
    found = []
    for path in sorted((directory / "warc").iterdir()):
        with path.open("rb") as stream:
            for each in ArchiveIterator(stream):
                status = each.http_headers.get_statuscode() if each.rec_type == "response" else ""
                found.append((each.rec_type, each.rec_headers["WARC-Target-URI"], status, each.content_stream().read()))
    return found


def test_a_site_is_crawled_whole_and_archived(site: Site, tmp_path: Path) -> None:
    site.page("/", "a", "b?x=1", "/a#again", "http://elsewhere.example/")
    site.page("/a", "/", "gone")
    site.page("/b?x=1")
    fates = crawl(tmp_path, f"{site.url}/")
    assert fates == {
        f"{site.url}/": ("ok", 200),
        f"{site.url}/a": ("ok", 200),
        f"{site.url}/b?x=1": ("ok", 200),
        f"{site.url}/gone": ("http_404", 404),
        "http://elsewhere.example/": ("out_of_scope", 0),
    }
    assert site.paths() == ["/robots.txt", "/", "/a", "/b?x=1", "/gone"]
    archived = records(tmp_path)
    assert [each[0] for each in archived] == ["warcinfo", *["response", "request"] * 7]
    assert [url.removeprefix(site.url) for kind, url, _, _ in archived if kind == "response"][:4] == [
        "/robots.txt",
        "/.well-known/tdmrep.json",
        "/ai.txt",
        "/",
    ]
    bodies = {url: body for kind, url, status, body in archived if kind == "response" and status == "200"}
    assert bodies == {f"{site.url}{path}": site.answers[path][2] for path in ("/", "/a", "/b?x=1")}  # type: ignore[index]


def test_the_archive_passes_warcio_check(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.page("/", "a", text="Grüße")
    crawl(tmp_path, f"{site.url}/")
    path = next((tmp_path / "warc").iterdir())
    checker = Checker(type("Command", (), {"inputs": [str(path)], "verbose": True}))
    checker.process_all()
    shown = capsys.readouterr().out
    assert checker.exit_value == 0
    assert "digest pass" in shown


def test_robots_txt_is_obeyed_and_its_delay_kept(site: Site, tmp_path: Path) -> None:
    site.answers["/robots.txt"] = (
        200,
        {"Content-Type": "text/plain"},
        b"User-agent: *\nDisallow: /\n\nUser-agent: pageloom\nDisallow: /private/\nDisallow: /ai.txt\nCrawl-delay: 0.2\n",
    )
    site.page("/", "private/x", "a", "b")
    site.page("/a")
    site.page("/b")
    fates = crawl(tmp_path, f"{site.url}/")
    assert fates[f"{site.url}/private/x"] == ("robots_disallowed", 0)
    assert "/private/x" not in site.paths()
    assert "/ai.txt" not in [path for path, _ in site.asked]
    times = [when for path, when in site.asked if path != "/robots.txt"]
    assert len(times) == 4  # tdmrep.json waits for its turn like a page
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.19


@pytest.mark.parametrize("status", [500, 503])
def test_nothing_is_fetched_where_robots_txt_cannot_be_had(site: Site, tmp_path: Path, status: int) -> None:
    site.answers["/robots.txt"] = (status, {}, b"")
    site.page("/")
    assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/": ("robots_unreachable", 0)}
    assert site.paths() == ["/robots.txt"]


FORBIDS = b"User-agent: *\nDisallow: /\n"


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", brotli.compress(FORBIDS)),
        ("deflate", zlib.compress(FORBIDS)),
        ("deflate", deflated(FORBIDS)),
        ("gzip", FORBIDS),
        ("gzip, gzip", gzip.compress(gzip.compress(FORBIDS))),
        ("identity", codecs.BOM_UTF8 + FORBIDS),
        ("gzip", gzip.compress(codecs.BOM_UTF8 + FORBIDS)),
        ("identity", FORBIDS.decode().encode("utf-16")),
        ("identity", FORBIDS.decode().encode("utf-16-be")),
    ],
    ids=["br", "zlib", "deflate", "lying", "twice", "mark", "mark in gzip", "UTF-16", "UTF-16 without mark"],
)
def test_a_robots_txt_forbids_in_whatever_encoding_it_comes(site: Site, tmp_path: Path, encoding: str, body: bytes) -> None:
    site.answers["/robots.txt"] = (200, {"Content-Encoding": encoding}, body)
    site.page("/")
    assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/": ("robots_disallowed", 0)}
    assert site.paths() == ["/robots.txt"]
    assert gathered(tmp_path) == {(host_of(site.url), "robots"): FORBIDS.decode()}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(FORBIDS)[:15] + b"\0" * 20),
        ({"Content-Encoding": "gzip"}, gzip.compress(noise.__doc__.encode() * 9)[:-30]),  # type: ignore[union-attr]
        ({}, gzip.compress(FORBIDS)),
    ],
    ids=["damaged", "cut off", "not announced"],
)
def test_a_robots_txt_that_cannot_be_decoded_counts_as_out_of_reach(
    site: Site, tmp_path: Path, headers: dict[str, str], body: bytes
) -> None:
    site.answers["/robots.txt"] = (200, headers, body)
    site.page("/")
    assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/": ("robots_unreachable", 0)}
    assert gathered(tmp_path) == {}


def test_a_robots_txt_that_unpacks_to_more_than_may_be_read_forbids_all(site: Site, tmp_path: Path) -> None:
    site.answers["/robots.txt"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"Allow: /\n" * 60_000))
    site.page("/")
    assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/": ("robots_disallowed", 0)}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[::ffff:7f00:1]"]
)
def test_a_redirect_of_a_robots_txt_leads_to_no_other_port_of_this_machine(site: Site, tmp_path: Path, host: str) -> None:
    secret = Site()
    secret.answers["/robots.txt"] = (200, {}, b"secret")
    thread = threading.Thread(target=secret.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        site.answers["/robots.txt"] = (302, {"Location": f"http://{host}:{secret.server.server_port}/robots.txt"}, b"")
        site.page("/")
        assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/": ("robots_unreachable", 0)}
    finally:
        secret.server.shutdown()
        thread.join()
        secret.server.server_close()
    assert secret.asked == []


def test_a_seed_by_name_on_this_machine_is_crawled(site: Site, tmp_path: Path) -> None:
    site.page("/")
    url = f"http://localhost:{site.server.server_port}/"
    assert crawl(tmp_path, url) == {url: ("ok", 200)}


def test_links_are_found_on_a_page_in_an_encoding_that_nobody_asked_for(site: Site, tmp_path: Path) -> None:
    html = b'<a href="/a">x</a>'
    site.answers["/"] = (200, {"Content-Type": "text/html", "Content-Encoding": "br"}, brotli.compress(html))
    site.answers["/damaged"] = (
        200,
        {"Content-Type": "text/html", "Content-Encoding": "gzip"},
        gzip.compress(html)[:15] + b"\0" * 9,
    )
    site.page("/a", "/damaged")
    assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/{path}": ("ok", 200) for path in ("", "a", "damaged")}


def test_a_missing_robots_txt_allows_everything(site: Site, tmp_path: Path) -> None:
    site.page("/")
    assert crawl(tmp_path, f"{site.url}/") == {f"{site.url}/": ("ok", 200)}


def test_the_user_agent_names_a_contact(site: Site, tmp_path: Path) -> None:
    site.page("/")
    crawl(tmp_path, f"{site.url}/", contact="https://example.org/crawler")
    (agent,) = site.agents
    assert agent.startswith("pageloom/")
    assert agent.endswith("(+https://example.org/crawler)")


def test_redirects_are_recorded_and_followed_within_the_host(site: Site, tmp_path: Path) -> None:
    site.answers["/"] = (301, {"Location": "/new"}, b"")
    site.answers["/new"] = (302, {"Location": "http://elsewhere.example/"}, b"")
    fates = crawl(tmp_path, f"{site.url}/")
    assert fates == {
        f"{site.url}/": ("redirect", 301),
        f"{site.url}/new": ("redirect", 302),
        "http://elsewhere.example/": ("out_of_scope", 0),
    }
    assert [(url, status) for kind, url, status, _ in records(tmp_path) if kind == "response"][3:] == [
        (f"{site.url}/", "301"),
        (f"{site.url}/new", "302"),
    ]


def test_addresses_that_nobody_can_parse_do_not_end_a_crawl(site: Site, tmp_path: Path) -> None:
    site.page("/", "http://xn--a.com/", "http://xn--/", "http://[::1][@", "http://u[:p@a.org/x", "moved", "last")
    site.answers["/moved"] = (301, {"Location": "http://www.xn--0.com/"}, b"")
    site.answers["/ai.txt"] = (301, {"Location": "http://xn--/"}, b"")
    site.answers["/robots.txt"] = (301, {"Location": "http://[::1][@"}, b"")
    site.page("/last")
    fates = crawl(tmp_path, f"{site.url}/")
    assert fates[f"{site.url}/moved"] == ("redirect", 301)
    assert fates[f"{site.url}/last"] == ("ok", 200)
    assert {url for url, (reason, _) in fates.items() if reason == "out_of_scope"} == {
        "http://xn--a.com/",
        "http://xn--/",
        "http://www.xn--0.com/",
    }


def test_an_endless_chain_of_redirects_ends(site: Site, tmp_path: Path) -> None:
    for number in range(20):
        site.answers[f"/{number}"] = (302, {"Location": f"/{number + 1}"}, b"")
    fates = crawl(tmp_path, f"{site.url}/0", max_redirects=3)
    assert list(fates.values()) == [("redirect", 302)] * 3 + [("too_many_redirects", 302)]


def test_a_body_beyond_the_limit_is_left_out(site: Site, tmp_path: Path) -> None:
    site.page("/", "big")
    site.page("/big", text="x" * 20_000)
    fates = crawl(tmp_path, f"{site.url}/", max_page_mb=0.01)
    assert fates[f"{site.url}/big"] == ("too_large", 0)
    assert f"{site.url}/big" not in [url for _, url, _, _ in records(tmp_path)]


def test_a_server_that_does_not_answer_in_time_is_tried_again_and_then_left(site: Site, tmp_path: Path) -> None:
    released = threading.Event()

    def hang() -> Answer:
        released.wait(10)
        return 200, {}, b""

    site.page("/", "slow", "a")
    site.page("/a")
    site.answers["/slow"] = hang
    fates = crawl(tmp_path, f"{site.url}/", timeout=0.3, attempts=1)
    released.set()
    assert fates[f"{site.url}/slow"] == ("timeout", 0)
    assert fates[f"{site.url}/a"] == ("ok", 200)


@pytest.mark.slow
def test_a_page_that_is_unavailable_for_a_moment_is_fetched_later(site: Site, tmp_path: Path) -> None:
    answers = iter([(503, {}, b"busy"), (200, {"Content-Type": "text/html"}, b"here")])
    site.page("/", "a", "b")
    site.answers["/a"] = lambda: next(answers)
    site.page("/b")
    fates = crawl(tmp_path, f"{site.url}/")
    assert fates[f"{site.url}/a"] == ("ok", 200)
    assert site.paths() == ["/robots.txt", "/", "/a", "/b", "/a"]


def test_a_dead_host_is_one_line_a_seed(free_port: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port}/"
    assert crawl(tmp_path, url) == {url: ("robots_unreachable", 0)}


def test_a_compressed_page_is_archived_as_sent_and_its_links_are_followed(site: Site, tmp_path: Path) -> None:
    body = gzip.compress(b'<a href="a">x</a>')
    site.answers["/"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, body)
    site.page("/a")
    fates = crawl(tmp_path, f"{site.url}/")
    assert fates[f"{site.url}/a"] == ("ok", 200)
    with next((tmp_path / "warc").iterdir()).open("rb") as stream:
        raw = {
            r.rec_headers["WARC-Target-URI"]: r.raw_stream.read() for r in ArchiveIterator(stream) if r.rec_type == "response"
        }
    assert raw[f"{site.url}/"] == body


def test_a_killed_crawl_goes_on_behind_its_last_closed_file(site: Site, tmp_path: Path) -> None:
    for number in range(12):
        site.page(f"/{number}", f"/{number + 1}", text=noise(number))
    crawl(tmp_path, f"{site.url}/0", warc_mb=0.004, max_pages=7)
    first = {path for path in site.paths() if path != "/robots.txt"}
    assert len(first) == 7
    # What a kill leaves: the closed files and their journals. The last file had not been closed.
    output = Location.of(tmp_path)
    last = max(shard_records(output))
    assert last >= 2
    (output / WORK / "shards" / f"{last:06d}.json").delete()
    kept = [
        row["url"]
        for index in shard_records(output)
        for row in pq.read_table((output / WORK / journal_name(index)).open()).to_pylist()
        if row["reason"] == "ok"
    ]
    site.asked.clear()
    fates = crawl(tmp_path, f"{site.url}/0", warc_mb=0.004)
    assert {url for url, (reason, _) in fates.items() if reason == "ok"} == {f"{site.url}/{number}" for number in range(12)}
    assert not set(kept) & {f"{site.url}{path}" for path in site.paths()}
    assert [url for kind, url, status, _ in records(tmp_path) if kind == "response" and status == "200"] == [
        f"{site.url}/{number}" for number in range(12)
    ]


def test_every_file_is_rotated_by_size_and_readable_alone(site: Site, tmp_path: Path) -> None:
    site.page("/", *[f"/{number}" for number in range(8)])
    for number in range(8):
        site.page(f"/{number}", text=noise(number))
    crawl(tmp_path, f"{site.url}/", warc_mb=0.006)
    files = sorted((tmp_path / "warc").iterdir())
    assert len(files) > 2
    for file in files:
        with file.open("rb") as stream:
            assert next(iter(ArchiveIterator(stream))).rec_type == "warcinfo"


def gathered(directory: Path) -> dict[tuple[str, str], str]:
    """(host, kind) -> text of what the crawler kept of its hosts' rules."""
    work = Location.of(directory) / WORK
    rows = [
        row
        for index in sorted(shard_records(Location.of(directory)))
        for row in pq.read_table((work / host_files_name(index)).open()).to_pylist()
    ]
    table = gather_host_rules(HostFile(**row) for row in rows)
    return {(row["host"], row["kind"]): row["text"] for row in table.to_pylist()}


def test_what_a_host_says_of_mining_is_archived_and_kept_for_the_pages(site: Site, tmp_path: Path) -> None:
    texts = {
        "/robots.txt": "User-agent: GPTBot\nDisallow: /\n",
        "/.well-known/tdmrep.json": '[{"location": "/", "tdm-reservation": 1}]',
        "/elsewhere": "User-Agent: *\nDisallow: *.html\n",
    }
    for path, text in texts.items():
        site.answers[path] = (200, {"Content-Type": "text/plain"}, text.encode())
    site.answers["/ai.txt"] = (302, {"Location": "/elsewhere"}, b"")
    site.page("/")
    crawl(tmp_path, f"{site.url}/")
    host = host_of(site.url)
    assert gathered(tmp_path) == {
        (host, "robots"): texts["/robots.txt"],
        (host, "tdmrep"): texts["/.well-known/tdmrep.json"],
        (host, "ai_txt"): texts["/elsewhere"],
    }
    # A stranger who has only the archives finds the same; ai.txt has moved to an address that is none of the three.
    files = [file for path in sorted((tmp_path / "warc").iterdir()) for file in scan_archive(Location.of(path))]
    assert {(file.kind, file.text) for file in files if file.text} == {
        ("robots", texts["/robots.txt"]),
        ("tdmrep", texts["/.well-known/tdmrep.json"]),
    }


def test_a_server_that_answers_every_address_with_a_page_states_no_rules(site: Site, tmp_path: Path) -> None:
    for path in ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt"):
        site.page(path, text="<!doctype html><p>not found")
    site.page("/")
    assert crawl(tmp_path, f"{site.url}/")[f"{site.url}/"] == ("ok", 200)
    assert gathered(tmp_path) == {}


def test_a_host_is_asked_only_for_robots_txt_where_the_recipe_says_so(site: Site, tmp_path: Path) -> None:
    site.page("/")
    crawl(tmp_path, f"{site.url}/", host_files=False)
    assert [path for path, _ in site.asked] == ["/robots.txt", "/"]
