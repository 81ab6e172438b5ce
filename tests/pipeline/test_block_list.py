from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import RequestError
from cluster.store import Location
from pipeline.block_list import BlockList

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
        ("not a url", ""),
        ("http://[", ""),
    ],
)
def test_a_domain_blocks_its_sub_domains_and_a_url_all_that_begins_with_it(url: str, entry: str) -> None:
    assert BlockList(LINES.splitlines()).entry_for(url) == entry


names = st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){1,4}", fullmatch=True)


@given(st.lists(names, max_size=8), names)
def test_domains_match_as_suffixes_of_labels(domains: list[str], host: str) -> None:
    blocked = any(host == domain or host.endswith("." + domain) for domain in domains)
    assert bool(BlockList(domains).entry_for(f"https://{host}/x")) == blocked


def test_lists_are_read_from_files_and_object_stores(tmp_path: Path, s3_root: str) -> None:
    (tmp_path / "a.txt").write_text("a.example\n")
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
