"""The whole stage on texts: known pairs and planted edits."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cluster.stage import Context
from pipeline.dedup.settings import DedupSettings, ParagraphSettings
from pipeline.dedup.stage import deduplicate, split_of
from pipeline.pool import Records, run_here
from tests.pipeline.dedup.brute_force import true_jaccard
from tests.pipeline.dedup.conftest import Crawl, Decide

BASE = [f"word{number}" for number in range(300)]
OTHER = [f"else{number}" for number in range(300)]


def varied(words: Sequence[str], changes: int, seed: int) -> str:
    """`words` with some of them replaced."""
    chance = random.Random(seed)
    changed = list(words)
    for at in chance.sample(range(len(changed)), changes):
        changed[at] = f"new{chance.randrange(10**6)}"
    return " ".join(changed)


def test_the_longest_then_the_earliest_of_the_same_pages_stays(decide: Decide) -> None:
    text, longer = " ".join(BASE), " ".join([*BASE, "and", "more"])
    times = ["2024-01-01", "", "2023-01-01", "2024-05-01", "2024-04-01", ""]
    gone = decide([text, " ".join(OTHER), text.upper(), longer, longer, "alone here"], times=times)
    true = pytest.approx(true_jaccard(text, longer))
    assert gone == {0: (4, true, "exact_duplicate"), 2: (4, true, "near_duplicate"), 3: (4, 1.0, "exact_duplicate")}


def test_the_source_of_higher_priority_stays_though_it_is_shorter_and_later(decide: Decide) -> None:
    texts = [" ".join([*BASE, "and", "more"]), " ".join(BASE)]
    assert list(decide(texts, times=["2023-01-01", "2024-01-01"], priorities=[0, 2])) == [0]


def test_candidates_below_the_threshold_are_let_go(decide: Decide) -> None:
    texts = [" ".join(BASE), varied(BASE, 13, 1)]
    assert 0.6 < true_jaccard(*texts) < 0.8
    eager = DedupSettings(bands=112, rows=1)  # any equal hash makes a candidate
    assert decide(texts, eager) == {}
    assert len(decide(texts, DedupSettings(bands=112, rows=1, jaccard=0.5))) == 1


def test_pairs_are_verified_before_they_connect_anything(tmp_path: Path) -> None:
    """The last step compares every page with the one that stays, so decisions alone would not show a pair let through."""
    texts = [varied(BASE, changes, seed) for seed, changes in enumerate([0, 2, 4, 13, 14, 15, 16])]
    crawl = Crawl(tmp_path)
    ctx = crawl.context(crawl.pages(texts, 2), DedupSettings(bands=112, rows=1), "d")
    deduplicate(ctx, run_here)
    edges = [
        tuple((row[end] >> 32) * 4 + (row[end] & 0xFFFFFFFF) for end in ("low", "high"))
        for name in (ctx.work / split_of(ctx.settings) / "verified").files()
        if not name.startswith("_work/")
        for row in pq.read_table((ctx.work / split_of(ctx.settings) / "verified" / name).open()).to_pylist()
    ]
    assert {frozenset(edge) for edge in edges} <= {frozenset((0, 1)), frozenset((0, 2)), frozenset((1, 2))}
    assert len(edges) == 2  # what connects three pages
    assert all(true_jaccard(texts[one], texts[other]) >= 0.8 for one, other in edges)
    assert true_jaccard(texts[0], texts[3]) < 0.8


def test_without_near_only_exact_copies_go(decide: Decide) -> None:
    texts = [" ".join(BASE), varied(BASE, 1, 1), " ".join(BASE)]
    assert decide(texts, DedupSettings(near=False)) == {2: (0, 1.0, "exact_duplicate")}


def test_empty_and_one_word_pages_are_copies_only_of_themselves(decide: Decide) -> None:
    gone = decide(["", "word", "★", "Word!", " \n", "♥", "other", "★"])
    # Of those that are the same the longest stays: "Word!" and the page of two blanks.
    assert gone == {page: (to, 1.0, "exact_duplicate") for page, to in {1: 3, 0: 4, 7: 2}.items()}


def test_of_pages_with_one_url_one_stays_only_where_that_is_asked_for(decide: Decide) -> None:
    texts, urls = [" ".join(BASE), " ".join([*OTHER, "more"]), " ".join(OTHER)], ["http://h/a#x", "http://H:80/a", "http://h/b"]
    assert [reason for _, _, reason in decide(texts, urls=urls).values()] == ["near_duplicate"]
    # Page 0 goes for page 1, which is longer; so does page 2, which resembles it.
    gone = decide(texts, DedupSettings(same_url=True), urls=urls)
    assert gone[0] == (1, None, "same_url")
    assert gone[2] == (1, pytest.approx(true_jaccard(texts[1], texts[2])), "near_duplicate")


def test_scope_decides_whether_pages_of_two_crawls_are_compared(decide: Decide) -> None:
    texts = [" ".join(BASE), varied(BASE, 1, 1), " ".join(BASE), varied(BASE, 2, 2)]
    sources = ["one", "one", "two", "two"]
    assert len(decide(texts, sources=sources)) == 3
    apart = decide(texts, DedupSettings(scope="source"), sources=sources)
    assert {frozenset((page, to)) for page, (to, *_) in apart.items()} == {frozenset((0, 1)), frozenset((2, 3))}


def test_the_ends_of_a_chain_of_alike_pages_survive(decide: Decide) -> None:
    """Each of 1,000 pages is some .9 similar to the next; pages twenty steps apart share nothing."""
    words = [f"w{number}" for number in range(1000 * 5 + 100)]
    texts = [" ".join(words[5 * at : 5 * at + 100]) for at in range(1000)]
    assert 0.89 < true_jaccard(texts[0], texts[1]) < 0.91
    assert true_jaccard(texts[0], texts[20]) == 0
    gone = decide(texts, shards=3)
    for page, (to, how, reason) in gone.items():
        assert reason == "near_duplicate"
        assert how == pytest.approx(true_jaccard(texts[page], texts[to]))
        assert how >= 0.8
        assert to not in gone
    kept = [page for page in range(1000) if page not in gone]
    for end in (0, 999):  # or a page two steps away at most, which is like it
        assert end in kept or abs(gone[end][0] - end) <= 2
    # One page stands for two neighbours on each side at most: a fifth of the chain stays, wherever it lies.
    assert len(kept) >= 200
    assert all(any(page + step in kept for step in range(-2, 3)) for page in range(1000))


@pytest.mark.parametrize("percent", [1, 2, 3, 5, 10, 15, 20])
def test_planted_edits_are_found_as_far_as_their_similarity_says(decide: Decide, percent: int) -> None:
    """And all of them where the threshold and the bands are made for a fifth of the words."""
    texts = []
    for seed in range(20):
        base = [f"s{seed}w{number}" for number in range(400)]
        texts += [" ".join(base), varied(base, 4 * percent, seed)]
    alike = [true_jaccard(texts[2 * pair], texts[2 * pair + 1]) for pair in range(20)]
    gone = decide(texts)
    found = {max(page, to) // 2 for page, (to, *_) in gone.items()}
    assert found <= {pair for pair in range(20) if alike[pair] >= 0.8}
    expected = sum(1 - (1 - each**8) ** 14 for each in alike if each >= 0.8)
    assert len(found) == pytest.approx(expected, abs=4)
    assert expected > 17 if percent <= 2 else expected == 0
    low = decide(texts, DedupSettings(jaccard=0.1, bands=112, rows=1))
    assert {frozenset((page, to)) for page, (to, *_) in low.items()} == {frozenset((at, at + 1)) for at in range(0, 40, 2)}
    for page, (to, how, _) in low.items():
        assert how == pytest.approx(true_jaccard(texts[page], texts[to]))


def test_a_very_long_page_is_compared_by_its_beginning(decide: Decide) -> None:
    long = " ".join(f"w{number}" for number in range(700_000))
    assert len(long) > 5_000_000
    gone = decide([long, long[:600_000] + " and then something else", "short page"])
    assert gone == {1: (0, 1.0, "exact_duplicate")}


@pytest.mark.slow
def test_partitions_and_the_way_to_components_change_no_byte(tmp_path: Path) -> None:
    chance = random.Random(5)
    bases = [[f"b{base}w{chance.randrange(10**6)}" for _ in range(120)] for base in range(60)]
    texts = [varied(base, chance.randrange(4), seed) for base in bases for seed in range(chance.randrange(1, 6))]
    texts += [texts[0], texts[7], ""]
    digests = set()
    for partitions, most in itertools.product((1, 2, 8), (0, 10**6)):
        crawl = Crawl(tmp_path / f"{partitions}-{most}")
        settings = DedupSettings(partitions=partitions, union_find_edges=most)
        digests.add(crawl.run(crawl.pages(texts, 3), settings).digest)
    assert len(digests) == 1


class Stopped(Exception):
    pass


@pytest.mark.parametrize("units", [22, 26])  # stops while signatures are compared, and behind it
def test_a_run_that_goes_on_with_another_cut_of_the_work_gives_the_same_bytes(
    tmp_path: Path, units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = [[f"b{base}w{word}" for word in range(120)] for base in range(40)]
    texts = [varied(base, seed, seed) for base in bases for seed in range(3)]
    undisturbed, crawl = Crawl(tmp_path / "a"), Crawl(tmp_path / "b")
    left = units

    def stopping(ctx: Context, listed: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Records:
        nonlocal left
        found = run_here(ctx, listed[:left], worker, *arguments)
        left -= len(listed)
        if left <= 0:
            raise Stopped
        return found

    pages = crawl.pages(texts, 3)
    monkeypatch.setattr("pipeline.dedup.stage.run_here", stopping)
    with pytest.raises(Stopped):
        deduplicate(crawl.context(pages, DedupSettings(partitions=6), "d"), run_here)
    monkeypatch.undo()
    digest = crawl.run(pages, DedupSettings(partitions=2, memory_mb=16), "d").digest
    assert digest == undisturbed.run(undisturbed.pages(texts, 3), DedupSettings()).digest


@pytest.mark.parametrize("phase", ["text", "candidates", "canonical", "repeated"])
def test_each_phase_over_keys_has_as_many_tasks_as_what_they_hold_needs_of_a_worker_s_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """60 pages in 30 pairs of one line each, whose rows are said to take as much as is said here, in 10^6 bytes."""
    monkeypatch.setattr("pipeline.dedup.stage.EXACT_BYTES", 1_000_000)
    monkeypatch.setattr("pipeline.dedup.stage.LINE_BYTES", 2_000_000)
    monkeypatch.setattr("pipeline.dedup.near.candidates.WORKING", 500_000)
    tasks = dict[str, int]()

    def noting(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Any:
        tasks[ctx.output.name] = len(units)
        return run_here(ctx, units, worker, *arguments)

    monkeypatch.setattr("pipeline.dedup.stage.FEW_PAGES", -1)
    bases = [[f"b{base}w{word}" for word in range(100)] for base in range(30)]
    texts = [" ".join([*base, *end]) for base in bases for end in ([], ["end"])]
    # The pages; a row for each page and band; both ends of each pair; the lines of pages that stay.
    size = {"text": 60, "candidates": 60 * 14 * 0.5, "canonical": 30 * 2 * 0.5, "repeated": 30 * 2}[phase]
    for memory_mb in (16, 50, 1000):
        crawl = Crawl(tmp_path / str(memory_mb))
        settings = DedupSettings(memory_mb=memory_mb, paragraphs=ParagraphSettings())
        crawl.run(crawl.pages(texts, 1), settings, pool=noting)
        assert tasks[phase] == math.ceil(size / memory_mb)


def news(shared: Path) -> tuple[list[str], list[str], set[frozenset[str]]]:
    lines = (shared / "data/dedup/news_articles.train").read_text().splitlines()
    names, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    truth = (shared / "data/dedup/news_articles.truth").read_text().splitlines()
    return list(names), list(texts), {frozenset(line.split()) for line in truth if line.strip()}


def test_published_near_duplicates_are_found_and_nothing_else(shared: Path, decide: Decide) -> None:
    """News articles with ten known pairs: exactly those whose similarity by the definition reaches the threshold go."""
    names, texts, truth = news(shared)
    gone = decide(texts, shards=3)
    dropped = {frozenset((names[page], names[to])) for page, (to, *_) in gone.items()}
    by_name = dict(zip(names, texts, strict=True))
    assert dropped == {pair for pair in truth if true_jaccard(*(by_name[name] for name in sorted(pair))) >= 0.8}
    # At 0.5 all ten are found, each with many more bands than similarity .5 needs.
    low = decide(texts, DedupSettings(jaccard=0.5, bands=56, rows=2))
    assert {frozenset((names[page], names[to])) for page, (to, *_) in low.items()} >= truth
