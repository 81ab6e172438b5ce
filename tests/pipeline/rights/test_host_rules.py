"""robots.txt, tdmrep.json and ai.txt of hosts, asked by URL."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import time
from pathlib import Path
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rights.host_files import HostFile, gather_host_rules
from pipeline.rights.host_rules import HostRules
from pipeline.rights.settings import RightsSettings
from pipeline.url import host_of


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


@pytest.mark.parametrize(
    "page",
    ["http://h.example?x=1", "http://h.example#x", "http://h.example./x", "http://u[:p@h.example/x", "http://h.example:80//x"],
)
def test_every_spelling_of_a_host_has_its_rules(page: str) -> None:
    everything = [{"location": "/", "tdm-reservation": 1}]
    hosts = rules(robots="User-agent: *\nDisallow: /", ai_txt="User-agent: *\nDisallow: /", tdmrep=json.dumps(everything))
    assert [each.text for each in hosts.opt_outs(page)] == ["robots.txt: *", "ai.txt: *"]
    assert hosts.reservation(page)[0] is True


def test_a_host_s_name_counts_in_its_alphabet_and_in_punycode() -> None:
    for asked, page in (
        ("http://bücher.example/robots.txt", "http://xn--bcher-kva.example/"),
        ("https://B.example./robots.txt", "http://b.example/"),
    ):
        table = gather_host_rules([HostFile(host_of(asked), "robots", "", "User-agent: *\nDisallow: /")])
        assert HostRules(table, RightsSettings()).opt_outs(page)


def test_a_robots_txt_may_end_its_lines_with_a_carriage_return_alone() -> None:
    assert said(rules(robots="User-agent: *\rDisallow: /private\r\rUser-agent: GPTBot\rDisallow: /\r"), "/x") == [
        "robots.txt: GPTBot"
    ]


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=20))
def test_no_address_whatever_makes_a_host_s_rules_raise(url: str, path: str) -> None:
    everything = [{"location": "/", "tdm-reservation": 1}]
    hosts = rules(
        robots="User-agent: *\nDisallow: /*.php$", ai_txt="User-agent: *\nDisallow: *.html", tdmrep=json.dumps(everything)
    )
    for each in (url, f"http://h.example{url}", f"http://h.example/{path}", f"http://{url}@h.example/{path}"):
        hosts.opt_outs(each)
        hosts.reservation(each)


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


def test_rules_travel_to_workers() -> None:
    hosts = rules(robots="User-agent: *\nDisallow: /x")
    said(hosts, "/x")
    assert said(pickle.loads(pickle.dumps(hosts)), "/x") == ["robots.txt: *"]
