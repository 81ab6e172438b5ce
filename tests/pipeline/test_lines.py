from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lines import TAGS, key_of, membership, page_lines

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
