"""Units of work through a pool: one that fails is tried again, and then says what it was."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.errors import RequestError, WorkError
from cluster.session import Session
from cluster.stage import Context
from cluster.store import WORK, Location, shard_records, write_shard
from pipeline import pool
from pipeline.pool import attempted, run_here, run_shards
from tests.pipeline.silent import Silent

pytestmark = pytest.mark.slow


class Writer:
    """Commits its shards, but fails at number 1: at every attempt, or (`once`) at the first."""

    def __init__(self, output: Location, once: bool) -> None:
        self.output, self.once = output, once

    def __call__(self, unit: dict[str, Any]) -> None:
        began = self.output / "began"
        if unit["shard"] == 1 and not (self.once and began.exists()):
            began.write_bytes(b"")
            b"\xff".decode()
        write_shard(self.output, unit["shard"], f"part-{unit['shard']}", b"x")


class Deadly(Writer):
    """Dies of shard 1 and notes each time that it began it. The next one is worked on as if nothing were."""

    def __init__(self, output: Location) -> None:
        self.output = output

    def __call__(self, unit: dict[str, Any]) -> None:
        if unit["shard"] == 1:
            (self.output / "began" / uuid.uuid4().hex).write_bytes(b"")
            os._exit(1)
        write_shard(self.output, unit["shard"], f"part-{unit['shard']}", b"x")


class Careful(Deadly):
    """As `Deadly`, but can set aside."""

    def set_aside(self, unit: dict[str, Any], why: str) -> None:
        write_shard(self.output, unit["shard"], f"part-{unit['shard']}", b"", why=why)


def context(place: Path) -> Context:
    output, cluster = Location.of(place), SimpleNamespace(data_workers=1)
    return Context(None, cluster, {}, [], output, output / WORK, Silent(), "", output)  # type: ignore[arg-type]


def units(number: int) -> list[dict[str, Any]]:
    return [{"shard": shard} for shard in range(number)]


def test_a_unit_that_fails_once_is_done_at_the_second_attempt(tmp_path: Path, session: Session) -> None:
    ctx = context(tmp_path)
    assert sorted(run_shards(ctx, units(3), Writer, ctx.output, True)) == [0, 1, 2]


def test_a_unit_that_fails_again_is_named_with_its_error_and_what_is_finished_stays(tmp_path: Path, session: Session) -> None:
    ctx = context(tmp_path)
    with pytest.raises(WorkError) as caught:
        run_shards(ctx, units(2), Writer, ctx.output, False)
    message = "shard 1: UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte; finished"
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert sorted(shard_records(ctx.output)) == [0]
    again = run_here(ctx, units(2), Writer, ctx.output, True)
    assert sorted(again) == [0, 1]


def test_a_unit_that_ends_its_worker_is_begun_three_times_and_then_named(tmp_path: Path, session: Session) -> None:
    ctx = context(tmp_path)
    with pytest.raises(WorkError, match=r"^shard 1: its worker died 3 times, as it does without memory .*; give a worker more"):
        run_shards(ctx, units(3), Deadly, ctx.output)
    assert len((ctx.output / "began").files()) == 3


def test_a_unit_that_ends_its_worker_is_set_aside_where_that_can_be_told_and_all_others_are_done(
    tmp_path: Path, session: Session
) -> None:
    ctx = context(tmp_path)
    records = run_shards(ctx, units(4), Careful, ctx.output)
    assert sorted(records) == [0, 1, 2, 3]
    assert records[1]["counts"]["why"].startswith("its worker died 3 times")
    assert len((ctx.output / "began").files()) == 3


@pytest.mark.parametrize("run", [run_here, run_shards])
def test_what_is_finished_is_looked_up_once_however_many_units_there_are(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx, looked = context(tmp_path), []
    for unit in units(50):
        write_shard(ctx.output, unit["shard"], f"part-{unit['shard']}", b"x")
    monkeypatch.setattr(pool, "shard_records", lambda place: looked.append(place) or shard_records(place))
    assert len(run(ctx, units(50), Writer, ctx.output, True)) == 50
    assert len(looked) == 1


@pytest.mark.parametrize("error", [RequestError("no such file"), WorkError("empty"), OSError(errno.ENOSPC, "full")])
def test_errors_that_speak_for_themselves_are_passed_on(error: Exception) -> None:
    def work(unit: dict[str, Any]) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        attempted(work, {"shard": 0})
    assert caught.value is error
