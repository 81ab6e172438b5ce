"""The dedup stage on the pages of a root, every phase through Ray's pool, as a process that a test may kill.

    python -m tests.pipeline.dedup.on_ray ROOT ADDRESS

ROOT holds the pages; ADDRESS is that of a running Ray cluster.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.session import open_session
from cluster.settings import ClusterSettings
from cluster.track.events import Track
from pipeline.dedup import stage as decide
from pipeline.dedup.settings import DedupSettings
from pipeline.pool import run_shards
from tests.pipeline.dedup.conftest import Crawl

SETTINGS = DedupSettings(partitions=2, union_find_edges=0)


def main(root: Path, address: str) -> None:
    settings = ClusterSettings(address=address)
    session = open_session(settings)
    decide.FEW_PAGES = -1
    try:
        crawl = Crawl(root, settings, Track("dedup", session.start()))
        pages = crawl.store.artefact("pages", "p")
        assert pages is not None
        crawl.run(pages, SETTINGS, pool=run_shards)
    finally:
        session.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
