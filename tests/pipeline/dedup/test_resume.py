"""A stage that is killed anywhere ends with the bytes of an undisturbed one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.stage import Context
from pipeline.dedup.settings import DedupSettings
from pipeline.pool import run_here
from tests.pipeline.dedup.conftest import Crawl

SETTINGS = DedupSettings(partitions=2, union_find_edges=0, same_url=True)


class Killed(BaseException):
    """What SIGKILL is to a phase: nothing after it runs."""


def pages() -> tuple[list[str], list[str]]:
    chance = random.Random(2)
    words = [[f"b{base}w{number}" for number in range(80)] for base in range(12)]
    texts = [" ".join(each if chance.random() > 0.01 else "edit" for each in words[at % 12]) for at in range(40)]
    return texts, [f"http://h/{at % 37}" for at in range(40)]


def test_a_kill_after_any_unit_of_any_phase_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, urls = pages()
    whole = Crawl(tmp_path / "whole")
    done: list[str] = []

    def noting(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Any:
        done.append(ctx.output.name)
        return run_here(ctx, units, worker, *arguments)

    # Every phase, those that are run in one process too, goes through the pool that the stage is given.
    monkeypatch.setattr("pipeline.dedup.stage.FEW_PAGES", -1)
    undisturbed = whole.run(whole.pages(texts, 3, urls=urls), SETTINGS, pool=noting)
    assert {"sketch", "url", "text", "runs", "candidates", "shingles", "verified", "seed", "labels", "canonical"} <= set(done)
    assert {"large-000", "small-000", "large-001"} <= set(done)
    assert undisturbed.counts["near_duplicates"] > 3

    broken = Crawl(tmp_path / "broken")
    made = broken.pages(texts, 3, urls=urls)
    worked: list[tuple[str, int]] = []

    def mortal(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Any:
        """The real thing, whose workers finish one unit between them and die of the next."""

        class Dying(worker):  # type: ignore[misc, valid-type]
            def __call__(self, unit: dict[str, Any]) -> None:
                place = (ctx.output.path, unit["shard"])
                if lives == 0:
                    raise Killed
                assert place not in worked, "done twice"
                super().__call__(unit)
                worked.append(place)
                spend()

        return run_here(ctx, units, Dying, *arguments)

    lives = 0

    def spend() -> None:
        nonlocal lives
        lives -= 1

    kills = 0
    while True:
        lives = 1
        try:
            resumed = broken.run(made, SETTINGS, pool=mortal)
            break
        except Killed:
            kills += 1
    assert kills == len(worked) - 1 > 40
    assert resumed.digest == undisturbed.digest
    assert not (resumed.location / "_work").exists()
