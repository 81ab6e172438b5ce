from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import RequestError
from cluster.store import Location
from pipeline.rights.block_list import BlockList

LINES = """
# a comment
example.com
*.wild.example   # with a remark
Upper.Example
bücher.example
https://paths.example/private/
paths.example/also#no
http://ports.example:8080/x
"""


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("https://example.com/", "example.com"),
        ("http://www.example.com/a?b", "example.com"),
        ("http://EXAMPLE.com:81/", "example.com"),
        ("http://example.com./", "example.com"),
        ("http://notexample.com/", ""),
        ("http://example.com.org/", ""),
        ("http://a.wild.example/", "wild.example"),
        ("http://upper.example/", "upper.example"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://www.bücher.example/", "xn--bcher-kva.example"),
        ("https://paths.example/private/x", "paths.example/private/"),
        ("http://paths.example/private/x", "paths.example/private/"),
        ("https://paths.example/pri%76ate/x", "paths.example/private/"),
        ("https://paths.example/public", ""),
        ("https://www.paths.example/private/x", ""),
        ("https://paths.example/also/this", "paths.example/also"),
        ("http://ports.example:8080/x1", "ports.example:8080/x"),
        ("http://ports.example/x1", ""),
        ("http://u@example.com./", "example.com"),
        ("http://u:p@paths.example./private/x", "paths.example/private/"),
        ("not a url", ""),
        ("http://[", ""),
    ],
)
def test_a_domain_blocks_its_sub_domains_and_a_url_all_that_begins_with_it(url: str, entry: str) -> None:
    assert BlockList(LINES.splitlines()).entry_for(url) == entry


@pytest.mark.parametrize(
    "entry",
    [
        "example.org.",
        "||example.org^",
        "||Example.ORG",
        "example.org/*",
        "https://example.org/*",
        "*.example.org",
        ".example.org",
    ],
)
def test_a_domain_may_be_written_as_other_lists_have_it(entry: str) -> None:
    blocked = BlockList([entry])
    for url in ("http://example.org/", "https://www.example.org./x", "http://EXAMPLE.org:81/"):
        assert blocked.entry_for(url) == "example.org"
    assert blocked.entry_for("http://other.org/example.org/") == ""


def test_a_star_at_the_end_of_a_url_is_its_beginning() -> None:
    blocked = BlockList(["example.org/private/*", "https://example.org/a*"])
    urls = [f"http://example.org/{path}" for path in ("private/x", "about", "x")]
    assert [blocked.entry_for(url) for url in urls] == ["example.org/private/", "example.org/a", ""]


@pytest.mark.parametrize("entry", ["[::1]", "http://[0::1]/x", "http://[::1]:81/"])
def test_an_ipv6_host_is_blocked(entry: str) -> None:
    assert any(BlockList([entry]).entry_for(url) for url in ("http://[0:0::1]/x", "http://[::1]:81/"))


@pytest.mark.parametrize(
    "entry",
    [
        "example.org,",
        "example..org",
        "/private",
        "ftp://example.org",
        "file:///x",
        "@@||example.org^",
        "||example.org^$third-party",
        "||example.org/ads",
        "*.example.org/x",
        "example.org/a*b",
        "ex*mple.org",
        "0.0.0.0 example.org",
        "http://[::1",
        ".",
        "*",
        "! a comment of another kind",
    ],
)
def test_a_line_that_would_block_nothing_is_refused_by_file_and_line(entry: str) -> None:
    with pytest.raises(RequestError, match=r"lists\.txt: line 2: .* is neither a domain nor a URL; correct the line"):
        BlockList(["example.org", entry], "lists.txt")


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_any_line_is_an_entry_or_is_refused_and_any_url_can_be_asked_for(line: str, url: str) -> None:
    blocked = BlockList(LINES.splitlines())
    for each in (line, f"http://{line}", f"||{line}^"):
        with contextlib.suppress(RequestError):
            blocked.add([each], "lists.txt")
    for each in (url, f"http://{url}", f"http://paths.example{url}", f"http://{line}"):
        blocked.entry_for(each)


names = st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){1,4}", fullmatch=True)


@pytest.mark.slow
@given(st.lists(names, max_size=8), names)
def test_domains_match_as_suffixes_of_labels(domains: list[str], host: str) -> None:
    blocked = any(host == domain or host.endswith("." + domain) for domain in domains)
    assert bool(BlockList(domains).entry_for(f"https://{host}/x")) == blocked


def test_lists_are_read_from_files_and_object_stores(tmp_path: Path, s3_root: str) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffa.example\n".encode())  # as Windows' editors write UTF-8
    Location.of(f"{s3_root}/b.txt").write_bytes(b"b.example\r\nb.org/x\r\n")
    lists = BlockList.read([str(tmp_path / "a.txt"), f"{s3_root}/b.txt"])
    assert [lists.entry_for(f"http://{url}") for url in ("a.example", "b.example", "b.org/xy", "b.org")] == [
        "a.example",
        "b.example",
        "b.org/x",
        "",
    ]


def test_a_missing_list_and_a_bad_line_are_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nowhere\.txt: this block list cannot be read; check pages\.rights\.block_lists"):
        BlockList.read([str(tmp_path / "nowhere.txt")])
    (tmp_path / "bad.txt").write_text("good.example\ntwo words\n")
    with pytest.raises(RequestError, match=r"bad\.txt: line 2: 'two words' is neither a domain nor a URL"):
        BlockList.read([str(tmp_path / "bad.txt")])
