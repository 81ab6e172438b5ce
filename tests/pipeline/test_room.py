"""The room that the stages from pages to tokens declare is enough for them, and they ask for no more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.session import Embedded
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import WORK, Location
from pipeline import room
from pipeline.crawl.settings import CrawlSettings, PydocSettings
from pipeline.stages import STAGES
from tests.pipeline.silent import Silent
from tests.pipeline.test_pool import Writer, units


def recipe(workers: int, **crawl: Any) -> Any:
    return SimpleNamespace(cluster=ClusterSettings(data_workers=workers), crawl=CrawlSettings(**crawl))


def test_a_crawl_books_an_actor_a_host_and_files_none() -> None:
    assert len(room.crawlers(recipe(4, pydoc=PydocSettings(), seeds=["http://a.example/", "http://b.example/"]))) == 3
    assert len(room.crawlers(recipe(2, seeds=[f"http://{host}.example/" for host in "abc"]))) == 2
    assert room.crawlers(recipe(2, input=["pages/*.html"])) == []


def test_crawlers_ask_for_what_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.crawl.stage import run_crawlers

    asked: list[float] = []

    def remote(num_cpus: float, **_: Any) -> Any:
        def start(*_: Any) -> Any:
            asked.append(num_cpus)
            return SimpleNamespace(crawl=SimpleNamespace(remote=lambda *_: None))

        return lambda _: SimpleNamespace(remote=start)

    monkeypatch.setattr("ray.remote", remote)
    monkeypatch.setattr("ray.get", lambda _: None)
    monkeypatch.setattr("ray.kill", lambda _: None)
    chosen = recipe(2, seeds=[f"http://{host}.example/" for host in "abc"])
    output = Location.of(tmp_path)
    ctx = Context(chosen.crawl, chosen.cluster, {}, [], output, output / WORK, Silent(), "", output)  # type: ignore[arg-type]
    run_crawlers(ctx, chosen.crawl, {f"{host}.example": [] for host in "abc"}, beside_driver=False)
    assert asked == [bundle.cpu for bundle in room.crawlers(chosen)]


def test_every_stage_with_a_pool_declares_it() -> None:
    chosen = recipe(3, pydoc=PydocSettings())
    sizes = {stage.name: len(stage.needs_room(chosen)) for stage in STAGES}
    pooled = dict.fromkeys(("records", "classifiers", "pages", "dedup", "corpus", "tokens"), 3)
    assert sizes == {"crawl": 1, **pooled, "tokenizer": 0}


@pytest.mark.slow
def test_a_pool_that_takes_the_whole_cluster_gets_through(tmp_path: Path) -> None:
    from pipeline.pool import run_shards

    settings = ClusterSettings(cpus=4, data_workers=4, dashboard=False, object_store_mb=100)
    output = Location.of(tmp_path)
    ctx = Context(None, settings, {}, [], output, output / WORK, Silent(), "", output)  # type: ignore[arg-type]
    session = Embedded(settings)
    session.start()
    try:
        assert sorted(run_shards(ctx, units(9), Writer, ctx.output, True)) == list(range(9))
    finally:
        session.stop()
