from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from pipeline.read import Record

ReadFile = Callable[..., list[Record]]


def post(number: int, kind: int, body: str, score: int = 0, parent: int | None = None, title: str = "") -> str:
    fields = {"Id": number, "PostTypeId": kind, "Score": score, "Body": body, "CreationDate": "2020-01-02T03:04:05.000"}
    fields |= {"ParentId": parent} if parent else {}
    fields |= {"Title": title} if title else {}
    return f"  <row {' '.join(f'{name}={quoteattr(str(value))}' for name, value in fields.items())} />\n"


def dump(*posts: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n{"".join(posts)}</posts>'.encode("utf-8-sig")


POSTS = (
    post(1, 1, "<p>How do I <code>sort</code>?</p>", 5, title="Sorting & more"),
    post(2, 2, "<p>Poorly.</p>", -1, parent=1),
    post(3, 1, "<p>Nobody knows.</p>", title="Unanswered"),
    post(4, 2, "<pre><code>def f(x):\n    return x &lt; 2\n</code></pre>", 9, parent=1),
    post(5, 4, "<p>A tag's wiki</p>"),
    post(6, 2, "<p>To a question that is gone.</p>", parent=99),
    post(7, 2, "<p>Later.</p>", 9, parent=1),
)


@pytest.mark.parametrize("packed", [False, True])
def test_a_question_comes_with_its_answers_the_best_first(tmp_path: Path, read_file: ReadFile, packed: bool) -> None:
    path = tmp_path / "harbours.stackexchange.com" / "Posts.xml"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(dump(*POSTS)) if packed else dump(*POSTS))
    records = {record.offset: record for record in read_file(path, "stackexchange")}
    assert {number: record.problem for number, record in records.items()} == {
        1: "",
        3: "",
        5: "not_a_question",
        6: "orphan_answer",
    }
    assert records[1].body == "Sorting & more\n\nHow do I sort?\n\ndef f(x):\n    return x < 2\n\nLater.\n\nPoorly."
    assert records[3].body == "Unanswered\n\nNobody knows."
    assert records[1].url == "https://harbours.stackexchange.com/questions/1"
    assert (records[1].time, records[1].mime) == ("2020-01-02T03:04:05.000", "text/plain")


def test_a_thread_beyond_the_limit_is_oversize_and_the_next_is_read(tmp_path: Path, read_file: ReadFile) -> None:
    path = tmp_path / "Posts.xml"
    path.write_bytes(
        dump(post(1, 1, "q"), post(2, 2, "x" * 600, parent=1), post(3, 2, "y" * 600, parent=1), post(4, 1, "fine"))
    )
    records = read_file(path, "stackexchange", limit=1000)
    assert [(record.offset, record.problem, record.body) for record in records] == [(1, "oversize", b""), (4, "", "fine")]


def test_what_stands_before_a_cut_is_read(tmp_path: Path, read_file: ReadFile) -> None:
    path, data = tmp_path / "Posts.xml", dump(*[post(number, 1, f"question {number}") for number in range(1, 200)])
    path.write_bytes(data[: len(data) // 2])
    *read, last = read_file(path, "stackexchange")
    assert [record.body for record in read] == [f"question {number}" for number in range(1, len(read) + 1)]
    assert len(read) > 90
    assert (last.problem, bool(last.note)) == ("unreadable", True)


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE posts [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE posts [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE posts SYSTEM "http://127.0.0.1:9/posts.dtd">',
    ],
)
def test_a_dump_that_declares_entities_is_refused_unread(tmp_path: Path, read_file: ReadFile, declared: str) -> None:
    path = tmp_path / "Posts.xml"
    path.write_text(f'<?xml version="1.0"?>{declared}<posts><row Id="1" PostTypeId="1" Body="&a;" /></posts>')
    [record] = read_file(path, "stackexchange")
    assert (record.problem, record.body) == ("unreadable", b"")


def test_numbers_that_are_none_do_not_stop_a_dump(tmp_path: Path, read_file: ReadFile) -> None:
    path = tmp_path / "Posts.xml"
    path.write_bytes(
        b'<posts><row Id="x" PostTypeId="1" Body="a"/><row/><row Id="99999999999999999999" PostTypeId="1" Body="b"/></posts>'
    )
    assert {record.body for record in read_file(path, "stackexchange") if not record.problem} == {"a", "b"}
