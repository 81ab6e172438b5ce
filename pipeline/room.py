"""What the stages of this folder book of a cluster."""

from __future__ import annotations

from typing import Any

from cluster.resources import Bundle

CRAWLER_CPUS = 0.5  # it waits for servers most of the time
WORKER_CPUS = 1.0
LOWER = ("cluster.data_workers",)


def crawlers(recipe: Any) -> list[Bundle]:
    """An actor a host, up to `cluster.data_workers`; none where the pages are files."""
    settings = recipe.crawl
    if settings.all_sources():
        return []
    hosts = len(settings.seeds) + (settings.pydoc is not None)
    return [Bundle(CRAWLER_CPUS, holder="crawler", lower=LOWER)] * min(recipe.cluster.data_workers, hosts)


def workers(recipe: Any) -> list[Bundle]:
    """The pool of a stage that works on shards. Stages with little to do take fewer."""
    return [Bundle(WORKER_CPUS, holder="page worker", lower=LOWER)] * recipe.cluster.data_workers
