from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.url import canonical_url, host_name, host_of, path_of, without_scheme


@pytest.mark.parametrize(
    ("link", "base", "expected"),
    [
        ("HTTP://Example.COM", "", "http://example.com/"),
        ("http://example.com:80/a#part", "", "http://example.com/a"),
        ("https://example.com:443/", "", "https://example.com/"),
        ("http://example.com:8080/a", "", "http://example.com:8080/a"),
        ("../b?q=1#x", "http://example.com/a/c.html", "http://example.com/b?q=1"),
        ("//other.org/x", "https://example.com/", "https://other.org/x"),
        ("/ä ö", "http://example.com/", "http://example.com/%C3%A4%20%C3%B6"),
        ("http://example.com/%7euser", "", "http://example.com/~user"),
        ("", "http://example.com/a", "http://example.com/a"),
        ("http://example.com?q=1", "", "http://example.com/?q=1"),
        ("http://example.com./a", "", "http://example.com/a"),
        ("http://Bücher.example:80/", "", "http://xn--bcher-kva.example/"),
        ("http://b%C3%BCcher.example/", "", "http://xn--bcher-kva.example/"),
        ("http://[0:0::1]/", "", "http://[::1]/"),
        ("http://xn--a.com/", "", "http://xn--a.com/"),  # no punycode, and still somebody's name
        ("http://xn--/", "", "http://xn--/"),
    ],
)
def test_spellings_of_a_url_become_one(link: str, base: str, expected: str) -> None:
    assert canonical_url(link, base) == expected


@pytest.mark.parametrize(
    "link",
    [
        "mailto:a@b.c",
        "javascript:void(0)",
        "file:///etc/passwd",
        "http://",
        "http://./",
        "http://[::1",
        "ftp://a/b",
        "http://[::1][@",
        "http://u[:p@a.org/x",
        "http://a.org:99999/",
        "http://a%2565.org/",
        "http://two words.org/",
        "http://a.org：80/",
    ],
)
def test_what_is_not_a_web_address_is_no_url(link: str) -> None:
    assert canonical_url(link, "") is None


def test_canonical_form_is_stable() -> None:
    once = canonical_url("http://Example.com/a%20b/ü?x=%41&y=/#f")
    assert once is not None
    assert canonical_url(once) == once


def test_hosts_with_different_ports_are_different_hosts() -> None:
    assert host_of("http://example.com/a") == "example.com"
    assert host_of("http://example.com:81/a") == "example.com:81"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.org?x=1", "a.org"),
        ("http://a.org#x", "a.org"),
        ("HTTPS://A.Org.:443/x", "a.org"),
        ("http://a.org:443", "a.org:443"),
        ("http://u:p@a.org:81/@b", "a.org:81"),
        ("http://u[:p@a.org/x", "a.org"),
        ("http://münchen.de/x", "xn--mnchen-3ya.de"),
        ("http://xn--mnchen-3ya.de./x", "xn--mnchen-3ya.de"),
        ("http://xn--a.com/", "xn--a.com"),
        ("http://[0::1]:80/", "[::1]"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("file:///x", ""),
        ("a.org/x", ""),
        ("http://", ""),
        ("http://[::1][@", ""),
        ("http://a.org\\@b.org/", ""),  # a.org to browsers, b.org to the standard
    ],
)
def test_a_host_has_one_spelling(url: str, host: str) -> None:
    assert host_of(url) == host
    assert host_name(url) == host.removesuffix(":443").removesuffix(":81").removesuffix(":8080")


def test_a_path_is_what_follows_the_host_whatever_that_is() -> None:
    urls = ("http://a.org", "http://a.org?x", "http://u[:p@a.org/x?y#z", "http://a.org#x/y", "http://h//d", "http://h/a://b")
    assert [path_of(url) for url in urls] == ["/", "/?x", "/x?y", "/", "//d", "/a://b"]


def test_a_list_names_a_page_without_scheme_and_user_name() -> None:
    assert without_scheme("https://u:p@a.org/x@y?z=/@") == "a.org/x@y?z=/@"


HARD = ["http://", "https://", "ftp://", "//", "a.org", "xn--", "xn--a", "münchen.de", "[::1]", "[", "]", "@", ":", ":80", "٣"]
HARD += [
    "%",
    "%zz",
    "%2e",
    "%25",
    "/",
    "?",
    "#",
    "\\",
    " ",
    "\n",
    "\ud800",
    "。",
    "℀",
    ".",
    "-",
    "\0",
    "fe80::1%25eth0",
    "İ",
    "x",
]
anything = st.text(st.characters()) | st.lists(st.sampled_from(HARD), max_size=8).map("".join)


@given(anything, anything)
def test_no_string_whatever_makes_them_raise(url: str, base: str) -> None:
    for each in (url, f"http://{url}", f"http://a.org{url}"):
        canonical = canonical_url(each)
        canonical_url(each, base)
        path_of(each)
        without_scheme(each)
        assert host_name(each) in host_of(each)
        if canonical is not None:
            assert canonical_url(canonical) == canonical
            assert host_of(canonical) == host_of(each)
