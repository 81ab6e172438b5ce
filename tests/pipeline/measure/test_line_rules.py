from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.line_rules import clean_lines
from pipeline.measure.settings import LineSettings

REFINEDWEB, C4 = LineSettings(refinedweb=True), LineSettings(c4=True)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("BREAKING NEWS FROM THE CAPITAL", "capitals"),
        ("NASA and the ESA built it", None),
        ("12.5 / 2019 - 33%", "numeric"),
        ("3 likes", "counter"),
        ("1.2k Comments", "counter"),
        ("15 points were scored in the last minute.", None),
        ("Home", "one_word"),
        ("Sign in to your account", "furniture"),
        ("The story goes on ... Read more »", "furniture"),
        ("You have 3 items in your cart", "furniture"),
        ("To sign in on paper was the custom of the house, and nobody thought to continue reading", None),
        ("An ordinary line of words.", None),
    ],
)
def test_refinedwebs_rules_name_the_lines_they_take(line: str, rule: str | None) -> None:
    cleaned = clean_lines(f"First of all.\n{line}\nLast of all.", REFINEDWEB)
    assert cleaned.removed == ({rule: 1} if rule else {})
    assert cleaned.text == ("First of all.\nLast of all." if rule else f"First of all.\n{line}\nLast of all.")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("two words", "few_words"),
        ("a line with " + "x" * 1001, "long_word"),
        ("Please enable JavaScript first", "javascript"),
        ("This site uses cookies everywhere", "policy"),
        ("three plain words", None),
    ],
)
def test_c4s_rules_name_the_lines_they_take(line: str, rule: str | None) -> None:
    assert clean_lines(line, C4).removed == ({rule: 1} if rule else {})


def test_the_share_is_that_of_words() -> None:
    cleaned = clean_lines("one two three four\n\nHome\n\nfive six seven eight nine", REFINEDWEB)
    assert cleaned.share == pytest.approx(1 / 10)
    assert cleaned.text == "one two three four\n\nfive six seven eight nine"


def test_citations_go_from_the_lines_that_stay() -> None:
    text = "Founded in 1402.[1][23] It stands.[edit]"
    assert clean_lines(text, LineSettings(citations=True)).text == "Founded in 1402. It stands."


@given(st.text(st.sampled_from("aB1 \n.")))
def test_without_rules_nothing_changes(text: str) -> None:
    cleaned = clean_lines(text, LineSettings())
    assert (cleaned.text, cleaned.removed, cleaned.share) == (text, {}, 0.0)


@given(st.text(st.sampled_from("aB1 \n."), max_size=80))
def test_what_stays_is_lines_of_the_text_in_order_and_is_clean(text: str) -> None:
    cleaned = clean_lines(text, REFINEDWEB)
    left = [line for line in cleaned.text.split("\n") if line.strip()]
    rest = iter(text.split("\n"))
    assert all(line in rest for line in left)
    assert clean_lines(cleaned.text, REFINEDWEB).removed == {}
    assert sum(cleaned.removed.values()) + len(left) == sum(bool(line.strip()) for line in text.split("\n"))
