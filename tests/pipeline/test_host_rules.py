"""robots.txt, tdmrep.json and ai.txt of hosts: found in archives, asked by URL."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cluster.store import Location, parquet_bytes
from pipeline.host_rules import (
    HOST_RULES,
    HostFile,
    HostRules,
    collect_host_rules,
    gather_host_rules,
    host_file_kind,
    plain_host,
    scan_archive,
)
from pipeline.rights_settings import RightsSettings
from pipeline.url import canonical_url, host_of


def rules(settings: RightsSettings | None = None, **texts: str) -> HostRules:
    files = [HostFile("h.example", kind, "2026-01-01", text) for kind, text in texts.items()]
    return HostRules(gather_host_rules(files), settings or RightsSettings())


def said(hosts: HostRules, path: str) -> list[str]:
    return [each.text for each in hosts.opt_outs(f"https://h.example{path}")]


# robots.txt


def test_a_group_that_names_an_ai_crawler_speaks_of_it_alone() -> None:
    hosts = rules(robots="User-agent: *\nDisallow: /private\n\nUser-agent: CCBot\nUser-agent: gptbot\nDisallow: /art\n")
    assert said(hosts, "/art/1") == ["robots.txt: CCBot"]
    assert said(hosts, "/private/1") == ["robots.txt: *"]
    assert said(hosts, "/news") == []
    assert HostRules(hosts.rules, RightsSettings(own_agent="")).opt_outs("https://h.example/private/1") == []


def test_a_group_for_googlebot_or_google_says_nothing_of_google_extended() -> None:
    assert said(rules(robots="User-agent: Googlebot\nUser-agent: Google\nDisallow: /"), "/") == []
    assert said(rules(robots="User-agent: google-extended\nDisallow: /"), "/") == ["robots.txt: Google-Extended"]


def test_a_version_behind_a_crawler_s_name_does_not_hide_it() -> None:
    assert said(rules(robots="User-Agent: GPTBot/1.2\nDisallow: /"), "/x") == ["robots.txt: GPTBot"]


def test_our_own_group_comes_before_the_one_for_everybody() -> None:
    hosts = rules(robots="User-agent: *\nDisallow: /\n\nUser-agent: pageloom\nDisallow: /secret\n")
    assert said(hosts, "/open") == []
    assert said(hosts, "/secret/1") == ["robots.txt: pageloom"]


def test_the_longest_rule_counts_and_patterns_are_understood() -> None:
    hosts = rules(robots="User-agent: ClaudeBot\nDisallow: /*.html$\nAllow: /free/\nDisallow: /free/not/\n")
    assert said(hosts, "/x/a.html") == ["robots.txt: ClaudeBot"]
    assert said(hosts, "/x/a.html?q") == []
    assert said(hosts, "/free/a") == []
    assert said(hosts, "/free/not/a") == ["robots.txt: ClaudeBot"]


def test_a_page_that_answers_for_robots_txt_is_no_rule() -> None:
    assert rules(robots="<html>User-agent: *\nDisallow: /").rules.num_rows == 0


def test_other_hosts_and_ports_are_not_spoken_of() -> None:
    hosts = rules(robots="User-agent: *\nDisallow: /")
    assert len(hosts.opt_outs("HTTPS://H.example:443/x")) == 1
    assert hosts.opt_outs("https://www.h.example/x") == hosts.opt_outs("https://h.example:8443/x") == []


def without_special(text: str) -> str:
    """The file with only what RFC 9309 and the first drafts agree on: prefixes, and no Allow."""
    special = re.compile(r"\s*allow\b|[^:]*:.*([*$].|.\*)", re.I)
    return "\n".join(line for line in text.splitlines() if not special.match(line))


def test_real_robots_txt_say_of_ai_crawlers_what_the_standard_library_reads(shared: Path) -> None:
    """urllib.robotparser takes the first rule that matches and no patterns; without Allow and patterns both agree."""
    with gzip.open(shared / "data/optout/robots_txt.jsonl.gz") as stream:
        files = [json.loads(line) for line in stream]
    compared = disallowed = 0
    for file in files:
        candidates = ("CCBot", "GPTBot", "omgili", "omgilibot", "PerplexityBot", "Diffbot", "Amazonbot")
        named = [each for each in candidates if re.search(rf"(?im)^user-agent:\s*{each}\s*$", file["robots_txt"])]
        if not named or "<html" in file["robots_txt"]:
            continue
        text = without_special(file["robots_txt"])
        oracle = RobotFileParser()
        oracle.parse(text.splitlines())
        hosts = HostRules(
            gather_host_rules([HostFile(file["host"], "robots", "", text)]), RightsSettings(ai_agents=named, own_agent="")
        )
        prefixes = {match[1] for match in re.finditer(r"(?im)^disallow:\s*(/[\w./-]*)\s*$", text)}
        for path in {"/", "/2024/a-page.html", *prefixes}:
            url = f"https://{file['host']}{path}"
            expected = any(not oracle.can_fetch(agent, url) for agent in named)
            assert bool(hosts.opt_outs(url)) == expected, url
            compared, disallowed = compared + 1, disallowed + expected
    assert compared > 300
    assert disallowed > 100


def test_the_real_sites_that_opt_out_altogether(shared: Path) -> None:
    """Read by hand: each names a crawler of ours and forbids it `/`; three more name CCBot and forbid it only parts."""
    with gzip.open(shared / "data/optout/robots_txt.jsonl.gz") as stream:
        files = [json.loads(line) for line in stream]
    table = gather_host_rules(HostFile(each["host"], "robots", "", each["robots_txt"]) for each in files)
    hosts = HostRules(table, RightsSettings(own_agent=""))
    out = {each["host"] for each in files if hosts.opt_outs(f"https://{each['host']}/")}
    named = {each["host"] for each in files if each["names_an_ai_crawler"]}
    assert named - out == {"foursquare.com", "www.providence.org", "www.vegasinsider.com"}
    assert out - named == {"www.nytimes.com"}  # omgili and omgilibot, which the set's makers did not count
    assert len(out) == 17


# ai.txt


@pytest.mark.parametrize(
    ("text", "path", "forbidden"),
    [
        ("User-Agent: *\nDisallow: /", "/a", True),
        ("User-Agent: *\nAllow: /", "/a", False),
        ("User-Agent: *\nDisallow: *.html\nAllow: *.txt", "/a.html", True),
        ("User-Agent: *\nDisallow: *.html\nAllow: *.txt", "/a.txt", False),
        ("User-Agent: *\nDisallow: *.html", "/a", True),  # no type in the address: a page is HTML
        ("User-Agent: *\nDisallow: *.html", "/a/?q=1", True),
        ("User-Agent: *\nDisallow: *.jpg\nDisallow: *.mp3", "/a", False),
        ("User-Agent: GPTBot\nDisallow: /", "/a", True),
        ("User-Agent: somebody\nDisallow: /", "/a", False),
        ("<!doctype html><p>User-Agent: *\nDisallow: /", "/a", False),
    ],
)
def test_ai_txt_forbids_by_path_and_file_type(text: str, path: str, forbidden: bool) -> None:
    assert bool(said(rules(ai_txt=text), path)) == forbidden


# tdmrep.json


@pytest.mark.parametrize(
    ("location", "path", "matches"),
    [
        ("/", "/anything", True),
        ("/a/", "/a/b", True),
        ("/a/", "/b/a/", False),
        ("/a/*.pdf", "/a/x/y.pdf", True),
        ("/a/*.pdf$", "/a/y.pdf?x", False),
        ("*", "/", True),
        ("/a.b", "/axb", False),
        ("/q?x=", "/q?x=1", True),
    ],
)
def test_a_location_is_the_beginning_of_a_path_with_wildcards(location: str, path: str, matches: bool) -> None:
    hosts = rules(tdmrep=json.dumps([{"location": location, "tdm-reservation": 1}]))
    expected = (True, f"tdmrep.json: {location}") if matches else (None, "")
    assert hosts.reservation(f"http://h.example{path}") == expected


def test_the_longest_location_counts_whatever_the_order() -> None:
    everything, part = {"location": "/", "tdm-reservation": 1}, {"location": "/open/", "tdm-reservation": 0}
    for order in ([everything, part], [part, everything]):
        hosts = rules(tdmrep=json.dumps(order))
        assert hosts.reservation("http://h.example/open/x")[0] is False
        assert hosts.reservation("http://h.example/x")[0] is True


@pytest.mark.parametrize(
    "text", ["", "{", "7", "null", '[1, "x", null]', '[{"location": 3}]', '[{"location": "/"}]', "[" * 99999]
)
def test_a_broken_tdmrep_json_says_nothing(text: str) -> None:
    assert rules(tdmrep=text).reservation("http://h.example/") == (None, "")


def test_a_location_of_many_wildcards_cannot_hang_the_search() -> None:
    hosts = rules(tdmrep=json.dumps([{"location": "/" + "*a" * 40 + "*b", "tdm-reservation": 1}]))
    began = time.process_time()
    assert hosts.reservation("http://h.example/" + "a" * 5000) == (None, "")
    assert time.process_time() - began < 1


@given(st.text(alphabet="/ab*$.", max_size=8), st.text(alphabet="/ab.", max_size=8))
def test_locations_match_as_a_plain_search_of_their_parts_does(location: str, path: str) -> None:
    """Oracle: try every way to place the parts between the wildcards."""

    def places(parts: list[str], at: int, text: str, anchored: bool) -> bool:
        if not parts:
            return not anchored or at == len(text)
        starts = range(at, len(text) + 1)
        return any(
            text.startswith(parts[0], each) and places(parts[1:], each + len(parts[0]), text, anchored) for each in starts
        )

    body, anchored = location.removesuffix("$"), location.endswith("$")
    first, *rest = body.split("*")
    url = f"/{path}"
    expected = url.startswith(first) and places(rest, len(first), url, anchored)
    if rest and not rest[-1]:
        expected = url.startswith(first) and places(rest, len(first), url, False)
    hosts = rules(tdmrep=json.dumps([{"location": location, "tdm-reservation": 1}]))
    assert (hosts.reservation(f"http://h.example{url}")[0] is True) == expected


# Gathering


def test_the_newest_rules_win_and_silence_undoes_nothing() -> None:
    files = [
        HostFile("h", "robots", "2026-02", "User-agent: *\nDisallow: /new"),
        HostFile("h", "robots", "2026-01", "User-agent: *\nDisallow: /old"),
        HostFile("h", "robots", "2026-03", ""),
        HostFile("h", "ai_txt", "2026-01", "User-agent: *\nDisallow: /"),
        HostFile("quiet", "robots", "2026-01", ""),
    ]
    table = gather_host_rules(files)
    assert table.select(["host", "kind", "time"]).to_pylist() == [
        {"host": "h", "kind": "ai_txt", "time": "2026-01"},
        {"host": "h", "kind": "robots", "time": "2026-02"},
    ]


def test_a_redirected_robots_txt_counts_for_the_host_that_redirects() -> None:
    files = [
        HostFile("a.example", "robots", "1", "", "https://www.a.example/robots.txt"),
        HostFile("www.a.example", "robots", "1", "User-agent: *\nDisallow: /x"),
        HostFile("b.example", "robots", "1", "", "https://b.example/robots.txt"),  # to itself, for ever
    ]
    hosts = HostRules(gather_host_rules(files), RightsSettings())
    assert hosts.opt_outs("http://a.example/x")[0].text == "robots.txt: *"
    assert hosts.opt_outs("http://b.example/x") == []


def test_rules_travel_to_workers() -> None:
    hosts = rules(robots="User-agent: *\nDisallow: /x")
    said(hosts, "/x")
    assert said(pickle.loads(pickle.dumps(hosts)), "/x") == ["robots.txt: *"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://h/robots.txt", "robots"),
        ("http://h:81/ai.txt", "ai_txt"),
        ("https://h/.well-known/tdmrep.json", "tdmrep"),
        ("https://h/blog/robots.txt", ""),
        ("https://h/tdmrep.json", ""),
        ("https://h/", ""),
        ("robots.txt", ""),
    ],
)
def test_rules_are_at_three_addresses(url: str, kind: str) -> None:
    assert host_file_kind(url) == kind


@pytest.mark.parametrize("url", ["http://H.Example:80/x", "https://h.example:443", "https://u:p@h.example/", "http://h:8080/"])
def test_hosts_are_called_as_the_crawler_calls_them(url: str) -> None:
    assert plain_host(url) == host_of(canonical_url(url) or "")


def foreign_archive(path: Path, compressed: bool) -> dict[str, str]:
    """Another crawler's archive: pages that mention WARC and gzip, rules, a request for rules, a redirect."""
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=compressed)

        def add(kind: str, url: str, status: str, body: bytes, *headers: tuple[str, str]) -> None:
            http = StatusAndHeaders(status, [("Content-Type", "text/plain"), *headers], protocol="HTTP/1.1")
            if kind == "request":
                http = StatusAndHeaders("GET / HTTP/1.1", [], is_http_request=True)
            writer.write_record(writer.create_warc_record(url, kind, payload=io.BytesIO(body), http_headers=http))

        magic = gzip.compress(b"WARC/1.0\r\nWARC-Target-URI: https://trap.example/robots.txt\r\n\r\n") * 40
        add("response", "https://a.example/page", "200 OK", magic)  # stored, its members look like records
        add("request", "https://a.example/robots.txt", "", b"")
        add("response", "https://a.example/robots.txt", "200 OK", b"User-agent: GPTBot\nDisallow: /\n")
        for number in range(50):
            add("response", f"https://a.example/{number}", "200 OK", bytes(number % 251 for number in range(number * 999)))
        add("response", "http://b.example/robots.txt", "301 Moved", b"", ("Location", "https://b.example/robots.txt"))
        add("response", "https://b.example/robots.txt", "404 Not Found", b"User-agent: *\nDisallow: /")
        add("response", "https://b.example/ai.txt", "200 OK", b"User-agent: *\nDisallow: /")
        add("response", "https://b.example/blog/ai.txt", "200 OK", b"User-agent: *\nDisallow: /")
    return {"a.example robots": "User-agent: GPTBot\nDisallow: /\n", "b.example ai_txt": "User-agent: *\nDisallow: /"}


