from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import RequestError
from pipeline.dedup.clusters import cluster_of, largest_clusters
from pipeline.dedup.settings import DedupSettings
from tests.pipeline.dedup.conftest import Crawl

LINES = [" ".join(f"line{line}w{word}" for word in range(12)) for line in range(20)]


def test_a_cluster_is_shown_with_its_differences_from_any_of_its_pages(tmp_path: Path) -> None:
    text, edited = "\n".join(LINES), "\n".join([*LINES[:10], "another line", *LINES[11:]])
    crawl = Crawl(tmp_path)
    pages = crawl.pages([text, "something else", edited, text], 2, urls=["u0", "u1", "u2", "u3"])
    dedup = crawl.run(pages, DedupSettings())
    asked = [cluster_of(dedup, pages, doc_id, 5) for doc_id in (0, 1 << 32, 1 << 32 | 1)]
    assert asked[0] == asked[1] == asked[2]
    stays, near, exact = asked[0]
    assert (stays.doc_id, stays.url, stays.reason) == (0, "u0", "")
    assert (near.url, near.reason, exact.url, exact.reason) == ("u2", "near_duplicate", "u3", "exact_duplicate")
    assert near.similarity is not None
    assert 0.8 <= near.similarity < 1 == exact.similarity
    assert [line for line in near.differences if not line.startswith(("---", "+++", "@@"))] == [
        f"-{LINES[10]}",
        "+another line",
    ]
    assert exact.differences == []
    assert largest_clusters(dedup, 3) == [(0, 3)]


def test_a_page_without_duplicates_has_no_cluster(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path)
    pages = crawl.pages(["one text", "another text"], 1)
    dedup = crawl.run(pages, DedupSettings())
    with pytest.raises(RequestError, match=r"--cluster 1: no duplicates of this page here; without --cluster, clusters are"):
        cluster_of(dedup, pages, 1, 5)
