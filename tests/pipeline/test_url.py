from __future__ import annotations

import pytest

from pipeline.url import canonical_url, host_of


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
    ],
)
def test_spellings_of_a_url_become_one(link: str, base: str, expected: str) -> None:
    assert canonical_url(link, base) == expected


@pytest.mark.parametrize(
    "link", ["mailto:a@b.c", "javascript:void(0)", "file:///etc/passwd", "http://", "http://[::1", "ftp://a/b"]
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