@pytest.mark.parametrize("compressed", [True, False])
def test_rules_are_found_in_a_foreign_archive(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "foreign.warc.gz"
    expected = foreign_archive(path, compressed)
    table = gather_host_rules(scan_archive(Location.of(path)))
    assert {f"{row['host']} {row['kind']}": row["text"] for row in table.to_pylist()} == expected


def test_a_pages_stage_takes_the_crawl_s_table_or_scans_and_adds_what_the_recipe_names(tmp_path: Path) -> None:
    foreign_archive(tmp_path / "foreign.warc.gz", True)
    archives = [Location.of(tmp_path / "foreign.warc.gz")]
    scanned = collect_host_rules(Location.of(tmp_path / "crawl"), archives, RightsSettings())
    assert scanned["host"].to_pylist() == ["a.example", "b.example"]
    ours = gather_host_rules([HostFile("ours.example", "robots", "", "User-agent: *\nDisallow: /")])
    (Location.of(tmp_path / "crawl") / HOST_RULES).write_bytes(parquet_bytes(ours))
    assert collect_host_rules(Location.of(tmp_path / "crawl"), archives, RightsSettings()).equals(ours)
    named = RightsSettings(host_files=[str(tmp_path / "*.warc.gz")])
    both = collect_host_rules(Location.of(tmp_path / "crawl"), [], named)
    assert both["host"].to_pylist() == ["a.example", "b.example", "ours.example"]


def test_the_scan_by_members_sees_every_record_that_a_reader_sees(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All records of a real archive, instead of those at the three addresses: none may be skipped or invented."""
    import pipeline.host_rules as module

    seen: list[int] = []
    monkeypatch.setattr(module, "names_rules", lambda head: head.startswith(b"WARC/"))
    for name in ("pages.warc.gz", "dolma-sample-0000.warc.gz"):
        with (shared / "data/warc" / name).open("rb") as stream:
            seen = list(module.rules_members(Location.of(shared / "data/warc" / name).open()))
            records = ArchiveIterator(stream)
            assert seen == [records.get_record_offset() for _ in records]


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"\x1f\x8b\x08" + data[50:], lambda _: b""]
)
def test_a_damaged_archive_gives_what_can_be_read(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "foreign.warc.gz"
    foreign_archive(path, True)
    path.write_bytes(damage(path.read_bytes()))
    assert all(file.host in ("a.example", "b.example") for file in scan_archive(Location.of(path)))
