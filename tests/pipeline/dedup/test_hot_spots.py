"""The whole stage where one thing is in very many pages, or very much in one page."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.dedup.settings import DedupSettings
from tests.pipeline.dedup.brute_force import true_jaccard
from tests.pipeline.dedup.conftest import Crawl, decisions_of

CHECKOUT = Path(__file__).parents[3]
TEMPLATE = [f"menu{number}" for number in range(20)]


def counts(root: Path, texts: list[str], shards: int) -> dict[str, Any]:
    crawl = Crawl(root)
    return dict(crawl.run(crawl.pages(texts, shards), DedupSettings()).counts)


@pytest.mark.slow
def test_fifty_thousand_short_pages_with_one_template_all_stay(tmp_path: Path) -> None:
    """16 of their 20 shingles are the template's: many a band is, and yet no two pages reach the threshold."""
    texts = [" ".join([*TEMPLATE, *(f"p{page}w{word}" for word in range(4))]) for page in range(50_000)]
    assert true_jaccard(texts[0], texts[1]) == pytest.approx(16 / 24)
    found = counts(tmp_path, texts, 10)
    assert (found["kept"], found["clusters"]) == (50_000, 0)


@pytest.mark.slow
def test_of_fifty_thousand_pages_with_one_template_and_one_of_ten_bodies_ten_stay(tmp_path: Path) -> None:
    """Their last word, a number, is each page's own, so none is an exact copy; the kinds are mixed over all shards."""
    bodies = [[f"b{body}w{word}" for word in range(20)] for body in range(10)]
    kinds = [page % 10 for page in range(50_000)]
    random.Random(3).shuffle(kinds)
    texts = [" ".join([*TEMPLATE, *bodies[kind], str(page)]) for page, kind in enumerate(kinds)]
    first = {kind: texts[kinds.index(kind)] for kind in range(10)}
    assert true_jaccard(first[0], first[1]) < 0.8 < true_jaccard(texts[0], texts[kinds.index(kinds[0], 1)])
    found = counts(tmp_path, texts, 10)
    assert (found["kept"], found["clusters"], found["near_duplicates"]) == (10, 10, 49_990)


@pytest.mark.slow
def test_of_one_text_a_hundred_thousand_times_one_stays(tmp_path: Path) -> None:
    text = " ".join(TEMPLATE)
    crawl = Crawl(tmp_path)
    made = crawl.run(crawl.pages([text] * 100_000, 10), DedupSettings())
    assert (made.counts["kept"], made.counts["clusters"], made.counts["exact_duplicates"]) == (1, 1, 99_999)
    assert {row["canonical_id"] for row in decisions_of(made).values()} == {0}


@pytest.mark.slow
def test_three_pages_of_70_mb_are_compared_in_bounded_memory(tmp_path: Path) -> None:
    """A page, the same with another end, one with every 200th of its compared words changed; and a short one."""
    text = " ".join(" ".join(f"word{number}" for number in range(at, at + 10_000)) for at in range(0, 6_500_000, 10_000))
    assert len(text) > 70_000_000
    begin = text[:510_000].split()
    begin[7::200] = [f"edit{number}" for number in range(len(begin[7::200]))]
    crawl = Crawl(tmp_path)
    crawl.pages([text, text[:-20] + "another end", " ".join([*begin, text[510_000:]]), "short"], 4)
    done = subprocess.run(
        [sys.executable, "-c", STAGE_ALONE, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True, cwd=CHECKOUT
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["reasons"] == {"1": [0, "exact_duplicate"], "2": [0, "near_duplicate"]}
    # 435 MB when measured: a shard's 77 MB as Parquet's page, decoded, filtered and as Python's string, never all pages'.
    assert told["after"] - told["before"] < 8 * len(text) / 1e6


STAGE_ALONE = """
import json, sys
from pathlib import Path
from pipeline.dedup.settings import DedupSettings
from tests.pipeline.dedup.conftest import Crawl, decisions_of

def highest_mb():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e3

crawl = Crawl(sys.argv[1])
before = highest_mb()
made = crawl.run(crawl.store.artefact("pages", "p"), DedupSettings())
reasons = {row["doc_id"] >> 32: [row["canonical_id"] >> 32, row["reason"]] for row in decisions_of(made).values()}
print(json.dumps({"before": before, "after": highest_mb(), "reasons": reasons}))
"""
