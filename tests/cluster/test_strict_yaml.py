"""YAML that a recipe may be: what YAML permits and a person did not mean is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import RequestError
from cluster.strict_yaml import MOST_VALUES, file_bytes, parse


def refusal(text: str | bytes) -> str:
    with pytest.raises(RequestError) as caught:
        parse(text, "r")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "r: line 3: a is written twice; keep one of them"),
        ("a: {b: 1, 'b': 2}", "r: line 1: b is written twice; keep one of them"),
        ("x:\n- {c: 1,\n   c: 2}", "r: line 3: c is written twice; keep one of them"),
        ("a: &x {b: 1}\nc: {<<: *x, d: 1, d: 2}", "r: line 2: d is written twice; keep one of them"),
        ("a: &x {b: 1}\nc: {<<: *x, <<: *x}", "r: line 2: << is written twice; keep one of them"),
        ("a: &x [*x]", "r: line 1: a value that holds itself"),
        ("a: &x {b: {c: *x}}", "r: line 1: a value that holds itself"),
        ("a: !!python/object/apply:os.system [ls]", "r: not valid YAML: could not determine a constructor for the tag"),
        ("a: " + "[" * 700, "r: not valid YAML: nested too deeply"),
        ("a: " + "9" * 5000, "r: not valid YAML: Exceeds the limit (4300 digits)"),
        ('a: "x\\0y"', "r: line 1: a sign that no text and no name of a file can hold"),
        ('a: "\\ud800"', "r: line 1: a sign that no text and no name of a file can hold"),
        ("a: 1\n---\nb: 2", "r: not valid YAML: expected a single document"),
    ],
)
def test_what_a_person_cannot_have_meant_is_refused_with_its_line(text: str, words: str) -> None:
    assert refusal(text).startswith(words)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 2020-13-01", {"a": "2020-13-01"}),
        ("a: 2020-01-01", {"a": "2020-01-01"}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("1: a\n'1': b", {1: "a", "1": "b"}),
    ],
)
def test_what_is_meant_is_read(text: str, value: Any) -> None:
    assert parse(text, "r") == value


def test_aliases_may_be_written_out_up_to_a_number_of_values() -> None:
    def text(times: int) -> str:
        return f"a: &a [{', '.join('x' * 1000)}]\nb: [{', '.join(['*a'] * times)}]"

    # the mapping, two keys, `a` and what is in it, `b`, and as much as `a` for every alias
    most = (MOST_VALUES - (1 + 2 + 1001 + 1)) // 1001
    assert len(parse(text(most), "r")["b"]) == most
    assert refusal(text(most + 1)) == "r: more than 100,000 values, aliases written out"


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40)]
    assert refusal("\n".join(lines)) == "r: more than 100,000 values, aliases written out"


def test_a_file_that_is_none_is_called_by_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    kinds = {"fifo": "not a regular file", ".": "a directory, not a file", "x": "absent", "y" * 300: "cannot be read"}
    for name, words in kinds.items():
        with pytest.raises(RequestError, match=words):
            file_bytes(str(tmp_path / name), "absent")
