from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.words import Chunks, Vocabulary, split_chunk

lines = st.lists(st.text(st.sampled_from("ab'.-,(3é…# "), min_size=1).filter(str.strip), max_size=8)


@given(st.text(min_size=1).filter(lambda chunk: not any(map(str.isspace, chunk))))
def test_the_words_of_a_chunk_joined_are_the_chunk(chunk: str) -> None:
    words = split_chunk(chunk)
    assert "".join(words) == chunk
    assert all(words)


@pytest.mark.parametrize(
    ("chunk", "words"),  # the right side as spaCy 3.8's blank English pipeline splits
    [
        ("don't", "do n't"),
        ("she'll,", "she 'll ,"),
        ("cannot", "can not"),
        ("Mr.", "Mr."),
        ("end.”", "end . ”"),
        ("U.S.", "U.S."),
        ("USA.", "USA ."),
        ("e.g.", "e.g."),
        ("(well-known)", "( well - known )"),
        ("3.5%", "3.5 %"),
        ("10km", "10 km"),
        ("$20", "$ 20"),
        ("wait...", "wait ..."),
        ("one.Two", "one . Two"),
        ("https://example.org/a-b.", "https://example.org/a-b ."),
        ("me@example.org,", "me@example.org ,"),
        ("his--hers", "his -- hers"),
        ("it’s", "it ’s"),
    ],
)
def test_chunks_split_as_english_rules_have_it(chunk: str, words: str) -> None:
    assert " ".join(split_chunk(chunk)) == words


@given(lines)
def test_every_word_is_described_as_itself(texts: list[str]) -> None:
    words = Vocabulary()(texts)
    expected = [(place, word) for place, line in enumerate(texts) for chunk in line.split() for word in split_chunk(chunk)]
    assert words.line.tolist() == [place for place, _ in expected]
    assert words.lengths.tolist() == [len(word) for _, word in expected]
    assert words.alphabetic.tolist() == [any(map(str.isalpha, word)) for _, word in expected]
    assert words.chunks.tolist() == [len(line.split()) for line in texts]
    assert words.longest.tolist() == [max(map(len, line.split())) for line in texts]
    pairs = set(zip(words.numbers.tolist(), (word for _, word in expected), strict=True))
    assert len(pairs) == len({number for number, _ in pairs}) == len({word for _, word in pairs})


@given(lines, lines)
def test_what_a_vocabulary_has_seen_changes_nothing_but_the_numbers(before: list[str], texts: list[str]) -> None:
    used, small = Vocabulary(), Vocabulary(limit=2)
    for vocabulary in (used, small):
        vocabulary(before)
    for name, fresh in vars(Vocabulary()(texts)).items():
        if name != "numbers":
            assert getattr(used(texts), name).tolist() == getattr(small(texts), name).tolist() == fresh.tolist()


def test_a_full_vocabulary_starts_anew() -> None:
    vocabulary = Vocabulary(limit=3)
    vocabulary(["one two three four"])
    vocabulary(["five"])
    assert set(vocabulary.known) == {"five"}


def test_what_is_known_is_looked_up_and_never_gone_through() -> None:
    """A page's words among a hundred thousand known ones: whatever walks through these takes longer than all else."""

    class Unwalked(Chunks):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("somebody goes through all known chunks")

        keys = values = items = __iter__  # type: ignore[assignment]

    vocabulary = Vocabulary()
    vocabulary.known = Unwalked()
    the, sea, comma, again, river = vocabulary(["the sea, the river"]).numbers.tolist()
    assert the == again
    first, lake = vocabulary(["the lake"]).numbers.tolist()
    assert first == the
    assert lake not in (the, sea, comma, river)


def test_long_chunks_are_not_kept() -> None:
    vocabulary = Vocabulary(limit=10)
    vocabulary(["x" * 1000])
    vocabulary(["five"])
    assert set(vocabulary.known) == {"five"}


@pytest.mark.parametrize("piece", ["!", "a!", "..", "'", "n't", "a.", "-", "a@", "1,", "://", "a'd"])
def test_hostile_chunks_cost_time_in_proportion_to_their_length(piece: str) -> None:
    began = time.process_time()
    assert "".join(split_chunk(piece * 50_000)) == piece * 50_000
    assert "".join(split_chunk("a" + piece * 50_000 + "a")) == "a" + piece * 50_000 + "a"
    assert time.process_time() - began < 2  # quadratic time takes minutes
