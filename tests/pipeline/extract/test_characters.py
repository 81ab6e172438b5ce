from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extract.characters import CAPITAL, DIGIT, LETTER, STOP, LineCharacters, code_points, kinds_of

# Of all planes, also letters, digits and signs beyond the first one.
CHARACTERS = st.one_of(st.characters(exclude_characters="\n"), st.sampled_from("aZ9_ .,\t𝒜𝟛𐐀🙂²ǅßİ"))
LINES = st.lists(st.text(CHARACTERS, min_size=1, max_size=30), min_size=1, max_size=6)


@given(LINES)
def test_each_line_is_counted_as_python_counts_its_characters(lines: list[str]) -> None:
    characters = LineCharacters(lines)
    assert characters.count(DIGIT).tolist() == [sum(map(str.isdigit, line)) for line in lines]
    assert characters.count(CAPITAL, 4).tolist() == [sum(map(str.isupper, line[:4])) for line in lines]
    assert characters.count(STOP).tolist() == [sum(map(".!?".__contains__, line)) for line in lines]
    assert ((characters.holds() & LETTER) > 0).tolist() == [any(map(str.isalnum, line)) for line in lines]


@given(LINES)
def test_words_are_those_of_a_regular_expression(lines: list[str]) -> None:
    words, numbers = LineCharacters(lines).words()
    expected = [re.findall(r"\w+", line) for line in lines]
    assert numbers.tolist() == list(map(len, expected))
    assert words == [word.lower() for line in expected for word in line]


@given(LINES, st.integers(0, 3))
def test_letters_are_what_is_left_of_a_line_without_all_else(lines: list[str], skipped: int) -> None:
    found = LineCharacters(lines).letters([min(skipped, len(line)) for line in lines])
    assert found == ["".join(filter(str.isalnum, line[skipped:])) for line in lines]


@pytest.mark.parametrize("plane", range(17))
def test_every_code_point_has_its_kind(plane: int) -> None:
    text = "".join(map(chr, range(plane << 16, (plane + 1) << 16, 7)))
    assert ((kinds_of(code_points(text)) & LETTER) > 0).tolist() == list(map(str.isalnum, text))
