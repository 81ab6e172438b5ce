from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.frontier import Fetch, Frontier, Limits, page_links

HOST = "http://h"
PLENTY = Limits(pages=10**6, depth=10**6, bytes=10**12)


def crawl(frontier: Frontier, graph: dict[str, list[str]], stop_after: int = 10**6) -> list[Fetch]:
    """Fetch every page of a made-up site; what is returned is the crawl's journal."""
    journal: list[Fetch] = []
    while len(journal) < stop_after and (item := frontier.next()):
        fetch = Fetch(item[0], item[1], "ok", 200, 10, tuple(graph.get(item[0], ())))
        frontier.done(fetch)
        journal.append(fetch)
    return journal


graphs = st.dictionaries(
    st.integers(0, 12), st.lists(st.one_of(st.integers(0, 12), st.integers(100, 103)), max_size=6), max_size=13
).map(
    lambda links: {
        f"{HOST}/{page}": [f"{HOST}/{each}" if each < 100 else f"http://other/{each}" for each in targets]
        for page, targets in links.items()
    }
)


@given(graph=graphs, pages=st.integers(1, 15), depth=st.integers(0, 4))
def test_every_url_that_was_seen_leaves_exactly_one_line(graph: dict[str, list[str]], pages: int, depth: int) -> None:
    frontier = Frontier("h", [f"{HOST}/0"], [r"/7$"], Limits(pages, depth, 10**9))
    journal = crawl(frontier, graph)
    assert frontier.next() is None
    urls = [fetch.url for fetch in journal + frontier.take_refused()]
    assert sorted(urls) == sorted(frontier.seen)
    assert len(journal) <= pages
    assert all(fetch.depth <= depth for fetch in journal)


@given(graph=graphs, killed_after=st.integers(0, 8))
def test_a_crawl_that_goes_on_fetches_what_an_undisturbed_one_does_and_nothing_twice(
    graph: dict[str, list[str]], killed_after: int
) -> None:
    undisturbed = Frontier("h", [f"{HOST}/0"], [], PLENTY)
    expected = {fetch.url for fetch in crawl(undisturbed, graph)}
    first = Frontier("h", [f"{HOST}/0"], [], PLENTY)
    before = crawl(first, graph, stop_after=killed_after)
    second = Frontier("h", [f"{HOST}/0"], [], PLENTY)
    second.replay(before)
    after = crawl(second, graph)
    assert {fetch.url for fetch in before + after} == expected
    assert not {fetch.url for fetch in before} & {fetch.url for fetch in after}


def test_pages_come_breadth_first() -> None:
    graph = {f"{HOST}/0": [f"{HOST}/1", f"{HOST}/2"], f"{HOST}/1": [f"{HOST}/3"]}
    order = [(fetch.url[-1], fetch.depth) for fetch in crawl(Frontier("h", [f"{HOST}/0"], [], PLENTY), graph)]
    assert order == [("0", 0), ("1", 1), ("2", 1), ("3", 2)]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(pages=1, depth=9, bytes=999), "page_limit"),
        (Limits(pages=9, depth=0, bytes=999), "depth_limit"),
        (Limits(pages=9, depth=9, bytes=10), "byte_limit"),
    ],
)
def test_what_a_limit_keeps_out_is_named_after_it(limits: Limits, reason: str) -> None:
    frontier = Frontier("h", [f"{HOST}/0"], [], limits)
    assert [fetch.url for fetch in crawl(frontier, {f"{HOST}/0": [f"{HOST}/1"]})] == [f"{HOST}/0"]
    assert [(fetch.url, fetch.reason) for fetch in frontier.take_refused()] == [(f"{HOST}/1", reason)]


def test_other_hosts_excluded_and_endless_urls_are_refused_by_name() -> None:
    links = ["http://other/", f"{HOST}/private/x", f"{HOST}/" + "a" * 2000]
    frontier = Frontier("h", [f"{HOST}/0"], ["/private/"], PLENTY)
    crawl(frontier, {f"{HOST}/0": links})
    assert [fetch.reason for fetch in frontier.take_refused()] == ["out_of_scope", "excluded", "url_too_long"]


def test_the_target_of_a_redirect_keeps_the_depth() -> None:
    frontier = Frontier("h", [f"{HOST}/0"], [], Limits(9, 0, 999))
    frontier.next()
    frontier.done(Fetch(f"{HOST}/0", 0, "redirect", 301, 0, (f"{HOST}/1",)))
    assert frontier.next() == (f"{HOST}/1", 0)


def test_links_are_absolute_distinct_and_in_order() -> None:
    html = '<a href="b">b</a><a href="/a#x">a</a><a href="b#y">b</a><a href="mailto:x@y.z">m</a><a name="n">n</a>'
    assert page_links(html, "http://h/d/e.html") == ("http://h/d/b", "http://h/a")


def test_links_honour_base_and_nofollow() -> None:
    assert page_links('<base href="/z/"><a href="b">', "http://h/d/") == ("http://h/z/b",)
    assert page_links('<a rel="ugc nofollow" href="b"><a href="c">', "http://h/") == ("http://h/c",)
    assert page_links('<meta name="robots" content="noindex, NOFOLLOW"><a href="b">', "http://h/") == ()


@pytest.mark.parametrize("html", ["", " ", "\0\0", "<", "<!-- -->", "plain", "<div>" * 50_000, '<a href="http://[">x</a>'])
def test_pages_that_are_hardly_html_have_no_links(html: str) -> None:
    assert page_links(html, "http://h/") == ()


def test_a_link_that_nobody_can_parse_is_no_link() -> None:
    html = '<base href="http://[::1][@"><a href="http://[::1][@">a</a><a href="http://www.xn--0.com/">b</a><a href="c">c</a>'
    assert page_links(html, "http://h/") == ("http://www.xn--0.com/", "http://h/c")


@given(st.text(st.characters(exclude_characters='"&')))
def test_no_address_whatever_in_a_page_raises(link: str) -> None:
    frontier = Frontier("h", [f"{HOST}/"], [], Limits(9, 9, 999))
    html = f'<a href="{link}">a</a><a href="http://{link}">b</a><a href="last">c</a>'
    frontier.done(Fetch(f"{HOST}/", 0, "ok", 200, 0, page_links(html, f"{HOST}/")))
    assert f"{HOST}/last" in frontier.seen
