from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.read import Record


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "T", "posts": [{"author": "a", "text": "one"}, {"author": "b", "text": " two "}]}, "T\n\none\n\ntwo"),
        ({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}, "hi\n\nho"),
        ({"title": "T", "messages": ["one", "", "two"]}, "T\n\none\n\ntwo"),
        ({"posts": [{"body": "one"}, 3, None, {"x": "y"}]}, "one"),
        ({"title": "T", "posts": []}, None),
        ({"title": "T", "posts": [{"x": 1}]}, None),
        ({"title": "T", "posts": "words"}, None),
    ],
)
def test_a_thread_is_its_title_and_its_posts(
    tmp_path: Path, read_file: Callable[..., list[Record]], fields: dict[str, Any], text: str | None
) -> None:
    path = tmp_path / "threads.jsonl"
    path.write_text(json.dumps(fields | {"url": "http://h/"}) + "\n")
    [record] = read_file(path, "jsonl")
    assert (record.problem, record.body) == (("", text) if text else ("no_text_or_html", b""))
    assert record.url == "http://h/"


def test_a_line_beyond_the_limit_is_skipped_whole(tmp_path: Path, read_file: Callable[..., list[Record]]) -> None:
    path = tmp_path / "x.jsonl"
    lines = [json.dumps({"text": "x" * size}) for size in (10, 5000, 1500, 20)]
    path.write_text("\n".join(lines))
    records = read_file(path, "jsonl", limit=1000)
    assert [(record.problem, record.value, len(record.body)) for record in records] == [
        ("", None, 10),
        ("oversize", 5013.0, 0),  # the line, with its end
        ("oversize", 1500.0, 0),  # its text
        ("", None, 20),
    ]
