from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.extract.gold import SETS, domain, gold_pages, word_f1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.example.com/a?b=1", "example.com"),
        ("https://blog.example.co.uk/", "example.co.uk"),
        ("http://example.de", "example.de"),
        ("https://a.b.c.example.org:8080/x", "example.org"),
        ("https://shop.com.au", "shop.com.au"),
        ("", ""),
    ],
)
def test_the_registered_domain_of_a_url(url: str, expected: str) -> None:
    assert domain(url) == expected


@pytest.mark.parametrize(
    ("found", "gold", "f1"),
    [
        ("the boat", "The Boat!", 1),
        ("the the boat", "the boat", 4 / 5),
        ("a b c d", "c d e f g h", 2 * (2 / 4) * (2 / 6) / (2 / 4 + 2 / 6)),
        ("", "a", 0),
        ("a", "b", 0),
        ("", "", 1),
    ],
)
def test_word_f1_is_that_of_word_multisets(found: str, gold: str, f1: float) -> None:
    assert word_f1(found, gold) == pytest.approx(f1)


@pytest.mark.slow
def test_no_domain_is_on_both_sides_of_the_split(shared: Path) -> None:
    pages = list(gold_pages(shared / "data/html"))
    assert {page.source for page in pages} == set(SETS)
    held = {page.domain for page in pages if page.held_out}
    assert not held & {page.domain for page in pages if not page.held_out}
    assert 0.25 < sum(page.held_out for page in pages) / len(pages) < 0.35
