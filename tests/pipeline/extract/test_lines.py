from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from pipeline.extract.line_features import TAGS
from pipeline.extract.lines import key_of, membership, page_lines

PAGE = """<html><head><title>Tides of the northern harbour</title></head><body>
<nav><a href="/">Start here</a> <a href="/b">Other harbours</a></nav>
<h1>Tides of the northern harbour</h1><p>High water comes <a href="/t">twice</a> a day.</p>
<ul><li>First item</li></ul><table><tr><td>Monday</td><td>06:12</td></tr><tr><td>Tuesday</td><td>07:03</td></tr></table>
<pre>for tide in tides:
    {
    }
    print(tide)
</pre></body></html>"""


def test_lines_keep_their_layout_tags_and_link_share() -> None:
    lines = page_lines(PAGE, ())
    assert [line.strip() for line in lines.text] == [
        "Start here Other harbours",
        "Tides of the northern harbour",
        "High water comes twice a day.",
        "• First item",
        "Monday\t\t06:12",
        "Tuesday\t\t07:03",
        "for tide in tides:",
        "{",
        "}",
        "print(tide)",
    ]
    tags = lines.features[:, 4 : 4 + len(TAGS)].argmax(1)
    assert [TAGS[tag] for tag in tags[1:4]] == ["h1", "p", "li"]
    assert lines.features[:3, 3] == pytest.approx([1, 0, len("twice") / len("Highwatercomestwiceaday")])
    assert lines.words.tolist() == [4, 5, 6, 2, 3, 3, 4, 0, 0, 2]


def test_tables_and_code_with_its_brackets_are_one_block_each() -> None:
    blocks = page_lines(PAGE, ()).blocks
    assert len(set(blocks[:4])) == 4
    assert blocks[4] == blocks[5]
    assert len(set(blocks[6:])) == 1
    assert len(set(blocks)) == 6


def test_skipped_elements_give_no_line() -> None:
    assert "Other harbours" not in "".join(page_lines(PAGE, ("nav",)).text)


@pytest.mark.parametrize("html", ["", "<p></p>", "<script>1</script>", "\0"])
def test_a_page_without_text_has_no_line(html: str) -> None:
    lines = page_lines(html, ())
    assert (lines.text, len(lines.words), len(lines.features)) == ([], 0, 0)


@pytest.mark.parametrize(
    ("line", "key"),
    [("  • One, two", "Onetwo"), ("12. Größe", "Größe"), ("- a-b_c", "abc"), ("1990 was", "1990was"), ("{ }", ""), ("", "")],
)
def test_a_line_is_known_by_its_letters_without_its_bullet(line: str, key: str) -> None:
    assert key_of(line) == key


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_a_line_is_a_member_as_often_as_the_other_text_has_it(ours: list[str], theirs: list[str]) -> None:
    found = membership(ours, theirs)
    for letter in "abcd":
        places = [number for number, key in enumerate(ours) if key == letter]
        expected = [float(rank < theirs.count(letter)) for rank in range(len(places))]
        assert found[places].tolist() == expected


def test_every_page_has_the_same_number_of_finite_features() -> None:
    one, other = page_lines(PAGE, ()).features, page_lines("<p>x" + "<li>1 2 3 " * 300, ()).features
    assert one.shape[1] == other.shape[1]
    assert np.isfinite(one).all()
    assert np.isfinite(other).all()


@pytest.mark.parametrize(
    ("html", "share"),
    [
        ("<p>four <a href=x>more</a></p>", 4 / 8),
        ("<p>four <a href=x><b>mo</b> re</a></p>", 4 / 8),
        ("<p>four</p><script>var hidden = '<a>not text</a>'</script><!-- <a>nor this</a> -->", 0),
        ("<abbr>four</abbr> <address>five</address>", 0),
        ("<p><A HREF=x>four</p>", 1),
        ("<p>\x01four\x02 <a href=x>more</a></p>", 4 / 8),
        ("", 0),
        ("<img>", 0),
    ],
)
def test_link_density_is_the_share_of_letters_in_links(html: str, share: float) -> None:
    assert page_lines(html, ()).link_density == pytest.approx(share)


@pytest.mark.slow
def test_link_density_agrees_with_a_parsed_tree_on_real_pages(shared: Path) -> None:
    pages = sorted((shared / "data/html/wcxb/pages").glob("*.gz"), key=lambda path: path.stat().st_size)[:40]
    assert len(pages) == 40
    for page in pages:
        html = gzip.decompress(page.read_bytes()).decode("utf-8", "replace")
        tree = HTMLTree.parse(html)
        assert tree.body is not None
        for hidden in tree.body.query_selector_all("script, style, noscript, template, svg"):
            hidden.decompose()
        whole = sum(map(str.isalnum, tree.body.text))
        links = sum(sum(map(str.isalnum, link.text)) for link in tree.body.get_elements_by_tag_name("a"))
        assert page_lines(html, ()).link_density == pytest.approx(links / whole if whole else 0, abs=0.11), page.name
