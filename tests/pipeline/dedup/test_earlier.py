"""A new crawl against the artefacts of earlier ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cluster.errors import RequestError
from pipeline.dedup.identity import CRAWL_BITS
from pipeline.dedup.settings import DedupSettings
from tests.pipeline.dedup.brute_force import true_jaccard
from tests.pipeline.dedup.conftest import Crawl, decisions_of

TEXTS = [" ".join(f"t{text}w{word}" for word in range(100)) for text in range(12)]


def edited(text: str, seed: int) -> str:
    words = text.split()
    words[random.Random(seed).randrange(20, 80)] = "edited"
    return " ".join(words)


def test_copies_of_an_earlier_crawl_go_and_its_own_pages_stay(tmp_path: Path) -> None:
    old, new = Crawl(tmp_path / "old"), Crawl(tmp_path / "new")
    first = old.run(old.pages([*TEXTS[:8], edited(TEXTS[0], 1)], 2), DedupSettings())
    assert list(decisions_of(first)) == [0]  # its edited copy is one letter longer
    # A copy, an edited one that is longer than the old page, something new twice, and something new once.
    texts = [TEXTS[1], edited(TEXTS[2], 2) + " longer", TEXTS[9], edited(TEXTS[9], 3), TEXTS[10]]
    settings = DedupSettings(against=[str(first.place)])
    second = new.run(new.pages(texts, 2), settings)
    gone = decisions_of(second)
    assert gone[0] == {"doc_id": 0, "canonical_id": 1 << CRAWL_BITS | 1, "similarity": 1.0, "reason": "exact_duplicate"}
    assert (gone[1]["canonical_id"], gone[1]["reason"]) == (1 << CRAWL_BITS | 2, "near_duplicate")
    assert 0.8 <= gone[1]["similarity"] < 1
    assert second.counts["kept"] == 2
    own = {doc_id: row for doc_id, row in gone.items() if row["canonical_id"] < 1 << CRAWL_BITS}
    assert len(own) == 1  # one of the two new ones

    # A third crawl against both: every copy finds the page that stayed, wherever that is.
    third_root = Crawl(tmp_path / "third")
    both = DedupSettings(against=[str(first.place), str(second.place)])
    third = third_root.run(third_root.pages([TEXTS[1], TEXTS[10], TEXTS[11]], 1), both)
    assert {row["doc_id"]: row["canonical_id"] for row in decisions_of(third).values()} == {
        0: 1 << CRAWL_BITS | 1,
        1: 2 << CRAWL_BITS | 1 << 32 | 1,
    }


def changed(text: str, *places: int) -> str:
    words = text.split()
    for place in places:
        words[place] = f"changed{place}"
    return " ".join(words)


def test_pages_of_earlier_crawls_that_resemble_each_other_both_stay_and_stand_for_copies(tmp_path: Path) -> None:
    """Of the new pages one resembles both; the other only that which, within one crawl, would itself have to go."""
    one, other = TEXTS[0] + " and longer", changed(TEXTS[0], 20)
    near_both, near_other = changed(TEXTS[0], 21), changed(other, 40, 60)
    pairs = [(one, other), (one, near_both), (other, near_both), (other, near_other)]
    assert all(true_jaccard(*pair) > 0.8 for pair in pairs)
    assert all(true_jaccard(each, near_other) < 0.75 for each in (one, near_both))
    crawls = [Crawl(tmp_path / name) for name in ("first", "second", "new")]
    made = [crawl.run(crawl.pages([text], 1), DedupSettings()) for crawl, text in zip(crawls, (one, other), strict=False)]
    settings = DedupSettings(against=[str(each.place) for each in made])
    gone = decisions_of(crawls[2].run(crawls[2].pages([near_both, near_other], 1), settings))
    assert {row["doc_id"]: row["canonical_id"] for row in gone.values()} == {0: 1 << CRAWL_BITS, 1: 2 << CRAWL_BITS}


def test_only_rows_of_pages_that_stay_are_in_the_index(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path)
    made = crawl.run(crawl.pages([TEXTS[0], TEXTS[0], edited(TEXTS[0], 1), TEXTS[1]], 1), DedupSettings())
    import pyarrow.parquet as pq

    bands = pq.read_table((made.location / "index/bands-000000.parquet").open())
    stay = set(range(4)) - set(decisions_of(made))
    assert len(stay) == 2
    assert set(bands["representative"].to_pylist()) == stay
    assert bands.num_rows == 2 * 14
    keys = bands["key"].to_pylist()
    assert keys == sorted(keys)


@pytest.mark.parametrize("near", [True, False])
def test_exact_copies_are_found_across_crawls_without_signatures_too(tmp_path: Path, near: bool) -> None:
    old, new = Crawl(tmp_path / "old"), Crawl(tmp_path / "new")
    first = old.run(old.pages(TEXTS[:3], 1), DedupSettings(near=near))
    second = new.run(new.pages(TEXTS[2:5], 1), DedupSettings(near=near, against=[str(first.place)]))
    assert [(row["doc_id"], row["reason"]) for row in decisions_of(second).values()] == [(0, "exact_duplicate")]


def test_artefacts_that_cannot_be_compared_are_refused_in_one_line(tmp_path: Path) -> None:
    old, new = Crawl(tmp_path / "old"), Crawl(tmp_path / "new")
    first = old.run(old.pages(TEXTS[:2], 1), DedupSettings(rows=6, seed=3))
    pages, uri = new.pages(TEXTS[:2], 1), str(first.place)
    with pytest.raises(RequestError, match=r"was made with rows 6 there, 8 here; seed 3 there, 1 here; set dedup\.\* alike"):
        new.run(pages, DedupSettings(against=[uri]))
    with pytest.raises(
        RequestError, match=r"dedup\.against: no finished artefact at .*/nothing; give the directory ROOT/dedup"
    ):
        new.run(pages, DedupSettings(against=[str(tmp_path / "nothing")]))
    with pytest.raises(RequestError, match=r"is an artefact of `pages`; give one of `dedup`"):
        new.run(pages, DedupSettings(against=[str(pages.place)]))
    (old.store.root / "pages").delete()
    with pytest.raises(RequestError, match=r"the pages of .* are not at .*/pages/p; candidates are compared with their texts"):
        new.run(pages, DedupSettings(rows=6, seed=3, against=[uri]))
