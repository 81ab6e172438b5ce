from __future__ import annotations

import bz2
import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import RequestError
from pipeline.classifiers.examples import labelled
from pipeline.classifiers.settings import LabelledFile
from pipeline.read.data_files import rows, sample, texts


def test_files_of_every_form_give_their_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "one"}\n\n{"q": "two \u2028 lines"}\n')
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b'x,y\n"three\nlines",four\n'))
    (tmp_path / "c.json").write_text(json.dumps([{"deep": ["five"]}]))
    (tmp_path / "d.txt.bz2").write_bytes(bz2.compress("\ufeffsix\n\nsieben ö\n".encode()))
    pq.write_table(pa.table({"t": ["eight"], "n": [9]}), tmp_path / "e.parquet")
    (tmp_path / "f.tsv").write_text("x\ty\nnine, ten\t11\n")
    assert list(rows([str(tmp_path)])) == [
        ("a.jsonl", 0, {"q": "one"}),
        ("a.jsonl", 1, {"q": "two \u2028 lines"}),
        ("b.csv.gz", 0, {"x": "three\nlines", "y": "four"}),
        ("c.json", 0, {"deep": ["five"]}),
        ("d.txt.bz2", 0, "six"),
        ("d.txt.bz2", 1, "sieben ö"),
        ("e.parquet", 0, {"t": "eight", "n": 9}),
        ("f.tsv", 0, {"x": "nine, ten", "y": "11"}),
    ]


@pytest.mark.parametrize(
    ("name", "data"), [("x.jsonl", b"{"), ("x.txt", b"\xff\xfe\xff"), ("x.csv.gz", b"no gzip"), ("x.parquet", b"PAR1")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RequestError, match=rf"{name}: cannot be read .*; give JSONL"):
        list(rows([str(tmp_path / name)]))


def test_texts_are_a_field_or_passages_of_whole_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "one"}\n{"body": "two"}\n')
    lines = [f"{number} " + "x" * 700 for number in range(4)]
    (tmp_path / "b.txt").write_text("\n".join(lines))
    (tmp_path / "c.txt").write_text("last")
    assert list(texts([str(tmp_path)], "body")) == ["one", "two", "\n".join(lines[:3]), lines[3], "last"]


def test_a_field_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "one", "id": 2}\n')
    with pytest.raises(RequestError, match=r"a.jsonl, item 0: no field 'text' \(there: body, id\); name the field"):
        list(texts([str(tmp_path)], "text"))


def test_labels_or_scores_say_what_is_bad(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("class,tweet\n0,one\n1,two\n2,three\n")
    (tmp_path / "b.jsonl").write_text('{"text": "four", "score": 0.5}\n{"text": "five", "score": 0.49}\n')
    by_label = LabelledFile(file=str(tmp_path / "a.csv"), text="tweet", label="class", bad=[0, 1])
    by_score = LabelledFile(file=str(tmp_path / "b.jsonl"), label="score", bad_from=0.5)
    expected = [("one", True), ("two", True), ("three", False), ("four", True), ("five", False)]
    assert list(labelled([by_label, by_score])) == expected
    wrong = LabelledFile(file=str(tmp_path / "b.jsonl"), label="text", bad_from=0.5)
    with pytest.raises(RequestError, match=r"b.jsonl, item 0: text is 'four', not a score; give `bad` labels"):
        list(labelled([wrong]))


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 5))
def test_a_sample_is_some_of_the_items_in_order_and_the_same_again(size: int, number: int, seed: int) -> None:
    chosen = sample(range(size), number, seed)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(size, number)
    assert chosen == sample(range(size), number, seed)


def test_every_item_is_drawn_as_often() -> None:
    drawn = Counter(item for seed in range(2000) for item in sample(range(10), 3, seed))
    # 600 each on average, standard deviation 20.5
    assert all(abs(drawn[item] - 600) < 90 for item in range(10))
