from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spam import link_density, parked_phrases


@pytest.mark.parametrize(
    ("html", "share"),
    [
        ("<p>four <a href=x>more</a></p>", 4 / 8),
        ("<p>four <a href=x><b>mo</b> re</a></p>", 4 / 8),
        ("<p>four</p><script>var hidden = '<a>not text</a>'</script><!-- <a>nor this</a> -->", 0),
        ("<abbr>four</abbr> <address>five</address>", 0),
        ("<a>one<a>two</a> six", 6 / 9),
        ("<A HREF=x>four", 1),
        ("<STYLE>a { color: red }</STYLE><a>four</a>", 1),
        ("", 0),
        ("<img>", 0),
    ],
)
def test_link_density_is_the_share_of_characters_in_links(html: str, share: float) -> None:
    assert link_density(html) == pytest.approx(share)


@given(st.text(st.sampled_from("<>a/!-script b")))
def test_link_density_of_any_bytes_is_a_share(html: str) -> None:
    assert 0 <= link_density(html) <= 1


@pytest.mark.parametrize("piece", ["<a", "<script>", "<!--", "<a>", "<", "<script></", "-->", "<a><b>"])
def test_hostile_pages_cost_time_in_proportion_to_their_length(piece: str) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        link_density(piece * times)
        return time.process_time() - began

    assert seconds(40_000) < 0.5  # quadratic time takes minutes


def test_link_density_agrees_with_a_parsed_tree_on_real_pages(shared: Path) -> None:
    from resiliparse.parse.html import HTMLTree

    pages = sorted((shared / "data/html/wcxb/pages").glob("*.gz"), key=lambda path: path.stat().st_size)[:40]
    for page in pages:
        html = gzip.decompress(page.read_bytes()).decode("utf-8", "replace")
        tree = HTMLTree.parse(html)
        assert tree.body is not None
        for hidden in tree.body.query_selector_all("script, style, noscript, template, svg"):
            hidden.decompose()
        whole = len("".join(tree.body.text.split()))
        links = sum(len("".join(link.text.split())) for link in tree.body.get_elements_by_tag_name("a"))
        assert link_density(html) == pytest.approx(links / whole if whole else 0, abs=0.11), page.name


@pytest.mark.parametrize(
    "text",
    [
        "example.org\nThis domain is for sale! Buy this domain",
        "The domain example.org may be for sale. Click here to inquire about this domain.",
        "This Web page is parked FREE, courtesy of a registrar.",
        "Welcome to nginx! If you see this page, the server is installed.",
        "This Account has been suspended.",
    ],
)
def test_parked_domains_are_recognised(text: str) -> None:
    assert parked_phrases(text) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "The house is for sale.",
        "He parked the car. The domain of a function is a set.",
        "This domain is for sale. " + "x" * 2000,
    ],
)
def test_pages_about_other_things_are_not_parked(text: str) -> None:
    assert parked_phrases(text) == 0


def test_no_real_page_is_taken_for_a_parked_domain(shared: Path) -> None:
    with gzip.open(shared / "data/html/wcxb/gold.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["gold"]["main_content"] for line in lines]
    assert sum(map(bool, map(parked_phrases, filter(None, texts)))) == 0
