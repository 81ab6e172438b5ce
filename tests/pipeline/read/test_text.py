from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.read import Part, Record, plan_units, read_part
from pipeline.read.text import without_gutenberg_frame

ReadFile = Callable[..., list[Record]]
SEPARATOR = "<|endoftext|>"
BOOK = "CHAPTER I\n\nIt was a dark night.\n\nTHE END"


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_a_document(tmp_path: Path, read_file: ReadFile, packed: bool) -> None:
    path, text = tmp_path / "book.txt", "Erstes Kapitel.\r\nEs war Nacht über der Straße.\n"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    [record] = read_file(path, "text")
    assert (record.body, record.mime, record.charset, record.problem) == (text, "text/plain", "utf-8", "")
    assert record.url == f"file://{path}"


@pytest.mark.parametrize("charset", ["cp1252", "utf-8-sig", "utf-16"])
def test_a_book_in_another_charset_is_decoded_and_says_how(tmp_path: Path, read_file: ReadFile, charset: str) -> None:
    text = "Größe und Übermut: “schöne” Wörter für die Straße. " * 30
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode(charset))
    [record] = read_file(path, "text")
    assert record.body == text
    assert record.note.startswith("decoded as ")


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (
            "The Project Gutenberg eBook of X\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
            "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nterms",
        ),
        (
            "Produced by Y\r\n***START OF THIS PROJECT GUTENBERG EBOOK A LONG\r\nTITLE***\r\n",
            "\nEnd of Project Gutenberg's X, by Y\n\n***END OF THIS PROJECT GUTENBERG EBOOK X***\n",
        ),
        ("*** START OF THE PROJECT GUTENBERG EBOOK X ***\n", ""),
        ("", ""),
    ],
)
def test_the_frame_of_project_gutenberg_goes_and_the_book_stays(head: str, tail: str) -> None:
    assert without_gutenberg_frame(head + BOOK + tail).strip() == BOOK


def test_a_book_about_project_gutenberg_is_left_whole() -> None:
    text = BOOK + "\nEnd of Project Gutenberg was near.\n" + BOOK
    assert without_gutenberg_frame(text) == text


def test_what_is_no_text_says_why(tmp_path: Path, read_file: ReadFile) -> None:
    reasons = {}
    for name, data in {"nul": b"words\0words", "long": b"x" * 2000, "empty": b" \n"}.items():
        (tmp_path / name).write_bytes(data)
        [record] = read_file(tmp_path / name, "text", limit=1000)
        reasons[name] = (record.problem, record.body)
    assert reasons == {"nul": ("binary", b""), "long": ("oversize", b""), "empty": ("", " \n")}


LINES = st.lists(
    st.one_of(st.just(SEPARATOR), st.just(""), st.text("abß <|>", max_size=20), st.just(f"{SEPARATOR} not alone")), max_size=40
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 400))
def test_documents_between_separators_come_once_however_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, ended: bool, task_bytes: int
) -> None:
    text = end.join(lines) + (end if ended else "")
    path = tmp_path_factory.getbasetemp() / "separated.txt"
    path.write_bytes(text.encode())
    # By another way: regular lines, grouped in memory.
    expected, document = [], ""
    for line in [*text.encode().decode().split("\n"), SEPARATOR]:
        if line.rstrip("\r") == SEPARATOR:
            expected.append(document)
            document = ""
        else:
            document += line + "\n"
    expected = [each.strip() for each in expected if each.strip()]
    file = {"uri": str(path), "name": "x", "format": "text", "bytes": len(text.encode()), "options": {"separator": SEPARATOR}}
    records = [record for unit in plan_units([file], task_bytes) for part in unit for record in read_part(part, 10**6)]
    assert [record.body.strip() for record in records] == expected
    assert len({record.url for record in records}) == len(records)


def test_real_stories_are_as_many_as_the_separators_say(shared: Path) -> None:
    path = shared / "data/prose/tinystories.txt"
    expected = [each for each in path.read_text(encoding="utf-8").split(f"{SEPARATOR}\n") if each.strip()]
    file = {"uri": str(path), "name": "x", "format": "text", "bytes": path.stat().st_size, "options": {"separator": SEPARATOR}}
    for task_bytes in (60_000, 10**9):
        units = plan_units([file], task_bytes)
        records = [record for unit in units for part in unit for record in read_part(part, 10**6)]
        assert [record.body for record in records] == expected
    assert len(records) == 1959  # what the data's own description says


def test_real_novels_are_read_without_a_lost_character(shared: Path) -> None:
    novels = sorted((shared / "data/prose/novels").glob("*.txt.gz"))[:8]
    assert len(novels) == 8
    for path in novels:
        [record] = read_part(Part(str(path), path.name, "text"), 10**7)
        assert not record.problem
        assert record.body == gzip.decompress(path.read_bytes()).decode(record.charset or "").removeprefix("\ufeff")
