from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup.decisions import all_dropped
from pipeline.dedup.paragraphs import removed_lines, without_lines
from pipeline.dedup.settings import DedupSettings, ParagraphSettings
from tests.pipeline.dedup.conftest import Crawl

LINES = ["a b", "one two three", "ONE two, three!", "four five six", "seven eight nine", "ten eleven twelve"]
SETTINGS = ParagraphSettings(min_characters=8, host_pages=3)
page = st.lists(st.sampled_from(range(len(LINES))), min_size=1, max_size=5)


def expected(pages: list[list[int]], hosts: list[str], stays: set[int]) -> dict[int, list[int]]:
    """By the definition, page after page in order."""
    same = {2: 1}
    on_host: dict[tuple[str, int], set[int]] = defaultdict(set)
    for at in sorted(stays):
        for line in pages[at]:
            on_host[hosts[at], same.get(line, line)].add(at)
    seen: set[int] = set()
    gone: dict[int, list[int]] = {}
    for at in sorted(stays):
        for number, line in enumerate(pages[at]):
            key = same.get(line, line)
            if line != 0 and (key in seen or len(on_host[hosts[at], key]) >= SETTINGS.host_pages):
                gone.setdefault(at, []).append(number)
            seen.add(key)
    return gone


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(pages=st.lists(page, min_size=1, max_size=9), hosts=st.lists(st.sampled_from(["h", "i"]), min_size=9, max_size=9))
def test_the_first_copy_of_a_line_stays_and_what_repeats_over_a_host_goes(
    tmp_path_factory: pytest.TempPathFactory, pages: list[list[int]], hosts: list[str]
) -> None:
    crawl = Crawl(tmp_path_factory.mktemp("lines"))
    texts = ["\n".join(LINES[line] for line in each) for each in pages]
    shards = 2
    dedup = crawl.run(crawl.pages(texts, shards, hosts=hosts), DedupSettings(near=False, partitions=3, paragraphs=SETTINGS))
    size = -(-len(texts) // shards)

    def position(doc_id: int) -> int:
        return (doc_id >> 32) * size + (doc_id & 0xFFFFFFFF)

    copies = {position(row["doc_id"]) for table in all_dropped(dedup) for row in table.to_pylist()}
    found = {position(at): lines for shard in range(shards) for at, lines in removed_lines(dedup.location, shard).items()}
    stays = set(range(len(texts))) - copies
    wanted = expected(pages, hosts, stays)
    assert found == wanted
    words = sum(len(LINES[pages[at][line]].split()) for at, lines in wanted.items() for line in lines)
    assert dedup.counts["removed_words"] == words
    assert dedup.counts["removed_words_share"] == pytest.approx(words / sum(len(texts[at].split()) for at in stays))


def test_a_text_without_some_of_its_lines() -> None:
    assert without_lines("a\nb\n\nc", [0, 3]) == "b"
    assert without_lines("a\nb\nc", [1]) == "a\nc"
    assert without_lines("a\nb", [0, 1]) == ""


def test_source_code_keeps_lines_that_stand_on_other_pages_and_takes_none_from_them(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path)
    texts = [f"{LINES[1]}\nx = 1", f"{LINES[1]}\ny = 2", f"{LINES[1]}\nand words", f"{LINES[1]}\nother words"]
    pages = crawl.pages(texts, 1, code_languages=["Python", "Python", "", ""])
    dedup = crawl.run(pages, DedupSettings(near=False, paragraphs=SETTINGS))
    assert removed_lines(dedup.location, 0) == {3: [0]}


def test_pages_stay_whole_where_nobody_asks(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path)
    dedup = crawl.run(crawl.pages([LINES[1], LINES[1] + "\nx"], 1), DedupSettings())
    assert removed_lines(dedup.location, 0) == {}
    assert "removed_words" not in dedup.counts
