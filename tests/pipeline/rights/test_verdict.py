"""Opt-outs in headers and HTML, licences, and the verdict over all signals."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from pipeline.crawl.crawler import AGENT
from pipeline.rights.block_list import BlockList
from pipeline.rights.creative_commons import licence_of
from pipeline.rights.host_files import HostFile, gather_host_rules
from pipeline.rights.host_rules import HostRules
from pipeline.rights.settings import AI_AGENTS, RightsSettings
from pipeline.rights.verdict import Rights, Verdict, robots_tag

URL = "https://example.org/a"


def judged(html: str | bytes = "", *headers: tuple[str, str], **settings: object) -> Verdict:
    return Rights(RightsSettings(**settings)).of_page(URL, headers, html)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("noai", ["X-Robots-Tag: noai"]),
        ("NoAI , noimageai", ["X-Robots-Tag: noai", "X-Robots-Tag: noimageai"]),
        ("GPTBot: noindex", ["X-Robots-Tag: gptbot: noindex"]),
        ("gptbot: nofollow, noindex", ["X-Robots-Tag: gptbot: noindex"]),  # the name counts for what follows it
        ("ccbot: none", ["X-Robots-Tag: ccbot: none"]),
        ("pageloom: noai", ["X-Robots-Tag: pageloom: noai"]),
        ("googlebot: noindex", []),
        ("googlebot: noai", []),
        ("noindex, nofollow", []),
        ("unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT", []),
        ("max-snippet: 20, noai", ["X-Robots-Tag: noai"]),
        ("*: noai", ["X-Robots-Tag: *: noai"]),
        ("googlebot: noindex, *: noai, nofollow", ["X-Robots-Tag: *: noai"]),
        ("noindex; noai", ["X-Robots-Tag: noai"]),
        ("gptbot: all noindex", ["X-Robots-Tag: gptbot: noindex"]),
        ("unavailable_after: 25 Jun 2025 15:00:00 GMT, noai", ["X-Robots-Tag: noai"]),
        ("", []),
    ],
)
def test_an_x_robots_tag_speaks_to_everybody_or_to_the_agent_it_names(value: str, expected: list[str]) -> None:
    verdict = judged("", ("X-ROBOTS-TAG", value))
    assert list(verdict.evidence) == expected
    assert verdict.reason == ("rights_header" if expected else "")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<meta name="robots" content="noai, noimageai">', ["meta robots: noai", "meta robots: noimageai"]),
        ("<META CONTENT='index,NOAI' NAME='Robots'/>", ["meta robots: noai"]),
        ("<meta name=robots content=noai>", ["meta robots: noai"]),
        ('<meta name="GPTBot" content="noindex">', ["meta gptbot: noindex"]),
        ('<meta name="Google-Extended" content="none">', ["meta google-extended: none"]),
        ('<meta name="googlebot" content="noindex">', []),
        ('<meta name="robots" content="noindex">', []),
        ('<meta name="description" content="noai">', []),
        ('<!-- <meta name="robots" content="noai"> -->', []),
        ('<!-- old --><meta name="robots" content="noai">', ["meta robots: noai"]),
        ("<p>noai", []),
        ('<meta data-x="a>b" name="robots" content="a>b, noai">', ["meta robots: noai"]),
        ('<meta content="noindex" name="gptbot" content="all">', ["meta gptbot: noindex"]),  # of two values the first counts
        ('<meta name="robots" content="no&#97;i">', ["meta robots: noai"]),
        ('<meta name="r&#x6F;bots" content="all,&nbsp;noai">', ["meta robots: noai"]),
        ('<meta name="robots" content="index noai; nofollow">', ["meta robots: noai"]),
        ('<meta/name="robots"/content="noai"/>', ["meta robots: noai"]),
        ('<meta name="robots" content="noai>', ["meta robots: noai"]),
    ],
)
def test_a_meta_element_opts_out_by_name_and_directive(html: str, expected: list[str]) -> None:
    verdict = judged(f"<html><head>{html}</head><body>text")
    assert list(verdict.evidence) == expected
    assert verdict.reason == ("rights_meta" if expected else "")


OPT_OUT = '<meta name="robots" content="noai">'


@pytest.mark.parametrize(
    "before",
    [
        '<script>if (a.indexOf("<!--") > 0) {}</script>',
        '<SCRIPT>x = "<!--"</SCRIPT>',
        "<script>x = '<!--'</script><!-- x -->",
        "<style>/* <!-- */</style>",
        "<title>a <!-- b</title>",
        '<a title="<!--">x</a>',
        "<a title=don't>x</a><script>x = 'it's <!--'</script>",
        "<!-->",
        "<!--->",
        "<!-- x --!>",
        "<!-- x -->",
        "<!--[if IE]><script><![endif]-->",
        "<!-- <script> -->",
    ],
)
@pytest.mark.parametrize("behind", ["", "<!-- x --><p>"])
def test_an_opt_out_is_hidden_only_by_what_is_surely_a_comment(before: str, behind: str) -> None:
    for said in (OPT_OUT, '<meta name="tdm-reservation" content="1">'):
        assert judged(f"<html><head>{before}{said}{behind}").reason in ("rights_meta", "rights_tdm")


def test_a_comment_that_ends_nowhere_hides_nothing() -> None:
    assert judged(f"<!-- {OPT_OUT}").reason == "rights_meta"


@pytest.mark.parametrize(
    "page",
    [
        f"<!-- {OPT_OUT} -->",
        f"<!-- > {OPT_OUT} {OPT_OUT} --><p>",
        f"<script>a</script><!--{OPT_OUT}--><!--{OPT_OUT}-->",
        f'<meta name="robots" content="all"><!-- <script> {OPT_OUT} --><script></script>',
        f'<p title="a">it\'s</p><!-- {OPT_OUT} -->',
        '<!-- <meta name="tdm-reservation" content="1"> -->',
    ],
)
def test_an_opt_out_in_a_comment_is_none(page: str) -> None:
    assert judged(page) == Verdict("", (), "")


def test_a_comment_that_takes_a_reservation_back_does_not() -> None:
    hosts = HostRules(
        gather_host_rules([HostFile("example.org", "tdmrep", "", '{"location": "/", "tdm-reservation": 1}')]), RightsSettings()
    )
    page = '<!-- <meta name="tdm-reservation" content="0"> -->'
    assert Rights(RightsSettings(), hosts).of_page(URL, [], page).reason == "rights_tdm"


def test_noindex_is_a_choice() -> None:
    page = '<meta name="robots" content="noindex">'
    assert judged(page, directives=["noindex"]) == Verdict("rights_meta", ("meta robots: noindex",), "")


def test_a_page_in_utf_16_is_read_as_such() -> None:
    for codec in ("utf-16", "utf-16-le", "utf-16-be"):
        assert judged(f"\n<!doctype html>{OPT_OUT}".encode(codec)).reason == "rights_meta"
        assert judged(f"<!doctype html><p lang=ja>日本語{OPT_OUT}".encode(codec)).reason == "rights_meta"


@given(st.text(), st.sampled_from(["noai", "none", "all", "noai,nofollow"]), st.sampled_from(['"{}"', "'{}'"]), st.booleans())
def test_meta_elements_are_found_where_a_parser_finds_them(text: str, content: str, quote: str, swapped: bool) -> None:
    words = "".join(each for each in text if each.isalnum() or each == " ")
    parts = [f"name={quote.format('robots')}", f"content={quote.format(content)}"]
    page = f"<html><head><title>{words}</title><meta {' '.join(parts[::-1] if swapped else parts)}></head><body>{words}"
    tree = lxml_html.document_fromstring(page)
    said = {each for meta in tree.iterfind(".//meta[@name='robots']") for each in meta.get("content", "").split(",")}
    assert bool(judged(page).reason) == ("noai" in said)


@pytest.mark.parametrize(
    ("headers", "meta", "file", "reserved"),
    [
        ([], "", None, False),
        (["1"], "", None, True),
        (["0"], "", None, False),
        ([], "1", None, True),
        ([], "", 1, True),
        (["0"], "", 1, False),  # the header is nearer to the page than the host's file
        (["1"], "0", 1, False),  # and the page itself nearest
        (["0"], "1", 0, True),
        (["yes"], "", 0, False),
    ],
)
def test_the_nearest_tdm_reservation_decides(headers: list[str], meta: str, file: int | None, reserved: bool) -> None:
    rules = [] if file is None else [{"location": "/", "tdm-reservation": file}]
    hosts = HostRules(gather_host_rules([HostFile("example.org", "tdmrep", "", json.dumps(rules))]), RightsSettings())
    html = f'<meta name="tdm-reservation" content="{meta}">' if meta else ""
    verdict = Rights(RightsSettings(), hosts).of_page(URL, [("TDM-Reservation", each) for each in headers], html)
    assert verdict.reason == ("rights_tdm" if reserved else "")


def test_a_signal_that_does_not_decide_is_still_evidence() -> None:
    verdict = judged('<meta name="robots" content="noai">', ("tdm-reservation", "1"), refuse=["tdm"])
    assert verdict == Verdict("rights_tdm", ("TDM-Reservation: 1", "meta robots: noai"), "")
    assert judged('<meta name="robots" content="noai">', refuse=[]).reason == ""


@pytest.mark.parametrize(
    ("html", "licence"),
    [
        ('<a rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">x</a>', "cc-by-nc-4.0"),
        ('<link href="http://creativecommons.org/licenses/by-sa/3.0/de/" rel=license>', "cc-by-sa-3.0"),
        ('<a href="//creativecommons.org/publicdomain/zero/1.0/deed.fr">', "cc0-1.0"),
        ('<a href="https://creativecommons.org/publicdomain/mark/1.0/">', "cc-pdm-1.0"),
        ('{"@type":"Article","license":"https://creativecommons.org/licenses/by/4.0/"}', "cc-by-4.0"),
        # A picture's credit, then the footer's link.
        (
            '<a href="https://creativecommons.org/licenses/by/2.0/">photo</a>'
            '<footer><a href="https://creativecommons.org/licenses/by-nd/4.0/">',
            "cc-by-nd-4.0",
        ),
        # The page's own, then credits.
        (
            '<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">'
            '<a href="https://creativecommons.org/licenses/by-nc/2.0/">photo</a>',
            "cc-by-4.0",
        ),
        ("<a href='https://creativecommons.org/about'>", ""),
        ("creative commons", ""),
    ],
)
def test_the_licence_is_the_page_s_own_or_the_last_link(html: str, licence: str) -> None:
    assert licence_of(html.encode()) == licence


def test_licences_are_kept_and_refused_only_where_asked() -> None:
    page = '<a rel=license href="https://creativecommons.org/licenses/by-nc/4.0/">'
    assert judged(page) == Verdict("", (), "cc-by-nc-4.0")
    assert judged(page, refuse_licences=["cc-by-nc"]) == Verdict("rights_licence", ("licence: cc-by-nc-4.0",), "cc-by-nc-4.0")
    assert judged(page, refuse_licences=["CC-BY-NC-4.0"]).reason == "rights_licence"
    assert judged(page, refuse_licences=["cc-by-nc-3.0", "cc-by", "cc-by-nc-sa"]).reason == ""


def test_blocked_pages_name_the_entry() -> None:
    rights = Rights(RightsSettings(), blocked=BlockList(["example.org"]))
    assert rights.of_page(URL) == Verdict("rights_block_list", ("block list: example.org",), "")


def test_our_own_agent_is_the_crawler_s() -> None:
    assert RightsSettings().own_agent == AGENT
    assert len({agent.lower() for agent in AI_AGENTS}) == len(AI_AGENTS)


@given(st.text(max_size=60), st.binary(max_size=300))
def test_nothing_that_a_server_sends_raises(value: str, body: bytes) -> None:
    judged(body, ("X-Robots-Tag", value), ("TDM-Reservation", value))
    judged(b"<meta name=robots content=" + body)
    judged(b"<meta name='robots' content='https://creativecommons.org/licenses/" + body)
    assert all(agent == agent.lower() for agent, _ in robots_tag(value))


def test_the_pages_that_opt_out_in_a_real_crawl_are_those_a_parser_finds(shared: Path) -> None:
    """Oracle: lxml's own `meta` elements, of every page that names a directive or the reservation anywhere."""
    rights, found, expected = Rights(RightsSettings()), set(), set()
    with (shared / "data/warc/pages.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.http_headers is None:
                continue
            url, body = record.headers["WARC-Target-URI"], record.reader.read()
            if rights.of_page(url, record.http_headers, body).reason:
                found.add(url)
            lowered = body.lower()
            if b"noai" in lowered or b"noimageai" in lowered or b"tdm-reservation" in lowered:
                for meta in lxml_html.document_fromstring(body).iterfind(".//meta[@name]"):
                    name, content = meta.get("name").lower(), (meta.get("content") or "").lower()
                    if name == "tdm-reservation" and content == "1":
                        expected.add(url)
                    if name == "robots" and {"noai", "noimageai"} & {each.strip() for each in content.split(",")}:
                        expected.add(url)
    assert found == expected
    assert len(found) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"<meta" * 400_000,
        b"<meta name=robots content=noai>" * 60_000,
        b"<meta name=robots content=" * 60_000,
        b"creativecommons.org/licenses/by" * 60_000,
        b"<a rel=" + b"rel=" * 400_000 + b" creativecommons.org/licenses/by/4.0",
        b"<!--" * 400_000,
        b"<!----><meta name=robots content=noai>" * 20_000,
        b"<!-- <meta name=robots content=noai> " * 20_000,
        b"<meta name=robots content=noai><!--" + b"<a b=' c=\"" * 30_000,
        b"<meta name=robots content=noai><!-- -->" + b"<script><title><a x" * 20_000,
        b"<meta name=robots content=" + b"= \"'" * 90_000,
        b"<meta name=robots content=noai><!-- -->" + b"<a" + b" =" * 120_000,
    ],
)
def test_a_page_made_to_hang_the_search_costs_little_more_than_others(body: bytes) -> None:
    began = time.process_time()
    verdict = judged(body)
    assert time.process_time() - began < 2
    assert len(verdict.evidence) <= 1
