"""The stage through Ray's pools: whatever the workers, the partitions, the store and the kills, the same bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.session import Session
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import Artefact
from cluster.track.events import Track
from pipeline.dedup.settings import DedupSettings
from pipeline.pool import run_here, run_shards
from tests.faults.conftest import kill_once
from tests.pipeline.dedup import on_ray
from tests.pipeline.dedup.conftest import Crawl

CHECKOUT = Path(__file__).parents[3]
SHARDS = 3


@pytest.fixture
def every_phase_in_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those too that would run in one process because the pages are few."""
    monkeypatch.setattr("pipeline.dedup.stage.FEW_PAGES", -1)


def made_pages(crawl: Crawl) -> Artefact:
    """Pairs of pages that differ in two words at most, and a few copies."""
    chance = random.Random(2)
    texts = []
    for at in range(36):
        words = [f"b{at % 18}w{number}" for number in range(200)]
        words[chance.randrange(200)] = f"edit{chance.randrange(3)}"
        texts.append(" ".join(words))
    return crawl.pages([*texts, texts[0].upper(), "", "word", " ", "word"], SHARDS)


def here(root: Path, settings: DedupSettings) -> Artefact:
    """What the stage gives in this process, undisturbed."""
    crawl = Crawl(root)
    return crawl.run(made_pages(crawl), settings)


@pytest.mark.slow
@pytest.mark.usefixtures("every_phase_in_a_pool")
@pytest.mark.parametrize(
    ("partitions", "workers", "in_one_task"), [(8, 2, 0), pytest.param(1, 1, 10**6, marks=pytest.mark.long)]
)
def test_partitions_workers_and_the_way_to_components_change_no_byte(
    session: Session, tmp_path: Path, partitions: int, workers: int, in_one_task: int
) -> None:
    """Two partitions with two workers are what the killed runs below have."""
    crawl = Crawl(tmp_path / "ray", ClusterSettings(data_workers=workers), Track("dedup", session.start()))
    settings = DedupSettings(partitions=partitions, union_find_edges=in_one_task)
    made = crawl.run(made_pages(crawl), settings, pool=run_shards)
    assert made.counts["near_duplicates"] > 10
    assert made.digest == here(tmp_path / "here", DedupSettings()).digest


@pytest.mark.slow
@pytest.mark.long
def test_a_root_on_s3_gives_the_bytes_of_a_local_one(s3_root: str, tmp_path: Path) -> None:
    on_s3 = Crawl(s3_root)
    assert on_s3.run(made_pages(on_s3), DedupSettings()).digest == here(tmp_path / "here", DedupSettings()).digest


@pytest.mark.slow
@pytest.mark.usefixtures("every_phase_in_a_pool")
@pytest.mark.parametrize(
    "chosen", [["_work/*/text", "_work/*/large-001", "decisions"], pytest.param([], marks=pytest.mark.long)]
)
def test_a_driver_killed_in_its_phases_ends_with_the_bytes_of_an_undisturbed_run(
    session: Session, tmp_path: Path, chosen: list[str]
) -> None:
    """In one that writes texts, one that writes arrays and in the last; or in every phase. After every unit: test_resume."""
    names: list[str] = []

    def noting(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Any:
        names.append(ctx.output.name)
        return run_here(ctx, units, worker, *arguments)

    whole = Crawl(tmp_path / "whole")
    undisturbed = whole.run(made_pages(whole), on_ray.SETTINGS, pool=noting)
    *phases, first, second = names
    assert first == second == "000001"  # decisions and index, which are not below `_work`
    every = [*(f"_work/*/{phase}" for phase in phases), "decisions", "index"]
    assert {*(f"_work/*/{phase}" for phase in ("sketch", "candidates", "verified", "labels", "canonical")), *chosen} <= {*every}

    root = tmp_path / "killed"
    made_pages(Crawl(root))
    place = root / "dedup" / "d"
    attempt = place / "000001"
    for mark in chosen or every:
        kill_once(start(root, session), partial(begun, attempt, mark))
        assert not (place / "artefact.json").exists()
    process = start(root, session)
    text, _ = process.communicate(timeout=200)
    assert process.returncode == 0, text
    [resumed] = Crawl(root).store.artefacts("dedup")
    assert resumed.digest == undisturbed.digest
    assert not (attempt / "_work").exists()


def begun(place: Path, mark: str) -> bool:
    return any(place.glob(mark))


def start(root: Path, session: Session) -> subprocess.Popen[str]:
    session.start()
    import ray

    address = ray.get_runtime_context().gcs_address
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.dedup.on_ray", str(root), address],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
