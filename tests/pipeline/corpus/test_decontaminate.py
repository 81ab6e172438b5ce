from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpus.decontaminate import benchmark, decontaminate, hits, ngram_hashes, read_benchmarks, token_hashes

QUESTION = (
    "A group of engineers wanted to know how different building designs would respond during an earthquake and "
    "so they made several models of buildings and tested each of them on a table that shakes."
)
token = st.sampled_from(["a", "b", "c"])
texts = st.lists(st.lists(token, min_size=1, max_size=30).map(" ".join), max_size=4)


def grams(text: str, width: int) -> list[tuple[str, ...]]:
    tokens = re.findall(r"\w+", text.lower())
    return [tuple(tokens[at : at + width]) for at in range(len(tokens) - width + 1)]


@given(st.lists(token, max_size=40), st.integers(1, 13))
def test_hashes_are_equal_where_the_ngrams_are(tokens: list[str], width: int) -> None:
    expected = grams(" ".join(tokens), width)
    [(_, hashes)] = ngram_hashes(token_hashes(tokens), [width])
    pairs = set(zip(expected, hashes.tolist(), strict=True))
    assert len(pairs) == len(set(expected)) == len({number for _, number in pairs})


@given(texts, texts)
def test_overlap_is_what_sets_of_ngrams_give(asked: list[str], lines: list[str]) -> None:
    index = benchmark(("b", item, text) for item, text in enumerate(asked))
    known: dict[int, set[tuple[str, ...]]] = {}
    for text in asked:
        size = len(text.split())
        if size >= 8:
            known.setdefault(min(13, size), set()).update(grams(text, min(13, size)))
    expected = {}
    for number, line in enumerate(lines):
        size, overlap = len(line.split()), 0.0
        for width, members in known.items():
            here = [gram in members for gram in grams(line, width)]
            if any(here) and width == 13:
                overlap = max(overlap, sum(here) / len(here))
            elif any(here):
                inside = {at + step for at, yes in enumerate(here) if yes for step in range(width)}
                overlap = max(overlap, len(inside) / size)
        if overlap:
            expected[number] = pytest.approx(overlap)
    assert {hit.paragraph: hit.overlap for hit in hits("\n".join(lines), index)} == expected


@given(texts)
def test_a_benchmark_in_another_layout_is_found_in_full(asked: list[str]) -> None:
    index = benchmark(("b", item, text) for item, text in enumerate(asked))
    for text in asked:
        if len(text.split()) >= 8:
            [hit] = hits(text.upper().replace(" ", ",\t") + "!", index)
            assert hit.overlap == 1


def test_a_hit_names_the_file_and_item_with_most_of_its_ngrams() -> None:
    tail = " ".join(QUESTION.split()[:16])
    index = benchmark([("first.jsonl", 0, tail + " then nothing"), ("second.jsonl", 7, QUESTION)])
    [hit] = hits(f"Untouched.\n\n{QUESTION}", index)
    # 34 words hold 22 13-grams; the first four are the first benchmark's too, which is named for them.
    assert len(QUESTION.split()) == 34
    assert (hit.paragraph, hit.overlap, hit.file, hit.item, hit.ngrams) == (1, 1.0, "second.jsonl", 7, 18)


def test_a_paragraph_goes_when_half_of_it_is_a_benchmarks_and_a_quotation_stays() -> None:
    own = " ".join(f"own{number}" for number in range(200))
    index = benchmark([("b", 0, QUESTION)])
    text = f"A heading\n\n{QUESTION}\n\nBetween.\n\n{own} {QUESTION}"
    cleaned = decontaminate(text, index)
    assert cleaned.text == f"A heading\n\nBetween.\n\n{own} {QUESTION}"
    assert cleaned.dropped == 1
    assert [(hit.paragraph, hit.ngrams) for hit in cleaned.hits] == [(1, 22), (3, 22)]
    assert cleaned.hits[1].overlap == pytest.approx(22 / (234 - 12))


def test_short_texts_count_as_a_whole_and_very_short_ones_not_at_all() -> None:
    index = benchmark([("b", 0, "What is the capital of the old kingdom?"), ("b", 1, "She said yes.")])
    assert [hit.item for hit in hits("What is the capital of the old kingdom?\nShe said yes.", index)] == [0]


def test_an_empty_benchmark_or_text_finds_nothing() -> None:
    assert hits("Some text that is long enough to hold one of those n-grams of thirteen words.", benchmark([])) == []
    assert decontaminate("", benchmark([("b", 0, QUESTION)])).text == ""


def test_the_strings_of_every_item_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "one", "choices": ["two", {"x": "three"}], "gold": 1}\n"four"\n')
    expected = [("a.jsonl", 0, "one"), ("a.jsonl", 0, "two"), ("a.jsonl", 0, "three"), ("a.jsonl", 1, "four")]
    assert list(read_benchmarks([str(tmp_path)])) == expected


@pytest.mark.slow
def test_every_benchmark_item_is_found_among_prose_and_no_prose_is(shared: Path) -> None:
    asked = list(read_benchmarks([str(shared / "data/eval")]))
    index = benchmark(asked)
    assert (np.diff(index.hashes.astype(object)) > 0).all()
    prose = (shared / "data/prose/tinystories.txt").read_text(encoding="utf-8").split("<|endoftext|>")[:100]
    dirty = [hit for story in prose for hit in hits(story, index) if hit.overlap >= 0.5]
    assert dirty == []
    for file, item, text in asked[::997]:
        if len(re.findall(r"\w+", text)) >= 13 and "\n" not in text:
            planted = decontaminate(f"{prose[0]}\n{text}\n{prose[1]}", index)
            assert planted.dropped == 1, (file, item)
